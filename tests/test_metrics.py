"""metrics: against torch-fidelity on the same features, closed forms, and cases whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from generate.metrics import (
    copy_rate,
    duplicates,
    duplicates_rate,
    frechet_distance,
    gaussian,
    kernel_distance,
    nearest,
    precision_recall,
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


def test_nearest_is_exact_and_leaves_out_the_picture_itself():
    points = 1000 + torch.tensor([[0.0, 0.0], [0.001, 0.0], [3.0, 4.0]])

    distance, index = nearest(points, points, leave_one_out=True)

    assert index.tolist() == [1, 0, 1]
    torch.testing.assert_close(distance, torch.tensor([0.001, 0.001, 5.0]), rtol=0.1, atol=0)
    assert nearest(points[2:], points)[0].item() == 0


def test_copy_rate_of_copies_is_one_and_of_held_out_pictures_the_quantile():
    real, held_out = normal(500, 16), normal(500, 16, seed=1)
    copies = real + 0.01 * normal(500, 16, seed=2)

    assert copy_rate(real, copies) == 1
    assert copy_rate(real, held_out) < 0.03
    assert copy_rate(real, torch.cat([held_out, copies])) == pytest.approx(0.5, abs=0.02)


def test_duplicates_leave_one_of_each_bunch():
    features = normal(3000, 16)  # more than one block of rows
    bunch = features[7] + 0.01 * normal(5, 16, seed=1)

    found = duplicates(torch.cat([features, bunch]), threshold=0.2)

    assert found == dict.fromkeys(range(3000, 3005), 7)
    assert duplicates_rate(torch.cat([features, bunch]), 0.2) == 5 / 3005


def test_a_chain_is_not_one_bunch():
    """0 and 2 are no duplicates of each other, only of 1, which goes."""
    assert duplicates(torch.tensor([[0.0], [1.0], [2.0]]), threshold=1.5) == {1: 0}


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, precision_recall])
def test_too_few_pictures_are_a_sentence(measure):
    with pytest.raises(ValueError, match=r"pictures .*: give"):
        measure(normal(1, 4), normal(1, 4))
