"""Export a generator as one ONNX graph with every random number as an input, for drawing in browsers.

    from pathlib import Path
    from generate.model.generator import load_generator
    exported = to_onnx(load_generator(Path("runs/mine")))

docs/live.md describes the inputs. The weights are quantized without visible difference (calibrating.py) and packed (packing.py).
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
from generate.model.family import Directions, Model, principal_components
from generate.model.generator import LightweightModel
from generate.model.networks import EMBEDDING_GAIN, Generator
from generate.model.noise import draw_inputs
from generate.model.packing import pack
from generate.model.truncation import MEAN_OF

OPSET = 17  # the newest that torch's exporter writes without onnxscript
DIRECTIONS = 8  # as many as `explore` shows
CALIBRATION_PICTURES = 12  # to choose the quantization steps with


@dataclass(frozen=True)
class Exported:
    """A generator as ONNX, and the share of variance of each of its directions."""

    data: bytes
    directions: list[float]


class Portable(nn.Module):
    """The generator with explicit inputs, batch norms folded, categories and truncation inside.

    Takes latents (1, D), weights of the categories (1, K) or None for an unconditional model, truncation (1,), the shift along
    each principal direction in standard deviations (1, P), and noises (1, 1, r, r). Returns pictures (1, C, H, W), 0..1.
    `shares` has each direction's share of variance.

    Constants are computed in double precision and then rounded, so that they don't depend on the processor.
    """

    def __init__(self, model: LightweightModel, count: int) -> None:
        super().__init__()
        generator = copy.deepcopy(model.generator).cpu().double()
        weight, bias = _first_layer(generator)  # (D or 2 D, 2 C * 16), (2 C * 16,)
        self.weight, self.bias = nn.Parameter(weight[: generator.latent_dim]), nn.Parameter(bias)
        embedding = torch.zeros(1, 1)
        if generator.embed is not None:
            embedding = EMBEDDING_GAIN * generator.embed.weight @ weight[generator.latent_dim :]
            self.embedding = nn.Parameter(embedding)
        means, directions = _means_and_directions(self._drawn(generator.latent_dim), embedding, count)
        self.means, self.shares = nn.Parameter(means), directions.shares.tolist()
        self.directions = nn.Parameter((directions.components * directions.deviations[:, None, None, None]).flatten(1))
        for up, _, _ in generator.layers:
            _fold_noise_and_norm(up)
        self.layers, self.out_conv, self.sle_map = generator.layers, generator.out_conv, generator.sle_map
        self.float()

    def _drawn(self, latent_dim: int) -> Tensor:
        """Return the first layer's output for random latents, without the category's part: (MEAN_OF, 2 C * 16)."""
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


def require_lightweight(
    model: Model, done: str = "exported for browsers", cure: str = "leave out --live or --format onnx"
) -> LightweightModel:
    """Return the model if it is lightweight-gan's. Raises click.ClickException otherwise: other families can't be exported."""
    if not isinstance(model, LightweightModel):
        raise click.ClickException(f"A {model.family} generator can't be {done}, only one that `train` made: {cure}.")
    return model


@torch.no_grad()
def to_onnx(model: LightweightModel, directions: int = DIRECTIONS, calibrated: int = CALIBRATION_PICTURES) -> Exported:
    """Export the generator as an ONNX file, the same bytes for the same weights.

    `directions` is the number of principal directions, `calibrated` the number of pictures that choose the quantization.
    """
    portable = Portable(model, directions).eval()
    inputs = example_inputs(model, len(portable.shares))
    steps = choose_steps(portable, calibration_inputs(model, len(portable.shares), calibrated))
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is deprecated; the new one needs onnxscript
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
    """Return placeholders for the graph's inputs by name, in the order of `Portable.forward`."""
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
    """Return the inputs of `count` seeds that cycle through categories, with and without truncation and shifts."""
    inputs, categories = [], len(model.categories)
    for seed in range(count):
        latents, noises = draw_inputs(model.generator, [seed], model.network.latent_dim)
        one_hot = torch.eye(categories)[[seed % categories]] if categories else None
        truncation = torch.tensor([0.7 if seed % 2 else 1.0])
        moved = torch.randn(1, directions, generator=torch.Generator().manual_seed(seed)) * (seed % 4 == 0)
        inputs.append((latents, one_hot, truncation, moved, *noises))
    return inputs


def noise_sides(size: int) -> list[int]:
    """Return the sides of the noise maps in pixels: 8, 16, ... up to the picture's."""
    return [1 << n for n in range(3, size.bit_length())]


def _first_layer(generator: Generator) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the first convolution as a matrix product (its input is one pixel), batch norm folded in."""
    convolution, norm = generator.initial_conv[0], generator.initial_conv[1]
    scale, shift = _affine(norm)
    weight = convolution.weight * scale[:, None, None]
    bias = (convolution.bias * scale + shift)[:, None].expand(-1, 16)
    return weight.flatten(1), bias.flatten()


def _means_and_directions(drawn: Tensor, embedding: Tensor, count: int) -> tuple[Tensor, Directions]:
    """Return the mean first feature map of each category (K, C * 16), and the principal directions within categories.

    Each category's mean is subtracted first, so that no direction leads from one category to another.
    """
    means, centred = [], []
    for number, category in enumerate(embedding):
        maps = _unit(_gate((drawn + category).reshape(len(drawn), -1, 4, 4)))
        means.append(_unit(maps.mean(dim=0, keepdim=True)))
        some = maps[number :: len(embedding)]
        centred.append(some - some.mean(dim=0))
    return torch.cat(means).flatten(1), principal_components(torch.cat(centred), count)


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
    """Return the scale and shift of a batch norm in eval mode."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _gate(x: Tensor) -> Tensor:
    value, gate = x.chunk(2, dim=1)
    return value * gate.sigmoid()


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)
