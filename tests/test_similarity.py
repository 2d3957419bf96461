"""similarity: planted copies of real pictures are found and told from other real pictures; twins are cut to one."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from generate.images import decode, find_pictures
from generate.measuring.features import load_features
from generate.measuring.similarity import (
    MIN_LIMIT,
    Descriptors,
    copy_limit,
    describe,
    find_repeats,
    nearest_neighbour,
    realism_of,
)
from generate.prepare import prepare
from tests.conftest import EMOJI


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def mirrored(picture: torch.Tensor) -> torch.Tensor:
    return picture.flip(2)


def encoded(picture: torch.Tensor) -> torch.Tensor:
    stored = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(stored, "JPEG", quality=60)
    return tensor(Image.open(stored))


def shifted(picture: torch.Tensor) -> torch.Tensor:
    return F.pad(picture[None, :, 2:, 2:].float(), (0, 2, 0, 2), mode="replicate")[0].to(torch.uint8)


def all_at_once(picture: torch.Tensor) -> torch.Tensor:
    return encoded(shifted(mirrored(picture)))


@pytest.fixture(scope="module")
def network():
    return load_features()


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> list[torch.Tensor]:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(EMOJI, folder, size=64)
    return [tensor(decode(path)) for path in find_pictures(folder)]


@pytest.fixture(scope="module")
def training(network, real) -> Descriptors:
    return describe(network, real[::2])


@pytest.mark.parametrize("change", [mirrored, encoded, shifted, all_at_once])
def test_a_planted_copy_is_caught_and_its_picture_named(network, real, training, change):
    copies = describe(network, map(change, real[::2]))

    distance, index = nearest_neighbour(copies, training)

    assert index.tolist() == list(range(len(training)))
    assert distance.max() < MIN_LIMIT


def test_held_out_pictures_are_no_copies(network, real, training):
    held_out = describe(network, real[1::2])

    assert nearest_neighbour(held_out, training)[0].min() > copy_limit(training)


def test_the_size_of_pictures_does_not_matter(network, real, training):
    large = describe(network, F.interpolate(torch.stack(real[:2]).float(), scale_factor=4).to(torch.uint8))

    assert nearest_neighbour(large, training)[0][0] < MIN_LIMIT


def test_a_training_set_with_doubles_keeps_a_limit(network, real):
    assert copy_limit(describe(network, [*real[:6], *real[:6]])) == MIN_LIMIT


def test_of_twins_the_first_in_the_order_stays(network, real):
    descriptors = describe(network, [real[0], real[1], encoded(real[0]), mirrored(real[0]), real[2], shifted(real[2])])

    assert find_repeats(descriptors, MIN_LIMIT) == {2: 0, 3: 0, 5: 4}
    assert find_repeats(descriptors, MIN_LIMIT, order=[3, 5, 4, 2, 1, 0]) == {0: 3, 2: 3, 4: 5}


def test_duplicates_do_not_chain_through_pictures_that_were_left_out(network, real):
    a, other = real[0].float(), real[1].float()

    def blend(share: float) -> torch.Tensor:
        return (a + share * (other - a)).round().to(torch.uint8)

    descriptors = describe(network, [blend(0), blend(0.05), blend(0.1), blend(0.15)])
    step = nearest_neighbour(descriptors)[0].max().item()

    assert find_repeats(descriptors, 1.2 * step) == {1: 0, 3: 2}, "2 is near to 1, which was left out, but not to 0"
    assert find_repeats(descriptors, 1.2 * step, order=[1, 0, 2, 3]) == {0: 1, 2: 1}


def test_many_pictures_that_are_all_the_same_leave_one(network, real):
    descriptors = describe(network, [real[0]] * 40 + [real[1]])

    assert find_repeats(descriptors, MIN_LIMIT) == dict.fromkeys(range(1, 40), 0)


@pytest.mark.parametrize("twins", [1, 12])
def test_realism_of_twins_is_that_of_one_of_them(network, real, twins):
    noise = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    alone = realism_of(describe(network, [*real, noise]))

    scores = realism_of(describe(network, [*real, noise, *[noise] * twins, encoded(real[3])]))

    torch.testing.assert_close(scores[: len(alone)], alone)
    torch.testing.assert_close(scores[len(alone) :], torch.stack([*[alone[-1]] * twins, alone[3]]))


def test_pictures_that_are_all_the_same_are_not_judged(network, real):
    assert realism_of(describe(network, [real[0]] * 20)).tolist() == [1.0] * 20


def test_a_copy_of_a_training_picture_has_no_realism_of_millions(network, real, training):
    assert realism_of(describe(network, real[:1]), training).item() <= 10


def test_noise_is_the_least_realistic(network, real, training):
    noise = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    drawn = describe(network, [*real[1::2], *noise])

    for scores in (realism_of(drawn, training), realism_of(describe(network, [*real, noise[0]]))):
        assert scores[-1] < scores[:-4].min()
