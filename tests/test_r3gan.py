"""r3gan: the discriminator's shapes, its categories, and the clamp in front of it."""

from __future__ import annotations

import pytest
import torch

from generate.model.networks import NetworkOptions
from generate.model.r3gan import build_r3gan, clamp_to_colours


@pytest.mark.parametrize(("size", "channels"), [(32, 3), (64, 1), (128, 4)])
def test_a_logit_for_each_picture(size, channels):
    discriminator = build_r3gan(NetworkOptions(size=size, channels=channels), width=4)

    assert discriminator(torch.rand(2, channels, size, size)).shape == (2,)


def test_logits_depend_on_the_category():
    discriminator = build_r3gan(NetworkOptions(size=32, categories=("cats", "dogs")), width=4)
    picture = torch.rand(1, 3, 32, 32)

    as_cat, as_dog, as_cat_again = (discriminator(picture, torch.tensor([number])) for number in (0, 1, 0))

    assert not torch.allclose(as_cat, as_dog)
    assert torch.equal(as_cat, as_cat_again)


def test_the_gradient_reaches_every_pixel():
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)

    build_r3gan(NetworkOptions(size=32), width=4)(picture).sum().backward()

    assert picture.grad.abs().min() > 0


def test_clamped_values_may_only_be_led_back():
    pixels = torch.tensor([-0.5, -0.5, 0.5, 1.5, 1.5], requires_grad=True)

    clamped = clamp_to_colours(pixels)
    clamped.backward(torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0]))  # descent goes against it

    assert clamped.tolist() == [0, 0, 0.5, 1, 1]
    assert pixels.grad.tolist() == [0, -1, 1, 1, 0]
