"""A loss that leaves no training picture out: each one attracts the sample nearest to it.

    nearest = Nearest(len(pictures), latent_dim=128)
    nearest.assign(players, pictures, shown=0)
    imle_backward(players, nearest.latents[chosen], real, categories)

A discriminator is content with a few kinds of convincing pictures. Implicit maximum likelihood estimation (Li & Malik, "Implicit
Maximum Likelihood Estimation", 2018) asks the opposite: that each real picture has a sample near it. Both together are the
"Inclusive GAN" of Yu et al. (ECCV 2020). Every few epochs, each picture gets a latent of its own from a pool of new
random ones, the one whose sample is nearest. Until the next time, the loss pulls that sample towards the picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from generate.model.noise import draw_inputs, fixed_noise
from generate.model.r3gan import clamp_to_colours
from generate.ranks import own_rows
from generate.training.dataset import Pictures
from generate.training.players import Players

EPOCHS = 5  # between two assignments
POOL = 4  # latents that are drawn for each picture
CHUNK = 1024  # pictures that are assigned at a time, which bounds time and memory
LATENT_NOISE = 0.1  # standard deviation, so that a neighbourhood of each latent is trained
PIXELS, FEATURES = 1000.0, 2.0  # weights; with them the gradient at the pictures is about half as large as R3GAN's
ELSEWHERE = 1e6  # the distance between pictures of different categories


class Nearest(nn.Module):
    """The latent (latent_dim,) that each training picture is assigned, and when to assign the next ones."""

    latents: Tensor
    due: Tensor

    def __init__(self, count: int, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("latents", torch.zeros(count, latent_dim))
        self.register_buffer("due", torch.tensor(0))  # number of pictures shown

    @torch.no_grad()
    def assign(self, players: Players, pictures: Pictures, shown: int) -> None:
        """Assign new latents to all pictures, each of them to one picture of its category."""
        for chunk in torch.split(torch.randperm(len(pictures)), CHUNK):
            latents = torch.randn(POOL * len(chunk), self.latents.shape[1])
            labels = None if players.labels is None else players.labels[chunk].repeat(POOL)
            real = _describe_real(players, pictures, chunk)
            drawn = _describe_drawn(players, latents, labels)
            apart = [torch.cdist(x, y) for x, y in zip(real, drawn, strict=True)]
            total = torch.stack([each / each.mean() for each in apart]).sum(dim=0).cpu()
            if labels is not None:
                total += ELSEWHERE * (labels[: len(chunk), None] != labels)
            _, chosen = linear_sum_assignment(total.numpy())
            self.latents[chunk] = latents[chosen]
        self.due.fill_(shown + EPOCHS * len(pictures))


def imle_backward(players: Players, latents: Tensor, real: Tensor, categories: Tensor | None) -> None:
    """Accumulate the generator's gradients towards the real pictures (N, C, H, W) from their assigned latents (N, latent_dim)."""
    options = players.options
    noise = own_rows(torch.randn(options.batch_size, options.latent_dim)).to(players.device)
    with players.autocast():
        drawn = players.generator(latents.to(players.device) + LATENT_NOISE * noise, categories)
    fake, real = clamp_to_colours(drawn.float()), real.detach()
    pixels = F.l1_loss(fake, real) + F.l1_loss(F.avg_pool2d(fake, 4), F.avg_pool2d(real, 4))
    with torch.no_grad():
        wanted = _maps(players, real)
    features = torch.stack([F.l1_loss(x, y) for x, y in zip(_maps(players, fake), wanted, strict=True)]).sum()
    (options.imle * (PIXELS * pixels + FEATURES * features) / options.accumulate).backward()  # type: ignore[no-untyped-call]


def _maps(players: Players, pictures: Tensor) -> list[Tensor]:
    assert players.critic is not None
    with players.autocast():
        return [each.float() for each in players.critic.maps(pictures)]


def _describe(players: Players, pictures: Tensor) -> list[Tensor]:
    """The colours of pictures (N, C, H, W) at 32 px and their feature maps at 4x4, each (N, D)."""
    deep = [F.adaptive_avg_pool2d(each, 4) for each in _maps(players, pictures)[1:]]
    return [each.flatten(1) for each in (F.adaptive_avg_pool2d(pictures, 32), *deep)]


def _describe_real(players: Players, pictures: Pictures, chunk: Tensor) -> list[Tensor]:
    batches = torch.split(chunk, players.options.batch_size)
    found = [_describe(players, pictures[batch].to(players.device).float() / 255) for batch in batches]
    return [torch.cat(each) for each in zip(*found, strict=True)]


def _describe_drawn(players: Players, latents: Tensor, labels: Tensor | None) -> list[Tensor]:
    """The same for every rank, with the noise of seed 0."""
    found, size = [], players.options.batch_size
    noises = [noise.to(players.device) for noise in draw_inputs(players.generator, [0], latents.shape[1])[1]]
    with torch.random.fork_rng(), fixed_noise(players.generator, noises):  # torchrun's processes draw noise regardless
        for start in range(0, len(latents), size):
            batch = None if labels is None else labels[start : start + size].to(players.device)
            with players.autocast():
                drawn = players.generator(latents[start : start + size].to(players.device), batch)
            found.append(_describe(players, drawn.float().clamp(0, 1)))
    return [torch.cat(each) for each in zip(*found, strict=True)]
