"""Choose the quantization step of each layer's weights so that no visible difference remains.

    from generate.model.portable import Portable
    from generate.model.generator import load_generator
    from pathlib import Path
    steps = choose_steps(Portable(load_generator(Path("runs/mine")), 8), [])

Rounding weights to multiples of a step adds noise to the pictures. Its variance grows with the square of the step, up to a
thousand times faster in some layers than in others. For a given total noise, the file is smallest when each layer
contributes noise in proportion to its number of weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from generate.model.packing import MAX_INTEGER, PACK_MULTIPLE

MIN_WEIGHTS = 1024  # smaller tensors are kept as floats
TRIAL_STEP = 1 / 16  # of the weights' standard deviation
MAX_ERROR = 1.5 / 255  # of any pixel; after rounding to 8 bits, 2 levels
INITIAL_NOISE = 0.14 / 255  # standard deviation over all pixels; few are off by ten times as much
TRIAL_PICTURES = 2  # to measure each layer with; the result is checked on all

Inputs = Sequence[tuple[Tensor | None, ...]]


@torch.inference_mode()
def choose_steps(network: nn.Module, inputs: Inputs) -> dict[str, float]:
    """Return the step of each large weight tensor by name, a power of two, so that no pixel moves by more than MAX_ERROR.

    `inputs` are the network's arguments, one tuple per picture.
    """
    weights = {
        name: weight
        for name, weight in network.named_parameters()
        if weight.numel() >= MIN_WEIGHTS and weight.numel() % PACK_MULTIPLE == 0 and weight.std() > 0
    }
    variances = _variances(network, weights, inputs[:TRIAL_PICTURES])
    exact, noise = _draw(network, inputs), INITIAL_NOISE
    while True:
        steps = _allocate(weights, variances, noise)
        with _Rounded(weights, steps):
            error = (_draw(network, inputs) - exact).abs().max().item()
        smallest = all(step <= _smallest_step(weights[name]) for name, step in steps.items())
        if error <= MAX_ERROR or smallest:
            return steps
        noise /= math.sqrt(2)


def _variances(network: nn.Module, weights: Mapping[str, Tensor], inputs: Inputs) -> dict[str, float]:
    """Return the variance of the pictures' noise per squared step of each weight tensor."""
    exact, variances = _draw(network, inputs), {}
    for name, weight in weights.items():
        step = TRIAL_STEP * weight.std().item()
        with _Rounded({name: weight}, {name: step}):
            variances[name] = (_draw(network, inputs) - exact).square().mean().item() / step**2
    return variances


def _allocate(weights: Mapping[str, Tensor], variances: Mapping[str, float], noise: float) -> dict[str, float]:
    """Return the steps that add up to `noise` (a standard deviation), shared in proportion to the number of weights."""
    each = noise**2 / sum(weight.numel() for weight in weights.values())
    steps = {}
    for name, weight in weights.items():
        largest = TRIAL_STEP * weight.std().item()
        wanted = math.sqrt(each * weight.numel() / variances[name]) if variances[name] else largest
        step = 2.0 ** round(math.log2(min(wanted, largest)))
        steps[name] = max(step, _smallest_step(weight))
    return steps


def _smallest_step(weight: Tensor) -> float:
    """Return the smallest step for which `pack` can store all weights."""
    return 2.0 ** math.ceil(math.log2(weight.abs().max().item() / MAX_INTEGER))


def _draw(network: nn.Module, inputs: Inputs) -> Tensor:
    return torch.cat([network(*some) for some in inputs])


class _Rounded:
    """A context in which the weights are rounded to multiples of their steps."""

    def __init__(self, weights: Mapping[str, Tensor], steps: Mapping[str, float]) -> None:
        self._weights, self._steps = weights, steps
        self._exact = {name: weight.clone() for name, weight in weights.items()}

    def __enter__(self) -> None:
        for name, weight in self._weights.items():
            weight.copy_((weight / self._steps[name]).round() * self._steps[name])

    def __exit__(self, *_: object) -> None:
        for name, weight in self._weights.items():
            weight.copy_(self._exact[name])
