"""The averaged generator, which is the one that pictures are drawn from."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

STATISTICS_BATCHES, STATISTICS_BATCH = 16, 16


def ema_beta(shown: int, per_step: int, ema_kimg: float) -> float:
    """What the average keeps of itself in a step of `per_step` pictures, for a half-life of `ema_kimg`.

    The half-life is never over a twentieth of the pictures shown so far, so that an average of an early
    generator isn't one of its random start (Karras et al., "Training GANs with Limited Data", 2020: EMA ramp-up).
    """
    half_life = min(1000 * ema_kimg, shown / 20)
    return float(0.5 ** (per_step / half_life)) if half_life else 0.0


@torch.no_grad()
def update_average(ema: nn.Module, generator: nn.Module, beta: float) -> None:
    """ema = beta ema + (1 - beta) generator, over the weights."""
    for averaged, current in zip(ema.parameters(), generator.parameters(), strict=True):
        averaged.lerp_(current, 1 - beta)


def estimate_statistics(ema: nn.Module, latent_dim: int, device: torch.device) -> None:
    """Measure the batch norm statistics of the averaged weights, which those of no single generator fit.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018, section 3.2.
    Its random numbers are its own, so that looking at the average does not change the training.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        latents = [torch.randn(STATISTICS_BATCH, latent_dim) for _ in range(STATISTICS_BATCHES)]
        update_bn(latents, ema, device)
