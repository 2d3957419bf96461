"""The truncation trick for lightweight-gan's generator: fewer odd pictures for less variety.

Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019, appendix B.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.model.networks import Generator

MEAN_OF = 4096  # latents: the mean that truncation interpolates towards is taken over these


def mean_maps(generator: Generator, categories: int) -> Tensor:
    """The targets of truncation: the mean first feature map, (1, C, 4, 4), or one for each category, (K, C, 4, 4).

    Of unit length at every position, and computed in full precision whatever the pictures are drawn in.
    """
    device = next(generator.parameters()).device
    latents = torch.randn(MEAN_OF, generator.latent_dim, generator=torch.Generator().manual_seed(0)).to(device)
    means = []
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for number in range(categories) or (None,):
            told = None if number is None else torch.full((MEAN_OF,), number, device=device)
            means.append(F.normalize(generator.first_map(latents, told).mean(dim=0, keepdim=True)))
    return torch.cat(means)


@contextmanager
def truncated(generator: Generator, truncation: float, mean: Tensor | None) -> Iterator[None]:
    """Within this context what a latent becomes is drawn towards `mean`, of `mean_maps`; 1 changes nothing.

    It acts on the first feature map, this generator's intermediate latent. The network divides every position of
    that by its length: so a shorter latent would make much the same picture, and what is mixed here are directions.
    """
    if truncation == 1:
        yield
        return
    if mean is None:
        raise ValueError(f"A truncation of {truncation} needs a mean to draw towards.")

    def draw_towards(_: nn.Module, __: object, out: Tensor) -> Tensor:
        return torch.lerp(mean.to(out.dtype), F.normalize(out, dim=1), truncation)

    handle = generator.get_submodule("initial_conv").register_forward_hook(draw_towards)
    try:
        yield
    finally:
        handle.remove()
