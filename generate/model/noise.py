"""The generator's random inputs: a latent and the noise of every layer, both determined by the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from generate.model.networks import package
from generate.ranks import own_rows, world


def draw_inputs(generator: nn.Module, seeds: Sequence[int], latent_dim: int) -> tuple[Tensor, list[Tensor]]:
    """Draw latents (N, latent_dim) and a noise tensor (N, 1, h, w) per noise layer; each row depends only on its seed.

    Drawn on the CPU, so a seed gives the same picture on every device and in every batch.
    """
    resolutions = [2 ** (3 + i) for i in range(len(_noise_layers(generator)))]
    latents, noises = [], []
    for seed in seeds:
        source = torch.Generator().manual_seed(seed)
        latents.append(torch.randn(latent_dim, generator=source))
        noises.append([torch.randn(1, r, r, generator=source) for r in resolutions])
    return torch.stack(latents), [torch.stack(layer) for layer in zip(*noises, strict=True)]


@contextmanager
def fixed_noise(generator: nn.Module, noises: Sequence[Tensor]) -> Iterator[None]:
    """A context in which the generator's noise layers use these tensors instead of drawing noise."""

    def use(noise: Tensor) -> Any:
        return lambda _, inputs: (inputs[0], noise)

    handles = [
        layer.register_forward_pre_hook(use(noise))
        for layer, noise in zip(_noise_layers(generator), noises, strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def share_noise(generator: nn.Module) -> None:
    """Make every rank draw the noise of the whole batch and use its own rows, so that random states stay equal."""

    def draw(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = inputs[0]
        return x, own_rows(torch.randn(len(x) * world(), 1, *x.shape[2:], device=x.device))

    if world() > 1:
        for layer in _noise_layers(generator):
            layer.register_forward_pre_hook(draw)


def _noise_layers(generator: nn.Module) -> list[nn.Module]:
    return [module for module in generator.modules() if isinstance(module, package.Noise)]
