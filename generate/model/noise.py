"""What a picture is drawn from: a latent and the noise of every layer, both from its seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from generate.model.networks import package
from generate.ranks import own_rows, world


def draw_inputs(generator: nn.Module, seeds: Sequence[int], latent_dim: int) -> tuple[Tensor, list[Tensor]]:
    """Latents (N, latent_dim) and one noise tensor (N, 1, h, w) per noise layer, each row from its seed alone.

    Drawn on the CPU, so that a seed means the same picture on every device and in every batch.
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
    """Within this context the generator's noise layers take these tensors instead of drawing fresh noise."""

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
    """Let every rank draw the noise of the whole batch and use its own rows, as it does with all random numbers."""

    def draw(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = inputs[0]
        return x, own_rows(torch.randn(len(x) * world(), 1, *x.shape[2:], device=x.device))

    if world() > 1:
        for layer in _noise_layers(generator):
            layer.register_forward_pre_hook(draw)


def _noise_layers(generator: nn.Module) -> list[nn.Module]:
    return [module for module in generator.modules() if isinstance(module, package.Noise)]
