"""A generator as one ONNX graph that takes all a picture is drawn from as inputs: what a browser draws with.

    from pathlib import Path
    from generate.model.generator import load_generator
    exported = to_onnx(load_generator(Path("runs/mine")))

docs/live.md describes the inputs. The weights are rounded as coarsely as nobody sees (calibrating.py) and packed (packing.py).
"""

from __future__ import annotations

import copy
import io
import warnings
from dataclasses import dataclass
from typing import Any

import click
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.model.calibrating import choose_steps
from generate.model.family import Directions, Model
from generate.model.generator import LightweightModel
from generate.model.latent import directions_of
from generate.model.networks import EMBEDDING_GAIN, Generator
from generate.model.noise import draw_inputs
from generate.model.packing import pack
from generate.model.truncation import MEAN_OF

OPSET = 17  # the newest that torch's exporter writes without another package, and that every runtime of today reads
DIRECTIONS = 8  # as many as `explore` shows
CALIBRATED = 12  # pictures that rounding is tried on


@dataclass(frozen=True)
class Exported:
    """A generator as ONNX, and the share of variance of each of its directions."""

    data: bytes
    directions: list[float]


class Portable(nn.Module):
    """The generator with every input explicit, batch norms folded, categories and truncation inside.

    Takes latents (1, D), weights of the categories (1, K) or None where there are none, truncation (1,), how far to go
    along each principal direction in standard deviations (1, P), and noises (1, 1, r, r). Returns pictures
    (1, C, H, W), 0..1. `shares` has each direction's share of variance.

    Everything is computed in double precision and then rounded, so that it does not depend on the processor.
    """

    def __init__(self, model: LightweightModel, count: int) -> None:
        super().__init__()
        generator = copy.deepcopy(model.generator).cpu().double()
        weight, bias = _first_layer(generator)  # (D or 2 D, 2 C * 16), (2 C * 16,)
        self.weight, self.bias = nn.Parameter(weight[: generator.latent_dim]), nn.Parameter(bias)
        told = torch.zeros(1, 1)
        if generator.embed is not None:
            told = EMBEDDING_GAIN * generator.embed.weight @ weight[generator.latent_dim :]
            self.embedding = nn.Parameter(told)
        means, directions = _means_and_directions(self._drawn(generator.latent_dim), told, count)
        self.means, self.shares = nn.Parameter(means), directions.shares.tolist()
        self.directions = nn.Parameter((directions.components * directions.deviations[:, None, None, None]).flatten(1))
        for up, _, _ in generator.layers:
            _fold_noise_and_norm(up)
        self.layers, self.out_conv, self.sle_map = generator.layers, generator.out_conv, generator.sle_map
        self.float()

    def _drawn(self, latent_dim: int) -> Tensor:
        """What random latents give before the categories have their say: (MEAN_OF, 2 C * 16)."""
        latents = torch.randn(MEAN_OF, latent_dim, generator=torch.Generator().manual_seed(0))
        return latents.double() @ self.weight + self.bias

    def forward(
        self, latents: Tensor, categories: Tensor | None, truncation: Tensor, directions: Tensor, *noises: Tensor
    ) -> Tensor:
        first: Tensor = latents @ self.weight + self.bias
        mean: Tensor = self.means
        if categories is not None:
            first, mean = first + categories @ self.embedding, categories @ mean
        x = _unit(_gate(first.reshape(1, -1, 4, 4)))
        x = _unit(x + (directions @ self.directions).reshape(x.shape))
        mean = mean.reshape(x.shape)
        x = _unit(mean + truncation * (x - mean))
        scales: dict[int, Tensor] = {}
        for resolution, ((up, sle, attention), noise) in enumerate(zip(self.layers, noises, strict=True), start=2):
            if attention is not None:
                x = attention(x) + x
            x = _gate(up[:3](x) + up[3].weight * noise)
            if sle is not None:
                scales[self.sle_map[resolution]] = sle(x)
            if resolution + 1 in scales:
                x = x * scales[resolution + 1]
        pictures: Tensor = self.out_conv(x).clamp(0, 1)
        return pictures


def our_own(model: Model) -> LightweightModel:
    """The model if it is lightweight-gan's. Raises click.ClickException for one of another family, which can't be exported."""
    if not isinstance(model, LightweightModel):
        raise click.ClickException(
            f"A {model.family} generator can't draw in browsers, only one that `train` made: leave out --live or --format onnx."
        )
    return model


