"""growing: a discriminator of twice the size judges as the old one did; a run goes on at twice the size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from click import ClickException

from generate.model.generator import load_generator
from generate.model.networks import NetworkOptions, build_generator
from generate.model.r3gan import build_r3gan
from generate.prepare import prepare
from generate.training.choices import TrainOptions
from generate.training.growing import grow_discriminator, grow_generator
from generate.training.loop import train
from tests.conftest import EMOJI, TINY

SMALL = NetworkOptions(size=32, latent_dim=8, fmap_max=16, fmap_inverse_coef=9, attention=(), categories=("a", "b"))
LARGE = replace(SMALL, size=64)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_it_judges_as_at_half_the_size(channels):
    torch.manual_seed(0)
    old = build_r3gan(replace(SMALL, channels=channels), width=16)
    new = build_r3gan(replace(LARGE, channels=channels), width=8)
    pictures, labels, parameters = torch.rand(3, channels, 64, 64), torch.tensor([0, 1, 1]), list(new.parameters())

    grow_discriminator(old.state_dict(), new)

    torch.testing.assert_close(new(pictures, labels), old(F.avg_pool2d(pictures, 2), labels), rtol=1e-4, atol=1e-4)
    assert all(a is b for a, b in zip(parameters, new.parameters(), strict=True)), "its optimizer has these"


def test_all_of_its_new_weights_can_learn():
    torch.manual_seed(0)
    new = build_r3gan(LARGE, width=8)
    grow_discriminator(build_r3gan(SMALL, width=16).state_dict(), new)
    optimizer = torch.optim.SGD(new.parameters(), 0.01)

    for _ in range(2):  # in the first step some gradients are zero, since the weights after them are
        optimizer.zero_grad()
        new(torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 0, 1])).square().sum().backward()
        optimizer.step()

    assert all(parameter.grad.abs().sum() > 0 for parameter in new.parameters())


def test_a_generator_keeps_the_layers_that_both_have():
    old, new = build_generator(SMALL), build_generator(LARGE)

    grow_generator(old.state_dict(), new)

    for name, weight in old.state_dict().items():
        assert name.startswith("out_conv") or torch.equal(new.state_dict()[name], weight)


def test_a_run_goes_on_at_twice_the_size(tiny_run, tmp_path):
    train(tiny_run.parent / "prepared", tmp_path / "small", TrainOptions(**TINY | {"width": 16}), device="cpu")
    prepare(EMOJI / "food", tmp_path / "larger", size=64)
    prepare(EMOJI / "food", tmp_path / "too-large", size=128)
    options = TrainOptions(kimg=0.004, batch_size=4, start_from=str(tmp_path / "small"))

    train(tmp_path / "larger", tmp_path / "run", options, device="cpu")

    network = load_generator(tmp_path / "run").network
    assert (network.size, network.fmap_max) == (64, 16)
    with pytest.raises(ClickException, match="it was trained with size 32, not 128"):
        train(tmp_path / "too-large", tmp_path / "other", options, device="cpu")
