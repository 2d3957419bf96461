"""vision_aided: the second discriminator, and the gradients that it leaves."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import softplus

from generate.measuring.features import MEAN, STD, TAP_CHANNELS, EfficientNetLite0, load_features
from generate.training import vision_aided
from generate.training.choices import TrainOptions
from generate.training.losses import relativistic_loss
from generate.training.players import Players
from generate.training.steps import FEATURE_WEIGHT, feature_backward
from generate.training.vision_aided import TAP_RMS, FeatureDiscriminator

CPU = torch.device("cpu")


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return FeatureDiscriminator(2, CPU)


def players(critic, accumulate=1):
    options = TrainOptions(precision="fp32", accumulate=accumulate)
    return Players(nn.Identity(), nn.Identity(), options, CPU, None, 0.0, critic)


def test_only_the_heads_are_trained_and_saved(critic):
    trained = sum(parameter.numel() for parameter in critic.parameters())

    assert trained == sum(weight.numel() for weight in critic.state_dict().values()) < 250_000
    assert all(name.startswith("heads.") for name in critic.state_dict())


def test_its_maps_are_those_of_the_frozen_network(critic):
    pictures = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(value)[:, None, None] for value in (MEAN, STD))

    maps = critic.maps(pictures)

    assert [each.shape[1] for each in maps] == list(TAP_CHANNELS)
    expected = load_features().pyramid(((pictures - mean) / std).contiguous(memory_format=torch.channels_last))
    for found, each, rms in zip(maps, expected, TAP_RMS, strict=True):
        torch.testing.assert_close(found * rms, each)


def test_grey_pictures_are_seen_as_rgb_and_transparent_ones_over_black(critic):
    grey, colours, alpha = torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)

    for shown, same in (
        (grey, grey.repeat(1, 3, 1, 1)),
        (torch.cat((colours, alpha), dim=1), colours * alpha),
    ):
        for one, other in zip(critic.maps(shown), critic.maps(same), strict=True):
            torch.testing.assert_close(one, other)


def test_one_pass_leaves_the_gradients_of_both_losses(critic):
    real, fake, told = torch.rand(3, 3, 32, 32), torch.rand(3, 3, 32, 32), torch.tensor([0, 1, 1])

    slope = feature_backward(players(critic, accumulate=2), critic, real, fake, told)
    found = [parameter.grad.clone() for parameter in critic.parameters()]

    shown = fake.clone().requires_grad_()
    on_fake = critic(critic.maps(shown), told)
    loss_g = FEATURE_WEIGHT * softplus(critic(critic.maps(real), told) - on_fake).mean()
    (expected,) = torch.autograd.grad(loss_g / 2, shown)
    torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-8)

    sides = [[each.detach().requires_grad_() for each in critic.maps(side)] for side in (real, fake)]
    on_real, on_fake = (critic(side, told) for side in sides)
    slopes = torch.autograd.grad(on_real.sum() + on_fake.sum(), [*sides[0], *sides[1]], create_graph=True)
    penalty = sum(each.square().sum(dim=(1, 2, 3)).mean() for each in slopes)
    loss = softplus(on_fake - on_real).mean(dim=1).sum() + penalty / 2
    for ours, written_out in zip(found, torch.autograd.grad(loss / 2, list(critic.parameters())), strict=True):
        torch.testing.assert_close(ours, written_out, rtol=1e-3, atol=1e-7)


def test_no_tensor_is_left_behind_on_the_cpu(monkeypatch):
    monkeypatch.setattr(vision_aided, "load_features", lambda device: EfficientNetLite0())
    with FakeTensorMode(), torch.device("cuda"):
        critic = FeatureDiscriminator(2, torch.device("cuda"))
        maps, told = critic.maps(torch.rand(3, 3, 32, 32)), torch.zeros(3, dtype=torch.long)
        loss = relativistic_loss(critic(maps, told), critic(maps, told))

    assert loss.device.type == "cuda"
