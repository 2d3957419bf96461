"""Compute the gradients of one batch. The loop takes the optimizer steps.

R3GAN updates both networks at once, from one pass through each (`r3gan_backward`). The hinge losses of the lightweight-gan
package update them alternately (`discriminator_backward`, then `generator_backward`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from generate.model.r3gan import clamp_to_colours
from generate.training.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    relativistic_loss,
    squared_slopes,
)
from generate.training.players import Players

PENALTY_WEIGHT = 10.0  # of the package's gradient penalty


def r3gan_backward(players: Players, real: Tensor, categories: Tensor | None, gamma: float) -> Tensor:
    """Accumulate R3GAN's gradients of a batch in both networks; return (loss_d, loss_g, r_t).

    The penalty needs the gradient of the logits with respect to the generated pictures anyway. By the chain rule, the
    generator's gradient is that gradient times the derivative of the loss, so the generator needs no second pass through
    the discriminator, and both networks are updated simultaneously. Each real picture is paired with a generated one of
    its category.
    """
    with players.autocast():
        fake, _ = players.draw(categories)
    shown = players.augmented(clamp_to_colours(fake.float()))
    generated = shown.detach().requires_grad_()
    real = players.augmented(real).requires_grad_()
    with players.autocast():
        on_real, on_fake = (players.discriminator(side, categories).float() for side in (real, generated))
    slope_real, slope_fake = torch.autograd.grad(on_real.sum() + on_fake.sum(), (real, generated), create_graph=True)
    loss_d = relativistic_loss(on_real, on_fake)
    penalty = squared_slopes(slope_real) + squared_slopes(slope_fake)
    accumulate = players.options.accumulate
    ((loss_d + gamma / 2 * penalty) / accumulate).backward()  # type: ignore[no-untyped-call]

    margin = (on_fake - on_real).detach().requires_grad_()
    loss_g = relativistic_loss(margin, torch.zeros_like(margin))
    (derivative,) = torch.autograd.grad(loss_g / accumulate, margin)
    shown.backward(derivative[:, None, None, None] * slope_fake.detach())  # type: ignore[no-untyped-call]
    return torch.stack((loss_d.detach(), loss_g.detach(), -margin.detach().sign().mean()))


def discriminator_backward(players: Players, real: Tensor, categories: Tensor | None, penalised: bool) -> Tensor:
    """Accumulate the hinge loss's gradients in the discriminator; return (loss_d, 0, r_t)."""
    judge: Callable[..., Any] = players.discriminator
    if penalised:
        judge = players.discriminator.forward  # not compiled: torch.compile doesn't support second derivatives
    real.requires_grad_(penalised)
    with players.autocast():
        with torch.no_grad():
            fake, fake_labels = players.draw()
        fake = players.augmented(fake).float().requires_grad_(penalised)
        *on_fake, _ = judge(fake, categories=fake_labels)
        *on_real, reconstruction = judge(players.augmented(real), True, categories)
        hinge = discriminator_loss(on_real, on_fake)
    loss = hinge + reconstruction
    if penalised:
        loss = loss + PENALTY_WEIGHT * gradient_penalty([(on_real, real), (on_fake, fake)])
    (loss / players.options.accumulate).backward()
    r_t = on_real[0].detach().float().neg().sign().mean()
    return torch.stack((hinge.detach().float(), torch.zeros_like(r_t), r_t))


def generator_backward(players: Players) -> Tensor:
    """Accumulate the hinge loss's gradients in the generator; return (0, loss_g, 0). The discriminator must not require gradients."""
    with players.autocast():
        fake, fake_labels = players.draw()
        *on_fake, _ = players.discriminator(players.augmented(fake).float(), categories=fake_labels)
        loss = generator_loss(on_fake)
    (loss / players.options.accumulate).backward()  # type: ignore[no-untyped-call]
    none = torch.zeros((), device=players.device)
    return torch.stack((none, loss.detach().float(), none))
