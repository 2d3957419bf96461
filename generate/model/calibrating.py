"""How coarsely each layer's weights may be rounded without anyone seeing it: found by trying.

    from generate.model.portable import Portable
    from generate.model.generator import load_generator
    from pathlib import Path
    steps = choose_steps(Portable(load_generator(Path("runs/mine")), 8), [])

Rounding to multiples of a step adds noise to the pictures whose variance grows with the square of the step, and how fast
differs by a factor of a thousand between layers. Of all steps with the same noise, the smallest file has those where each
layer contributes noise in proportion to its number of weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from generate.model.packing import LARGEST, PACKABLE

LEAST = 1024  # fewer weights than this are kept as floats
TRIAL = 1 / 16  # of the weights' deviation: the step that a layer is tried with
WORST = 1.5 / 255  # how far any pixel of the pictures tried may be off; in files of 8 bits the limit is 2 levels
NOISE = 0.14 / 255  # the deviation to begin with: few pixels are off by ten times as much
TRIED = 2  # pictures to measure each layer with; all are checked in the end

Inputs = Sequence[tuple[Tensor | None, ...]]


@torch.inference_mode()
def choose_steps(network: nn.Module, inputs: Inputs) -> dict[str, float]:
    """The step of each large weight of the network by name, each a power of two, so that no pixel moves by more than WORST.

    `inputs` are those of some pictures.
    """
    weights = {
        name: weight
        for name, weight in network.named_parameters()
        if weight.numel() >= LEAST and weight.numel() % PACKABLE == 0 and weight.std() > 0
    }
    variances = _variances(network, weights, inputs[:TRIED])
    exact, noise = _draw(network, inputs), NOISE
    while True:
        steps = _shared_out(weights, variances, noise)
        with _Rounded(weights, steps):
            worst = (_draw(network, inputs) - exact).abs().max().item()
        finest = all(step <= _finest(weights[name]) for name, step in steps.items())
        if worst <= WORST or finest:
            return steps
        noise /= math.sqrt(2)


def _variances(network: nn.Module, weights: Mapping[str, Tensor], inputs: Inputs) -> dict[str, float]:
    """Of the pictures' noise, for a step of 1 of each weight."""
    exact, variances = _draw(network, inputs), {}
    for name, weight in weights.items():
        step = TRIAL * weight.std().item()
        with _Rounded({name: weight}, {name: step}):
            variances[name] = (_draw(network, inputs) - exact).square().mean().item() / step**2
    return variances


def _shared_out(weights: Mapping[str, Tensor], variances: Mapping[str, float], noise: float) -> dict[str, float]:
    """The steps that give so much noise (a deviation) in all, in proportion to the numbers of weights."""
    each = noise**2 / sum(weight.numel() for weight in weights.values())
    steps = {}
    for name, weight in weights.items():
        coarsest = TRIAL * weight.std().item()
        wanted = math.sqrt(each * weight.numel() / variances[name]) if variances[name] else coarsest
        step = 2.0 ** round(math.log2(min(wanted, coarsest)))
        steps[name] = max(step, _finest(weight))
    return steps


def _finest(weight: Tensor) -> float:
    """The smallest step whose multiples fit into what `pack` writes."""
    return 2.0 ** math.ceil(math.log2(weight.abs().max().item() / LARGEST))


def _draw(network: nn.Module, inputs: Inputs) -> Tensor:
    return torch.cat([network(*some) for some in inputs])


class _Rounded:
    """Within this context the weights are multiples of their steps."""

    def __init__(self, weights: Mapping[str, Tensor], steps: Mapping[str, float]) -> None:
        self._weights, self._steps = weights, steps
        self._exact = {name: weight.clone() for name, weight in weights.items()}

    def __enter__(self) -> None:
        for name, weight in self._weights.items():
            weight.copy_((weight / self._steps[name]).round() * self._steps[name])

    def __exit__(self, *_: object) -> None:
        for name, weight in self._weights.items():
            weight.copy_(self._exact[name])
