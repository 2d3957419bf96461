"""metrics: against torch-fidelity on the same features, closed forms, and cases whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from generate.measuring.metrics import (
    frechet_distance,
    gan_test,
    gaussian,
    kernel_distance,
    precision_recall,
    realism,
)


def normal(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def theirs(real, fake) -> float:
    both = (fid_features_to_statistics(features.double()) for features in (real, fake))
    return fid_statistics_to_metric(*both, verbose=False)[KEY_METRIC_FID]


@pytest.mark.parametrize(("reals", "fakes"), [(500, 300), (500, 20), (20, 500), (20, 10)])
def test_frechet_distance_is_torch_fidelitys_with_many_pictures_and_with_few(reals, fakes):
    real, fake = normal(reals, 64), 1.3 * normal(fakes, 64, seed=1).relu()

    ours = frechet_distance(real, fake)

    assert ours == pytest.approx(theirs(real, fake), rel=1e-4)
    assert frechet_distance(fake, real) == pytest.approx(ours)
    assert frechet_distance(gaussian(real), gaussian(fake)) == ours


def test_frechet_distance_of_known_gaussians():
    """Dowson & Landau, 1982: of N(0, I) and N(m, s^2 I) in D dimensions it is |m|^2 + D (1 - s)^2."""
    white = normal(100, 8).double()
    white = torch.linalg.qr(white - white.mean(dim=0)).Q * 99**0.5  # mean 0, covariance I

    assert frechet_distance(white, 3 * white + 2) == pytest.approx(8 * 4 + 8 * 4)
    assert frechet_distance(white, white) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_of_known_points():
    """With the kernel (x y + 1)^3 and D = 1: 8 within the ones, 1 within the zeros and between both."""
    assert kernel_distance(torch.ones(5, 1), torch.zeros(7, 1)) == pytest.approx(8 + 1 - 2)


def test_kernel_distance_tells_the_same_distribution_from_another():
    same = kernel_distance(normal(300, 32), normal(200, 32, seed=1))
    other = kernel_distance(normal(300, 32), normal(200, 32, seed=1) + 0.5)

    assert abs(same) < 0.02 < 0.1 < other


def test_precision_and_recall_are_told_apart():
    cats = normal(100, 8)
    both = torch.cat([cats, 50 + normal(100, 8, seed=1)])
    drawn_cats = cats + 0.01 * normal(100, 8, seed=2)

    assert precision_recall(both, drawn_cats) == (1, 0.5)  # good ones without variety
    assert precision_recall(cats, torch.cat([drawn_cats, both[100:]])) == (0.5, 1)  # half of them bad


def test_realism_ranks_noise_last_and_real_pictures_within_the_manifold():
    real, fake = normal(500, 8), normal(100, 8, seed=1)
    noise = 4 * normal(20, 8, seed=2)

    scores = realism(real, torch.cat([fake, noise]))

    assert scores.shape == (120,)
    assert scores[100:].median() < scores[:100].quantile(0.02)
    assert scores[:100].median() > 0.8


def test_realism_of_pictures_among_themselves():
    scores = realism(torch.cat([normal(200, 8), torch.full((1, 8), 9.0)]))

    assert scores.argmin() == 200
    assert scores[:200].max() < 100, "none is its own neighbour"


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, precision_recall])
def test_too_few_pictures_are_a_sentence(measure):
    with pytest.raises(ValueError, match=r"pictures .*: give"):
        measure(normal(1, 4), normal(1, 4))


def test_a_classifier_names_what_it_was_asked_for_and_nothing_where_there_is_nothing_to_see():
    labels = torch.arange(60) % 3
    real = normal(60, 16) + 8 * torch.eye(3, 16)[labels]
    fake, asked = normal(30, 16, seed=1), torch.arange(30) % 3

    as_asked, own = gan_test(real, labels, fake + 8 * torch.eye(3, 16)[asked], asked)
    of_others, _ = gan_test(real, labels, fake + 8 * torch.eye(3, 16)[asked], (asked + 1) % 3)
    _, own_of_noise = gan_test(normal(60, 16), labels, fake, asked)

    assert (as_asked, own, of_others) == (1, 1, 0)
    assert own_of_noise < 0.6  # it says nothing about pictures that it has learnt by heart


def test_a_category_of_one_picture_can_not_be_learnt():
    with pytest.raises(ValueError, match="two categories or more"):
        gan_test(normal(3, 4), torch.tensor([0, 0, 1]), normal(2, 4), torch.tensor([0, 1]))
