"""R3GAN's schedule of the penalty's weight and the learning rate.

    now = schedule(shown=25_000, burn_in_kimg=300, gamma=5.0)
    now.gamma, now.rate

Huang et al. (NeurIPS 2024, appendix D) change each along half a cosine over a burn-in and then hold it. Their burn-in takes
2,000 of 20,000 kimg on 70,000 pictures; ours is set for a few hundred kimg on a few hundred pictures:

| | here, at the start | here, after the burn-in | paper, FFHQ at 64 px |
|---|---|---|---|
| gamma | 5 | 0.5 | 2 to 0.2 |
| learning rate | 3e-4 | 0.75e-4 | 2e-4 to 0.5e-4 |
| beta2 | 0.99 | 0.99 | 0.9 to 0.99 |
| half-life of the EMA | a twentieth of the pictures shown | 5 kimg | 0 to 500 kimg |
| augmentation, for 1,000 pictures | 0.3 | 0.3 | 0 to 0.3 |
| second discriminator, on features | none | from 30 kimg on | none |

Small data sets need augmentation from the start. The EMA is in averaging.py, the augmentation in augment.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

GAMMA_END = 0.1  # as a factor of the initial value
RATE_END = 0.25


@dataclass(frozen=True)
class Scheduled:
    """The penalty's weight and the learning rate factor of one step."""

    gamma: float
    rate: float

    def apply(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the learning rate of its next step."""
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.rate


def schedule(shown: int, burn_in_kimg: float, gamma: float) -> Scheduled:
    """Return the values after `shown` real pictures. `gamma` is the initial weight of the penalty."""
    progress = min(1.0, shown / (1000 * burn_in_kimg))
    left = 0.5 * (1 + math.cos(math.pi * progress))  # 1 at the start, 0 from the end of the burn-in
    return Scheduled(gamma * (GAMMA_END + (1 - GAMMA_END) * left), RATE_END + (1 - RATE_END) * left)
