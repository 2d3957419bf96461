"""schedule: half a cosine over the burn-in, then constant."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from generate.training.schedule import schedule


@pytest.mark.parametrize(
    ("shown", "gamma", "rate"), [(0, 5.0, 1.0), (50_000, 2.75, 0.625), (100_000, 0.5, 0.25), (900_000, 0.5, 0.25)]
)
def test_from_the_start_to_the_end_of_the_burn_in(shown, gamma, rate):
    now = schedule(shown, burn_in_kimg=100, gamma=5.0)

    assert (now.gamma, now.rate) == (pytest.approx(gamma), pytest.approx(rate))


def test_the_rate_is_a_share_of_the_one_it_began_with():
    optimizer = torch.optim.Adam(nn.Linear(2, 2).parameters(), lr=7.0)
    optimizer.param_groups[0]["initial_lr"] = 0.4

    schedule(50_000, burn_in_kimg=100, gamma=5.0).apply(optimizer)

    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.25)
