"""What the two networks are trained with, as the lightweight-gan package trains them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(on_real: list[Tensor], on_fake: list[Tensor]) -> Tensor:
    """Hinge loss, summed over the two outputs. The package trains real pictures towards -1, generated ones to 1."""
    return sum(
        (F.relu(1 + r).mean() + F.relu(1 - f).mean() for r, f in zip(on_real, on_fake, strict=True)), torch.tensor(0.0)
    )


def generator_loss(on_fake: list[Tensor]) -> Tensor:
    """The generator's half of the hinge loss (Lim & Ye, "Geometric GAN", 2017), in the package's sign."""
    return sum((logits.mean() for logits in on_fake), torch.tensor(0.0))


def gradient_penalty(sides: list[tuple[list[Tensor], Tensor]]) -> Tensor:
    """Mean squared norm of the logits' gradient at their input, over real and generated pictures alike.

    Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018: R1 and R2 in one.
    """
    norms = []
    for outputs, pictures in sides:
        ones = [torch.ones_like(output) for output in outputs]
        (gradient,) = torch.autograd.grad(outputs, pictures, ones, create_graph=True)
        norms.append(gradient.float().flatten(1).square().sum(dim=1))
    return torch.cat(norms).mean()
