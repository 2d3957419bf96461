"""The averaged generator follows the one in training with its half-life."""

from __future__ import annotations

import pytest
import torch

from generate.training.averaging import ema_beta, update_average


def test_average_halves_the_difference_in_a_half_life():
    ema, generator = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    ema.weight.data.fill_(0.0)
    generator.weight.data.fill_(1.0)

    for _ in range(10):
        update_average(ema, generator, ema_beta(10**6, per_step=100, ema_kimg=1))

    assert ema.weight.item() == pytest.approx(0.5)
    assert ema_beta(100, per_step=100, ema_kimg=10) < 1e-5  # at the start the average is the generator itself
