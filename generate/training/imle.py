"""A loss that leaves no training picture out: each one attracts the sample nearest to it.

    nearest = Nearest(len(pictures), latent_dim=128)
    nearest.assign(players, pictures, shown=0)
    loss = pull(players, fake, real)  # fake drawn near nearest.latents[chosen], real = pictures[chosen]

A discriminator is content with a few kinds of convincing pictures. Implicit maximum likelihood estimation (Li & Malik, "Implicit
Maximum Likelihood Estimation", 2018) asks the opposite: that each real picture has a sample near it. Both together are the
"Inclusive GAN" of Yu et al. (ECCV 2020). Every few epochs, each picture gets a latent of its own from a pool of new
random ones, the one whose sample is nearest. Until the next time, half of each batch is drawn near the latents of the batch's
real pictures. The discriminators judge that half as any other, and the loss pulls it to these pictures. They are compared
in feature maps, since a distance in pixels blurs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from generate.model.noise import draw_inputs, fixed_noise
from generate.training.dataset import Pictures
from generate.training.players import Players

EPOCHS = 5  # between two assignments
POOL = 4  # latents that are drawn for each picture
CHUNK = 1024  # pictures that are assigned at a time, which bounds time and memory
WEIGHT = 4.0  # the generator's gradient is then about half as large as that of the feature discriminator
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
            _, chosen = linear_sum_assignment(total.nan_to_num(ELSEWHERE).numpy())  # of a generator that diverged
            self.latents[chunk] = latents[chosen]
        self.due.fill_(shown + EPOCHS * len(pictures))


def pull(players: Players, fake: Tensor, real: Tensor) -> Tensor:
    """The loss of generated pictures (N, C, H, W), 0..1: the mean distance of their feature maps from those of the real ones."""
    with torch.no_grad():
        wanted = _maps(players, real)
    return WEIGHT * torch.stack([F.l1_loss(x, y) for x, y in zip(_maps(players, fake), wanted, strict=True)]).sum()


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
