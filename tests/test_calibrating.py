"""Steps are as coarse as the pictures allow: finer where a layer matters more, and for a network that matters more."""

from __future__ import annotations

import math

import torch
from torch import nn

from generate.model.calibrating import MAX_ERROR, choose_steps


def network(first: float, last: float) -> nn.Sequential:
    """Two layers, one of whose outputs are of such sizes."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64))
    with torch.no_grad():
        layers[0].weight *= first
        layers[1].weight *= last
    return layers


INPUTS = [(torch.randn(8, 64, generator=torch.Generator().manual_seed(seed)),) for seed in range(6)]


def rounded(layers: nn.Sequential, steps: dict[str, float]) -> torch.Tensor:
    with torch.no_grad():
        for name, step in steps.items():
            weight = layers.get_parameter(name)
            weight.copy_((weight / step).round() * step)
        return torch.cat([layers(*some) for some in INPUTS])


def test_no_value_moves_by_more_than_allowed_and_weights_stay_as_they_were():
    layers = network(1, 1)
    before = {name: weight.clone() for name, weight in layers.named_parameters()}
    with torch.no_grad():
        exact = torch.cat([layers(*some) for some in INPUTS])

    steps = choose_steps(layers, INPUTS)

    assert steps.keys() == {"0.weight", "1.weight"}  # biases are small
    assert all(torch.equal(weight, before[name]) for name, weight in layers.named_parameters())
    error = (rounded(layers, steps) - exact).abs().max().item()
    assert MAX_ERROR / 4 < error <= MAX_ERROR
    assert all(math.log2(step).is_integer() for step in steps.values())


def test_what_matters_more_is_rounded_less():
    """Relative to its size, as a step is."""
    quiet, loud = (choose_steps(network(1, scale), INPUTS) for scale in (0.1, 10))

    assert loud["0.weight"] < quiet["0.weight"]


def test_weights_without_any_effect_end_the_search():
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(2048, generator=torch.Generator().manual_seed(0)))
            self.zeros = nn.Parameter(torch.zeros(2048))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 0 * self.weight.sum()

    assert choose_steps(Deaf(), INPUTS).keys() == {"weight"}
