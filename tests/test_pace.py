"""pace: the time a run will take is measured without changing the run."""

from __future__ import annotations

import re

import pytest
import torch

from generate.model.networks import NetworkOptions
from generate.training.choices import TrainOptions
from generate.training.dataset import Pictures
from generate.training.options import network_of, resolve
from generate.training.pace import announce, flop, hours_text
from tests.conftest import TINY


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0.001, "1 minute"),
        (0.5, "30 minutes"),
        (1.99, "119 minutes"),
        (2.2, "2 hours"),
        (47, "47 hours"),
        (60, "2.5 days"),
    ],
)
def test_hours_as_people_say_them(hours, text):
    assert hours_text(hours) == text


@pytest.mark.parametrize("discriminator", ["r3gan", "lightweight"])
def test_a_long_run_is_told_what_would_be_shorter(discriminator):
    pictures, cpu = Pictures(torch.zeros(4, 3, 64, 64, dtype=torch.uint8)), torch.device("cpu")
    options = resolve(TrainOptions(**TINY | {"discriminator": discriminator}), pictures, cpu)
    before = torch.get_rng_state()

    lines = announce(options, network_of(options, pictures, ("a", "b")), pictures, cpu, 10**9)

    assert re.match(r"about [\d.]+ days at [\d.]+ pictures/s", lines[0])
    assert re.match(r"pictures of 32 px would take about [\d.]+ (days|hours)", lines[1])
    assert ("leave out --discriminator lightweight" in lines[-1]) == (discriminator == "lightweight")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_limit_on_the_hours_is_said_beside_what_it_cuts_short():
    pictures, cpu = Pictures(torch.zeros(4, 3, 32, 32, dtype=torch.uint8)), torch.device("cpu")
    options = resolve(TrainOptions(**TINY | {"hours": 0.5}), pictures, cpu)

    lines = announce(options, network_of(options, pictures), pictures, cpu, 10**9)

    assert re.fullmatch(r"--hours ends it after 30 minutes, at about [\d.e+]+ kimg", lines[1])


def test_half_the_side_is_less_work():
    options = TrainOptions(discriminator="r3gan", width=8)
    small, large = (
        flop(options, NetworkOptions(size=size, latent_dim=16, fmap_max=16, attention=())) for size in (32, 64)
    )

    assert 0 < small < large / 2
