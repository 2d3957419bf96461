"""The truncation trick for lightweight-gan's generator: fewer odd pictures, less variety.

Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019, appendix B.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.model.networks import Generator

MEAN_OF = 4096  # latents averaged for the target of truncation


def mean_maps(generator: Generator, categories: int) -> Tensor:
    """Return the targets of truncation: the mean first feature map, (1, C, 4, 4), or one per category, (K, C, 4, 4).

    They have unit length at every position and are computed in full precision, whatever the pictures are drawn in.
    """
    device = next(generator.parameters()).device
    latents = torch.randn(MEAN_OF, generator.latent_dim, generator=torch.Generator().manual_seed(0)).to(device)
    means = []
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for number in range(categories) or (None,):
            labels = None if number is None else torch.full((MEAN_OF,), number, device=device)
            means.append(F.normalize(generator.first_map(latents, labels).mean(dim=0, keepdim=True)))
    return torch.cat(means)


@contextmanager
def truncated(generator: Generator, truncation: float, mean: Tensor | None) -> Iterator[None]:
    """A context in which the first feature map is interpolated towards `mean` (see `mean_maps`); 1 changes nothing.

    The first feature map is this generator's intermediate latent. The network normalizes it at every position, so scaling
    the latent itself would hardly change the picture.
    """
    if truncation == 1:
        yield
        return
    if mean is None:
        raise ValueError(f"A truncation of {truncation} needs a mean.")

    def draw_towards(_: nn.Module, __: object, out: Tensor) -> Tensor:
        return torch.lerp(mean.to(out.dtype), F.normalize(out, dim=1), truncation)

    handle = generator.get_submodule("initial_conv").register_forward_hook(draw_towards)
    try:
        yield
    finally:
        handle.remove()
