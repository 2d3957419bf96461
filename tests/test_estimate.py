"""estimate: what a training run takes in memory."""

from __future__ import annotations

from dataclasses import replace

import torch

from generate.measuring.features import load_features
from generate.model.networks import NetworkOptions
from generate.training.choices import TrainOptions
from generate.training.estimate import estimate
from generate.training.vision_aided import FeatureDiscriminator

NETWORK = NetworkOptions(128, 128, 128, attention=())
OPTIONS = TrainOptions(discriminator="r3gan", width=16, batch_size=16, kimg=300, vision_kimg=30, precision="fp32")


def test_the_second_discriminator_counts_if_the_run_reaches_it():
    aided, alone = (estimate(NETWORK, replace(OPTIONS, vision_kimg=kimg), 100) for kimg in (30, 300))

    heads = sum(weight.numel() for weight in FeatureDiscriminator(0, torch.device("cpu")).parameters())
    frozen = sum(weight.numel() for weight in load_features().parameters())
    assert aided.weights_bytes - alone.weights_bytes == 4 * (4 * heads + frozen)
    assert aided.batch_bytes > alone.batch_bytes
    assert aided.data_bytes == alone.data_bytes == 100 * 3 * 128**2


def test_a_batch_takes_as_much_more_as_it_is_larger():
    one, two = (estimate(NETWORK, replace(OPTIONS, batch_size=size), 100).batch_bytes for size in (16, 32))
    half = estimate(NETWORK, replace(OPTIONS, precision="bf16"), 100).batch_bytes

    assert 1.9 < two / one < 2.1
    assert half == one // 2
