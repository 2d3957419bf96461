"""Differentiable augmentation of the real and generated pictures that the discriminator sees.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, with the paper's
ranges. A picture is chosen at random and then gets every requested kind. Uses slices and masks, no gather.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from generate.ranks import own_rows, world

TRANSLATION = 0.125  # of the side, in each direction
CUTOUT = 0.5  # of the side
R_T_TARGET, ADAPTATION_KIMG = 0.6, 500  # ADA's target; kimg that move the probability from 0 to 1


def augment(pictures: Tensor, probability: float, kinds: Sequence[str] = ("flip", "translation")) -> Tensor:
    """Augment each picture of (N, 3, H, W), 0..1, with this probability; `kinds` are keys of KINDS."""
    chosen = _uniform(len(pictures)) < probability
    for kind in kinds:
        pictures = KINDS[kind](pictures, chosen)
    return pictures


def adapt(probability: float, r_t: float, pictures: int) -> float:
    """Return the probability after `pictures` more: higher if r_t = E[sign(D(real))] is above its target, else lower.

    Karras et al., "Training Generative Adversarial Networks with Limited Data" (ADA), NeurIPS 2020, section 3.1.
    """
    change = pictures / (1000 * ADAPTATION_KIMG)
    return min(1.0, max(0.0, probability + (change if r_t > R_T_TARGET else -change)))


def flip(pictures: Tensor, chosen: Tensor) -> Tensor:
    """Mirror half of the chosen pictures."""
    mirrored = chosen & (_uniform(len(pictures)) < 0.5)
    return torch.where(_like(mirrored, pictures), pictures.flip(3), pictures)


def translation(pictures: Tensor, chosen: Tensor) -> Tensor:
    """Shift each axis by up to an eighth of the side; fill with black."""
    limit = round(TRANSLATION * pictures.shape[-1])
    shifts = _integers(-limit, limit, len(pictures)) * chosen[:, None]
    return translate(pictures, shifts)


def cutout(pictures: Tensor, chosen: Tensor) -> Tensor:
    """Black out a square of half the side around a random point."""
    side = pictures.shape[-1]
    centres = _integers(0, side, len(pictures))
    near = (torch.arange(side) + 0.5 - centres[..., None]).abs() < CUTOUT * side / 2  # (N, 2, side)
    square = near[:, 0, :, None] & near[:, 1, None, :] & chosen[:, None, None]
    return pictures * square.logical_not()[:, None].to(pictures.device)


def colour(pictures: Tensor, chosen: Tensor) -> Tensor:
    """Add up to 0.25 of brightness (the paper's 0.5 in -1..1); scale saturation by 0..2 and contrast by 0.5..1.5."""
    brightness, saturation, contrast = (_like(_uniform(len(pictures)), pictures) for _ in range(3))
    changed = pictures + (brightness - 0.5) / 2
    grey = changed.mean(dim=1, keepdim=True)
    changed = torch.lerp(grey.expand_as(changed), changed, 2 * saturation)
    level = changed.mean(dim=(1, 2, 3), keepdim=True)
    changed = torch.lerp(level.expand_as(changed), changed, 0.5 + contrast)
    return torch.where(_like(chosen, pictures), changed, pictures)


KINDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "flip": flip,
    "translation": translation,
    "cutout": cutout,
    "colour": colour,
}


def translate(pictures: Tensor, shifts: Tensor) -> Tensor:
    """Shift picture i by shifts[i] = (down, right) pixels; fill with zeros."""
    height, width = pictures.shape[2:]
    limit = int(shifts.abs().max()) if len(shifts) else 0
    padded = F.pad(pictures, (limit,) * 4)
    moved = [
        picture[:, limit - down : limit - down + height, limit - right : limit - right + width]
        for picture, (down, right) in zip(padded, shifts.tolist(), strict=True)
    ]
    return torch.stack(moved)


def _like(values: Tensor, pictures: Tensor) -> Tensor:
    """Reshape one value per picture to (N, 1, 1, 1) on the pictures' device."""
    values = values.to(pictures.device)[:, None, None, None]
    return values.to(pictures.dtype) if values.is_floating_point() else values


def _uniform(count: int) -> Tensor:
    """Draw from 0..1 for each picture of this rank. Every rank draws for all, so that random states stay equal."""
    return own_rows(torch.rand(count * world()))


def _integers(low: int, high: int, count: int) -> Tensor:
    """Draw a pair from low..high (inclusive) for each picture of this rank."""
    return own_rows(torch.randint(low, high + 1, (count * world(), 2)))
