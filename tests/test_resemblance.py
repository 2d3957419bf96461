"""resemblance: noise of every kind is told from a poor generator's pictures, and those from good ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from generate.images import decode, find_pictures
from generate.measuring.features import load_features
from generate.measuring.resemblance import resemblance
from generate.measuring.similarity import Descriptors, describe
from generate.model.generator import draw_pictures, load_generator
from generate.model.networks import build_generator
from generate.prepare import prepare
from tests.conftest import EMOJI, ROOT

COUNT = 12
CATEGORIES = [number % 3 for number in range(COUNT)]  # of the demo's generator


@pytest.fixture(scope="module")
def network():
    return load_features()


def pictures(folder: Path) -> list[Tensor]:
    return [torch.from_numpy(np.array(decode(path))).permute(2, 0, 1) for path in find_pictures(folder)]


@pytest.fixture(scope="module")
def trained(network, tmp_path_factory) -> Descriptors:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(EMOJI, folder, size=64)
    return describe(network, pictures(folder))


def uniform() -> Tensor:
    return torch.rand(COUNT, 3, 64, 64)


def faint() -> Tensor:
    return 0.5 + 0.1 * torch.randn(COUNT, 3, 64, 64)


def blurred() -> Tensor:
    return F.interpolate(torch.rand(COUNT, 3, 8, 8), (64, 64), mode="bilinear")


def flat() -> Tensor:
    return torch.rand(COUNT, 3, 1, 1).expand(-1, -1, 64, 64)


def stripes() -> Tensor:
    return torch.rand(COUNT, 3, 64, 1).expand(-1, -1, -1, 64)


def untrained() -> Tensor:
    options = load_generator(ROOT / "demo" / "generator.safetensors").network
    return draw_pictures(build_generator(options).eval(), range(COUNT), 4, CATEGORIES) / 255


@pytest.mark.parametrize("noise", [uniform, faint, blurred, flat, stripes, untrained])
def test_noise_is_too_far_whatever_its_kind(network, trained, noise):
    torch.manual_seed(0)
    drawn = describe(network, noise().clamp(0, 1).mul(255).to(torch.uint8))

    found = resemblance(drawn, trained)

    assert found.too_far
    assert found.poor
    assert "barely resemble the training pictures: Frechet distance" in found.describe()


def test_blurred_pictures_are_poor_but_not_too_far(network, trained):
    generator = load_generator(ROOT / "demo" / "generator.safetensors").generator
    blurred = [gaussian_blur(each, 21, 4.0) for each in draw_pictures(generator, range(COUNT), 4, CATEGORIES)]

    found = resemblance(describe(network, blurred), trained)

    assert found.poor
    assert not found.too_far
    assert found.plausible > 0.3
    assert found.frechet > found.frechet_reached


def joined(one: Descriptors, other: Descriptors) -> Descriptors:
    return Descriptors(*(torch.cat([getattr(one, part), getattr(other, part)]) for part in vars(one)))


@pytest.mark.parametrize("noise", [uniform, faint, blurred, stripes, untrained])
def test_noise_among_training_pictures_is_counted(network, trained, noise):
    torch.manual_seed(0)
    drawn = describe(network, noise().clamp(0, 1).mul(255).to(torch.uint8))
    half = Descriptors(trained.features[:COUNT], trained.layout[:COUNT], trained.small[:COUNT])

    found = resemblance(joined(half, drawn), trained)

    assert found.poor
    assert found.partly_noise
    assert found.noise in (COUNT, COUNT + 1)
    assert f"{found.noise} of {2 * COUNT} pictures look like noise" in found.describe()


def test_training_pictures_are_neither(network, trained):
    half = Descriptors(trained.features[::2], trained.layout[::2], trained.small[::2])

    found = resemblance(half, trained)

    assert not found.poor
    assert found.within == 1


def test_training_pictures_with_doubles_are_judged_as_if_without(network, trained):
    twice = Descriptors(*(torch.cat([part, part]) for part in (trained.features, trained.layout, trained.small)))
    generator = load_generator(ROOT / "demo" / "generator.safetensors").generator

    drawn = describe(network, draw_pictures(generator, range(COUNT), 4, CATEGORIES))

    assert resemblance(drawn, twice) == resemblance(drawn, trained)


def test_too_few_pictures_are_not_judged(trained):
    few = Descriptors(trained.features[:9], trained.layout[:9], trained.small[:9])

    assert resemblance(trained, few) is None
