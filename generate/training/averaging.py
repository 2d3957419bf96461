"""The generator's moving average (EMA), which samples are drawn from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generate.model.networks import Generator

STATISTICS_BATCHES, STATISTICS_BATCH = 16, 16


def ema_beta(shown: int, per_step: int, ema_kimg: float) -> float:
    """Return the EMA decay for a step of `per_step` pictures and a half-life of `ema_kimg`.

    The half-life is at most a twentieth of the pictures shown so far, so that the random initial weights fade
    early (Karras et al., "Training GANs with Limited Data", 2020: EMA ramp-up).
    """
    half_life = min(1000 * ema_kimg, shown / 20)
    return float(0.5 ** (per_step / half_life)) if half_life else 0.0


@torch.no_grad()
def update_average(ema: nn.Module, generator: nn.Module, beta: float) -> None:
    """Set the weights to ema = beta * ema + (1 - beta) * generator."""
    for averaged, current in zip(ema.parameters(), generator.parameters(), strict=True):
        averaged.lerp_(current, 1 - beta)


@torch.no_grad()
def estimate_statistics(ema: Generator, labels: Tensor | None, device: torch.device) -> None:
    """Measure the batch norm statistics of the averaged weights, since the trained generator's don't fit them.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018, section 3.2.
    With labels (N,), categories are drawn from them. Forks the random state, so that training is not affected.
    """
    norms = [module for module in ema.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
    momenta = [norm.momentum for norm in norms]
    ema.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for norm in norms:
            norm.momentum = None  # cumulative mean over all batches
        for _ in range(STATISTICS_BATCHES):
            drawn = None if labels is None else labels[torch.randint(len(labels), (STATISTICS_BATCH,))].to(device)
            ema(torch.randn(STATISTICS_BATCH, ema.latent_dim).to(device), drawn)
    ema.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
