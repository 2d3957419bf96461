"""Checkpoints of rosinality's stylegan2-pytorch, beside its formulas written out one by one."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from math import sqrt
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from generate.model.opening import open_model
from generate.model.stylegan2.pickles import Refused
from generate.model.stylegan2.rosinality import read_rosinality

WIDTHS = (16, 12, 8, 8)  # at 4, 8, 16, 32 px
DIM, DEPTH = 16, 8
KERNEL = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
Weights = dict[str, torch.Tensor]


def state_of_generator(noise: bool = True) -> Weights:
    """Random weights of 32 px, z and w 16 wide, in the order of the original."""
    source = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=source)

    state: Weights = OrderedDict()
    for number in range(1, DEPTH + 1):
        state |= {f"style.{number}.weight": normal(DIM, DIM) * 100, f"style.{number}.bias": normal(DIM)}

    def modulated(name: str, inputs: int, outputs: int, kernel: int) -> None:
        state[f"{name}.conv.weight"] = normal(1, outputs, inputs, kernel, kernel)
        state[f"{name}.conv.modulation.weight"] = normal(inputs, DIM)
        state[f"{name}.conv.modulation.bias"] = 1 + 0.1 * normal(inputs)

    def convolution(name: str, inputs: int, outputs: int) -> None:
        modulated(name, inputs, outputs, 3)
        state.update({f"{name}.noise.weight": 0.3 * normal(1), f"{name}.activate.bias": normal(outputs)})

    state["input.input"] = normal(1, WIDTHS[0], 4, 4)
    convolution("conv1", WIDTHS[0], WIDTHS[0])
    modulated("to_rgb1", WIDTHS[0], 3, 1)
    state["to_rgb1.bias"] = normal(1, 3, 1, 1)
    for level in range(1, len(WIDTHS)):
        convolution(f"convs.{2 * level - 2}", WIDTHS[level - 1], WIDTHS[level])
        state[f"convs.{2 * level - 2}.conv.blur.kernel"] = 4 * KERNEL
        convolution(f"convs.{2 * level - 1}", WIDTHS[level], WIDTHS[level])
        modulated(f"to_rgbs.{level - 1}", WIDTHS[level], 3, 1)
        state |= {f"to_rgbs.{level - 1}.bias": normal(1, 3, 1, 1), f"to_rgbs.{level - 1}.upsample.kernel": 4 * KERNEL}
    for number in range(2 * len(WIDTHS) - 1 if noise else 0):
        size = 2 ** ((number + 5) // 2)
        state[f"noises.noise_{number}"] = normal(1, 1, size, size)
    return state


def write(folder: Path) -> Path:
    """A checkpoint as train.py writes it, with its options and optimizers."""
    state = state_of_generator()
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.002, "betas": (0.0, 0.99)}]}
    stored = {
        "g": {name: weight + 1 for name, weight in state.items()},
        "d": {"convs.0.0.weight": torch.zeros(4, 3, 1, 1)},
        "g_ema": state,
        "g_optim": optimizer,
        "args": argparse.Namespace(size=32, latent=DIM, n_mlp=DEPTH),
        "ada_aug_p": 0.0,
    }
    torch.save(stored, folder / "010000.pt")
    return folder / "010000.pt"


def w_of(state: Weights, latents: torch.Tensor) -> torch.Tensor:
    w = latents / torch.sqrt(latents.square().mean(dim=1, keepdim=True) + 1e-8)
    for number in range(1, DEPTH + 1):
        weight, bias = state[f"style.{number}.weight"], state[f"style.{number}.bias"]
        w = F.leaky_relu(w @ (weight * 0.01 / sqrt(DIM)).T + bias * 0.01, 0.2) * sqrt(2)
    return w


def drawn(state: Weights, w: torch.Tensor) -> torch.Tensor:
    """(N, DIM) -> (N, 3, 32, 32), one picture after the other: weights are modulated for each."""
    return torch.cat([_drawn(state, one) for one in w])


def _drawn(state: Weights, w: torch.Tensor) -> torch.Tensor:
    def modulated(x: torch.Tensor, name: str, rgb: bool = False) -> torch.Tensor:
        weight = state[f"{name}.conv.weight"][0]
        style = state[f"{name}.conv.modulation.weight"] / sqrt(DIM) @ w + state[f"{name}.conv.modulation.bias"]
        weight = weight / sqrt(weight[0].numel()) * style[None, :, None, None]
        if rgb:
            return F.conv2d(x, weight)
        weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        if f"{name}.conv.blur.kernel" not in state:
            return F.conv2d(x, weight, padding=1)
        return filtered(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), (1, 1, 1, 1))

    def filtered(x: torch.Tensor, padding: tuple[int, ...]) -> torch.Tensor:
        taps = (4 * KERNEL).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(F.pad(x, padding), taps, groups=x.shape[1])

    def convolution(x: torch.Tensor, name: str, number: int) -> torch.Tensor:
        x = modulated(x, name) + state[f"{name}.noise.weight"] * state[f"noises.noise_{number}"]
        return F.leaky_relu(x + state[f"{name}.activate.bias"][None, :, None, None], 0.2) * sqrt(2)

    x = convolution(state["input.input"], "conv1", 0)
    picture = modulated(x, "to_rgb1", rgb=True) + state["to_rgb1.bias"]
    for level in range(1, len(WIDTHS)):
        x = convolution(x, f"convs.{2 * level - 2}", 2 * level - 1)
        x = convolution(x, f"convs.{2 * level - 1}", 2 * level)
        zeros = torch.zeros(1, 3, 2 * picture.shape[2], 2 * picture.shape[3])
        zeros[:, :, ::2, ::2] = picture
        name = f"to_rgbs.{level - 1}"
        picture = filtered(zeros, (2, 1, 2, 1)) + modulated(x, name, rgb=True) + state[f"{name}.bias"]
    return picture


@pytest.mark.parametrize("truncation", [1.0, 0.5])
def test_pictures_are_those_of_its_formulas(tmp_path, truncation):
    state, mean = state_of_generator(), torch.linspace(-1, 1, DIM)
    torch.save({"g_ema": state, "latent_avg": mean}, tmp_path / "converted.pt")
    latents = torch.randn(3, DIM, generator=torch.Generator().manual_seed(1))
    expected = drawn(state, mean + truncation * (w_of(state, latents) - mean))

    generator = read_rosinality(tmp_path / "converted.pt")

    with torch.inference_mode():
        w = generator.mapping.w_avg.lerp(generator.mapping(latents), truncation)
        pictures = generator.synthesis(w[:, None].expand(-1, generator.options.layers, -1))
    assert (pictures - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_checkpoint_of_its_training_draws_with_the_average_and_finds_the_mean(tmp_path):
    model = open_model(write(tmp_path))
    torch.save({"g_ema": state_of_generator()}, tmp_path / "average.pt")

    assert (model.family, model.size) == ("StyleGAN2 of rosinality", 32)
    assert torch.equal(model.draw([0, 1]), open_model(tmp_path / "average.pt").draw([0, 1]))
    latents = torch.randn(20_000, DIM, generator=torch.Generator().manual_seed(2))
    mean, spread = w_of(state_of_generator(), latents).mean(dim=0), w_of(state_of_generator(), latents).std(dim=0)
    assert ((model.generator.mapping.w_avg - mean).abs() < 0.1 * spread).all()


def test_noise_that_was_not_saved_is_the_same_every_time(tmp_path):
    """The first versions of the original drew it anew for each picture."""
    torch.save({"g_ema": state_of_generator(noise=False)}, tmp_path / "old.pt")

    once, again = (open_model(tmp_path / "old.pt").draw([0]) for _ in range(2))

    assert torch.equal(once, again)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"convs.0.conv.blur.kernel": torch.ones(4, 4)}, "other than 1, 3, 3, 1"),
        ({"to_rgbs.0.iwt.ll": torch.ones(2, 2)}, "has 'to_rgbs.0.iwt.ll'"),  # SWAGAN, in the same repository
        ({"noises.noise_2": torch.ones(1, 1, 4, 4)}, "in the shape"),
        ({"style.1.weight": torch.full((DIM, DIM), float("nan"))}, "not finite"),
        ({"input.input": torch.zeros(1).expand(1, 100_000, 100, 100)}, "claims"),
    ],
)
def test_another_network_is_a_sentence(tmp_path, changed, sentence):
    torch.save({"g_ema": state_of_generator() | changed}, tmp_path / "other.pt")

    with pytest.raises(Refused, match=sentence):
        read_rosinality(tmp_path / "other.pt")
