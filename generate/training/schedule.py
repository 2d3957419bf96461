"""R3GAN's schedule: how the penalty's weight and the learning rate change during a run.

    now = schedule(shown=25_000, burn_in_kimg=300, gamma=5.0)
    now.gamma, now.rate, now.beta2

Huang et al. (NeurIPS 2024, appendix D) move each along half a cosine over a burn-in and hold it from there on. Theirs is
2,000 kimg of a run of 20,000 on 70,000 pictures; ours is set for runs of some hundred kimg on some hundred pictures:

| | here, at first | here, after the burn-in | theirs, FFHQ of 64 px |
|---|---|---|---|
| gamma | 5 | 0.5 | 2 to 0.2 |
| learning rate | 3e-4 | 0.75e-4 | 2e-4 to 0.5e-4 |
| beta2 | 0.99 | 0.99 | 0.9 to 0.99 |
| half-life of the average | a twentieth of what was shown | 5 kimg | 0 to 500 kimg |
| augmentation, of 1,000 pictures | 0.3 | 0.3 | 0 to 0.3 |

Few pictures want augmentation from the start. The average is in averaging.py, the augmentation in augment.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

GAMMA_END = 0.1  # times what it is at first
RATE_END = 0.25


@dataclass(frozen=True)
class Scheduled:
    """The values of one step: the penalty's weight and the factor of the learning rate."""

    gamma: float
    rate: float

    def apply(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the rate of its next step."""
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.rate


def schedule(shown: int, burn_in_kimg: float, gamma: float) -> Scheduled:
    """The values after `shown` real pictures. `gamma` is the weight at the start."""
    progress = min(1.0, shown / (1000 * burn_in_kimg))
    left = 0.5 * (1 + math.cos(math.pi * progress))  # 1 at the start, 0 from the end of the burn-in
    return Scheduled(gamma * (GAMMA_END + (1 - GAMMA_END) * left), RATE_END + (1 - RATE_END) * left)
