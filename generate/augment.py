"""Differentiable augmentation: what the discriminator sees is moved and mirrored, real and generated alike.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TRANSLATION = 0.125  # of the side, in each direction


def augment(pictures: Tensor, probability: float) -> Tensor:
    """Translate and mirror each picture of (N, C, H, W), independently with this probability."""
    chosen = torch.rand(len(pictures)) < probability
    mirrored = chosen & (torch.rand(len(pictures)) < 0.5)
    limit = round(TRANSLATION * pictures.shape[-1])
    shifts = torch.randint(-limit, limit + 1, (len(pictures), 2)) * chosen[:, None]

    flip = mirrored.to(pictures.device)[:, None, None, None]
    return translate(torch.where(flip, pictures.flip(3), pictures), shifts)


def translate(pictures: Tensor, shifts: Tensor) -> Tensor:
    """Move picture i by shifts[i] = (down, right) pixels, filling with zeros. Slices, no gather."""
    height, width = pictures.shape[2:]
    limit = int(shifts.abs().max()) if len(shifts) else 0
    padded = F.pad(pictures, (limit,) * 4)
    moved = [
        picture[:, limit - down : limit - down + height, limit - right : limit - right + width]
        for picture, (down, right) in zip(padded, shifts.tolist(), strict=True)
    ]
    return torch.stack(moved)