@torch.no_grad()
def to_onnx(model: LightweightModel, directions: int = DIRECTIONS, calibrated: int = CALIBRATED) -> Exported:
    """The generator as an ONNX file with so many directions, its rounding tried on so many pictures: the same bytes for the
    same weights."""
    portable = Portable(model, directions).eval()
    inputs = example_inputs(model, len(portable.shares))
    steps = choose_steps(portable, calibration_inputs(model, len(portable.shares), calibrated))
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is deprecated; the other one needs onnxscript
        torch.onnx.export(
            portable,
            tuple(inputs.values()),
            file,  # type: ignore[arg-type]
            opset_version=OPSET,
            dynamo=False,
            input_names=[name for name, value in inputs.items() if value is not None],
            output_names=["pictures"],
        )
    return Exported(pack(onnx.load_from_string(file.getvalue()), steps), portable.shares)


def example_inputs(model: LightweightModel, directions: int) -> dict[str, Tensor | None]:
    """Zeros of the shapes that the graph takes, by the names of its inputs and in the order of `Portable.forward`."""
    size, categories = model.network.size, len(model.categories)
    noises = {f"noise_{side}": torch.zeros(1, 1, side, side) for side in noise_sides(size)}
    return {
        "latents": torch.zeros(1, model.network.latent_dim),
        "categories": torch.zeros(1, categories) if categories else None,
        "truncation": torch.ones(1),
        "directions": torch.zeros(1, directions),
        **noises,
    }


def calibration_inputs(model: LightweightModel, directions: int, count: int) -> list[tuple[Tensor | None, ...]]:
    """Those of some seeds, in turn of all categories: drawn as they are, truncated, and moved along all directions."""
    inputs, categories = [], len(model.categories)
    for seed in range(count):
        latents, noises = draw_inputs(model.generator, [seed], model.network.latent_dim)
        told = torch.eye(categories)[[seed % categories]] if categories else None
        truncation = torch.tensor([0.7 if seed % 2 else 1.0])
        moved = torch.randn(1, directions, generator=torch.Generator().manual_seed(seed)) * (seed % 4 == 0)
        inputs.append((latents, told, truncation, moved, *noises))
    return inputs


def noise_sides(size: int) -> list[int]:
    """The sides of the maps that get noise, in pixels: 8, 16, ... up to the picture's."""
    return [1 << n for n in range(3, size.bit_length())]


def _first_layer(generator: Generator) -> tuple[Tensor, Tensor]:
    """The first convolution as a matrix, since its input is a single pixel, with the batch norm folded into it."""
    convolution, norm = generator.initial_conv[0], generator.initial_conv[1]
    scale, shift = _affine(norm)
    weight = convolution.weight * scale[:, None, None]
    bias = (convolution.bias * scale + shift)[:, None].expand(-1, 16)
    return weight.flatten(1), bias.flatten()


def _means_and_directions(drawn: Tensor, told: Tensor, count: int) -> tuple[Tensor, Directions]:
    """The mean of each category's first feature maps (K, C * 16), which truncation draws towards, and what differs within
    the categories: each category's mean is subtracted first, since for leading from one to another there is a better control.
    """
    means, centred = [], []
    for number, category in enumerate(told):
        maps = _unit(_gate((drawn + category).reshape(len(drawn), -1, 4, 4)))
        means.append(_unit(maps.mean(dim=0, keepdim=True)))
        some = maps[number :: len(told)]
        centred.append(some - some.mean(dim=0))
    return torch.cat(means).flatten(1), directions_of(torch.cat(centred), count)


def _fold_noise_and_norm(up: nn.Sequential) -> None:
    """Fold a layer's batch norm into the convolution and the noise before it."""
    convolution: nn.Conv2d = up[2][1]  # type: ignore[index]
    noise: Any = up[3]
    scale, shift = _affine(up[4])
    convolution.weight = nn.Parameter(convolution.weight * scale[:, None, None, None])
    assert convolution.bias is not None
    convolution.bias = nn.Parameter(convolution.bias * scale + shift)
    noise.weight = nn.Parameter((noise.weight * scale)[:, None, None])


def _affine(norm: Any) -> tuple[Tensor, Tensor]:
    """What a batch norm in eval mode multiplies with and adds."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _gate(x: Tensor) -> Tensor:
    value, gate = x.chunk(2, dim=1)
    return value * gate.sigmoid()


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)
