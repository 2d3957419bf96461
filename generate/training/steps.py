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
from generate.training.imle import pull
from generate.training.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    relativistic_loss,
    squared_norms,
    squared_slopes,
)
from generate.training.players import Players
from generate.training.vision_aided import FeatureDiscriminator

PENALTY_WEIGHT = 10.0  # of the package's gradient penalty
FEATURE_GAMMA = 1.0  # weight of the penalty on feature maps
FEATURE_WEIGHT = 1.0  # of the generator's loss on feature maps, beside that on pixels; 3 narrows variety (benchmarks/)


def r3gan_backward(
    players: Players,
    real: Tensor,
    categories: Tensor | None,
    gamma: float,
    aided: bool,
    assigned: Tensor | None = None,
) -> Tensor:
    """Accumulate R3GAN's gradients of a batch in both networks; return (loss_d, loss_g, r_t).

    If `aided`, also accumulate those of the feature discriminator, and add its gradient to the generator's. If the latents
    `assigned` to the real pictures are given, (N, latent_dim), half of the generated ones are drawn near them and pulled to these
    pictures (imle.py).

    The penalty needs the gradient of the logits with respect to the generated pictures anyway. By the chain rule, the
    generator's gradient is that gradient times the derivative of the loss, so the generator needs no second pass through
    the discriminator, and both networks are updated simultaneously. Each real picture is paired with a generated one of
    its category.
    """
    with players.autocast():
        drawn, _ = players.draw(categories, assigned)
    fake = clamp_to_colours(drawn.float())
    accumulate = players.options.accumulate
    losses = [] if assigned is None else [players.options.imle / accumulate * pull(players, fake[::2], real[::2])]
    shown = players.augmented(fake)
    generated = shown.detach().requires_grad_()
    real = players.augmented(real).requires_grad_()
    with players.autocast():
        on_real, on_fake = (players.discriminator(side, categories).float() for side in (real, generated))
    slope_real, slope_fake = torch.autograd.grad(on_real.sum() + on_fake.sum(), (real, generated), create_graph=True)
    loss_d = relativistic_loss(on_real, on_fake)
    penalty = squared_slopes(slope_real) + squared_slopes(slope_fake)
    ((loss_d + gamma / 2 * penalty) / accumulate).backward()  # type: ignore[no-untyped-call]

    margin = (on_fake - on_real).detach().requires_grad_()
    loss_g = relativistic_loss(margin, torch.zeros_like(margin))
    (derivative,) = torch.autograd.grad(loss_g / accumulate, margin)
    slope = derivative[:, None, None, None] * slope_fake.detach()
    if aided:
        assert players.critic is not None
        slope = slope + feature_backward(players, players.critic, real.detach(), generated, categories)
    torch.autograd.backward([shown, *losses], [slope, *(torch.ones_like(loss) for loss in losses)])
    return torch.stack((loss_d.detach(), loss_g.detach(), -margin.detach().sign().mean()))


def feature_backward(
    players: Players, critic: FeatureDiscriminator, real: Tensor, fake: Tensor, categories: Tensor | None
) -> Tensor:
    """Accumulate the gradients of a batch in the heads; return the generator's gradient at `fake`, (N, C, H, W).

    As in `r3gan_backward`, one pass serves both: the gradient of the logits with respect to the feature maps, which the
    penalty needs, is multiplied by the derivative of the generator's loss and propagated back through the frozen network.
    """
    fake = fake.detach().requires_grad_()
    with players.autocast():
        with torch.no_grad():
            maps_real = critic.maps(real)
        maps_fake = critic.maps(fake)
    sides = [[each.detach().float().requires_grad_() for each in maps] for maps in (maps_real, maps_fake)]
    with players.autocast():
        on_real, on_fake = (critic(side, categories).float() for side in sides)
    slopes = torch.autograd.grad(on_real.sum() + on_fake.sum(), [*sides[0], *sides[1]], create_graph=True)
    loss = relativistic_loss(on_real, on_fake) * len(critic.heads)
    penalty = torch.stack([squared_norms(slope) for slope in slopes]).sum()
    ((loss + FEATURE_GAMMA / 2 * penalty) / players.options.accumulate).backward()  # type: ignore[no-untyped-call]

    margin = (on_fake - on_real).detach().requires_grad_()
    loss_g = FEATURE_WEIGHT * relativistic_loss(margin, torch.zeros_like(margin))
    (derivative,) = torch.autograd.grad(loss_g / players.options.accumulate, margin)
    slopes_fake = [
        slope.detach() * d[:, None, None, None] for slope, d in zip(slopes[len(sides[0]) :], derivative, strict=True)
    ]
    torch.autograd.backward(maps_fake, [s.to(m.dtype) for s, m in zip(slopes_fake, maps_fake, strict=True)])
    assert fake.grad is not None
    return fake.grad


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
