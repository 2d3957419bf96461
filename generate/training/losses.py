"""Loss functions: R3GAN's relativistic losses, and the lightweight-gan package's hinge losses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def relativistic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss of logits (N,), mean softplus(fake - real) over pairs; swap the arguments for the generator's.

    Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", ICLR 2019, as in R3GAN
    (Huang et al., NeurIPS 2024, equation 2).
    """
    return F.softplus(fake - real).mean()


def squared_slopes(slope: Tensor) -> Tensor:
    """The mean squared norm of the logits' gradients (N, C, H, W) with respect to pictures of 0..1, rescaled to -1..1.

    R1 for real pictures, R2 for generated ones (Mescheder et al., "Which Training Methods for GANs do actually Converge?",
    ICML 2018).
    """
    return squared_norms(slope) / 4


def squared_norms(slope: Tensor) -> Tensor:
    """The mean over N of the squared norm of (N, C, H, W)."""
    return slope.float().square().sum(dim=(1, 2, 3)).mean()


def discriminator_loss(on_real: list[Tensor], on_fake: list[Tensor]) -> Tensor:
    """Hinge loss, summed over the two outputs. As in the package, real pictures are trained towards -1, generated ones to 1."""
    return sum(
        (F.relu(1 + r).mean() + F.relu(1 - f).mean() for r, f in zip(on_real, on_fake, strict=True)), torch.tensor(0.0)
    )


def generator_loss(on_fake: list[Tensor]) -> Tensor:
    """The generator's hinge loss (Lim & Ye, "Geometric GAN", 2017), with the package's sign."""
    return sum((logits.mean() for logits in on_fake), torch.tensor(0.0))


def gradient_penalty(sides: list[tuple[list[Tensor], Tensor]]) -> Tensor:
    """The mean squared norm of the logits' gradients with respect to real and generated pictures together.

    R1 and R2 of Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018.
    """
    norms = []
    for outputs, pictures in sides:
        ones = [torch.ones_like(output) for output in outputs]
        (gradient,) = torch.autograd.grad(outputs, pictures, ones, create_graph=True)
        norms.append(gradient.float().flatten(1).square().sum(dim=1))
    return torch.cat(norms).mean()
