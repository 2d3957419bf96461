"""Metrics of generated against real pictures: Frechet and kernel distance, precision, recall, realism, GAN-test.

    from generate.measuring.similarity import describe
    precision, recall = precision_recall(describe(network, real).features, describe(network, fake).features)

All functions take features (N, D) of any network, on the CPU. Kernel distance, precision and recall come from
torch-fidelity, the classifier from scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

BLOCK = 2048  # rows of a distance matrix in memory
MAX_REALISM = 10.0  # reached at a tenth of a real picture's radius, where a sample is a copy


@dataclass(frozen=True)
class Gaussian:
    """Mean (D,) and a factor R (at most max(N, D) rows, D columns) of the covariance R^T R, in double precision."""

    mean: Tensor
    factor: Tensor


def gaussian(features: Tensor) -> Gaussian:
    """Fit a Gaussian to features (N, D), for `frechet_distance`. Raises ValueError for fewer than two rows."""
    if len(features) < 2:
        raise ValueError(f"{len(features)} pictures are too few for a covariance: give 2 or more.")
    x = features.double()
    mean = x.mean(dim=0)
    factor = (x - mean) / (len(x) - 1) ** 0.5
    if len(factor) > factor.shape[1]:
        factor = torch.linalg.qr(factor, mode="r").R
    return Gaussian(mean, factor)


def frechet_distance(real: Tensor | Gaussian, fake: Tensor | Gaussian) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the Gaussians fitted to both sets of features, at least 0.

    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017. With
    C1 = A^T A and C2 = B^T B, the trace of the root is the sum of the singular values of A B^T. This is exact and real even
    where a covariance is singular, for which matrix square roots are inaccurate.
    """
    a = real if isinstance(real, Gaussian) else gaussian(real)
    b = fake if isinstance(fake, Gaussian) else gaussian(fake)
    root_trace = torch.linalg.svdvals(a.factor @ b.factor.T).sum()
    total = (a.mean - b.mean).square().sum() + a.factor.square().sum() + b.factor.square().sum() - 2 * root_trace
    return max(0.0, float(total))


def kernel_distance(real: Tensor, fake: Tensor, subsets: int = 100, subset_size: int = 1000) -> float:
    """The squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, averaged over seeded random subsets.

    Binkowski et al., "Demystifying MMD GANs", ICLR 2018. Unlike the Frechet distance, the estimate is unbiased: it doesn't
    grow with fewer pictures and may be slightly negative. Raises ValueError for fewer than two pictures on either side.
    """
    size = min(subset_size, len(real), len(fake))
    if size < 2:
        raise ValueError(f"{size} pictures are too few for a kernel distance: give 2 or more on both sides.")
    found = kid_features_to_metric(
        real.float(), fake.float(), kid_subsets=subsets, kid_subset_size=size, rng_seed=0, verbose=False
    )
    return float(found[KEY_METRIC_KID_MEAN])


def precision_recall(real: Tensor, fake: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """The share of fakes within the manifold of the real pictures, and of real pictures within that of the fakes.

    Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019: a manifold is
    the union of balls around its pictures, each with the distance to its `neighbours`-th nearest neighbour as its radius.
    Raises ValueError for too few pictures.
    """
    if (fewest := min(len(real), len(fake))) <= neighbours:
        raise ValueError(f"{fewest} pictures are too few for {neighbours} neighbours: give {neighbours + 1} or more.")
    found = prc_features_to_metric(
        fake.float(),
        real.float(),
        prc_neighborhood=neighbours,
        prc_batch_size=BLOCK,
        save_cpu_ram=True,
        verbose=False,
    )
    return float(found[KEY_METRIC_PRECISION]), float(found[KEY_METRIC_RECALL])


def within_manifold(real: Tensor, fake: Tensor, neighbours: int = 3) -> float:
    """The share of fakes within the manifold of the real pictures: precision, for any number of fakes."""
    radii = _radii(real, neighbours)
    inside = [(torch.cdist(block, real) <= radii).any(dim=1) for block in fake.split(BLOCK)]  # type: ignore[no-untyped-call]
    return float(torch.cat(inside).float().mean())


def realism(real: Tensor, fake: Tensor | None = None, neighbours: int = 3) -> Tensor:
    """The realism (N,) of each fake (N, D): above 1 within the manifold of the real pictures, towards 0 far from it.

    Section 5 of the same paper: the largest ratio of a real picture's radius to its distance, here at most MAX_REALISM. The
    half of the real pictures with the larger radii is ignored, since they are outliers. Without fakes, each real picture is
    scored against the others. Raises ValueError for too few real pictures.
    """
    radii = _radii(real, neighbours)
    trusted = radii <= radii.median()
    scores = []
    others = real if fake is None else fake
    for start in range(0, len(others), BLOCK):
        apart = torch.cdist(others[start : start + BLOCK], real)
        if fake is None:
            rows = torch.arange(len(apart))
            apart[rows, rows + start] = torch.inf
        scores.append((radii[trusted] / apart[:, trusted].clamp_min(1e-6)).max(dim=1).values)
    return torch.cat(scores).clamp_max(MAX_REALISM)


def _radii(real: Tensor, neighbours: int) -> Tensor:
    """Return the distance (N,) of each real picture to its `neighbours`-th nearest neighbour."""
    if len(real) <= neighbours + 1:
        raise ValueError(f"{len(real)} pictures are too few for a manifold: give {neighbours + 2} or more.")
    return torch.cat(
        [torch.cdist(block, real).kthvalue(neighbours + 1).values for block in real.split(BLOCK)]  # type: ignore[no-untyped-call]
    )


def gan_test(real: Tensor, labels: Tensor, fake: Tensor, asked: Tensor) -> tuple[float, float]:
    """The accuracy of a classifier trained on real pictures, on fakes and on real pictures.

    Shmelkov et al., "How Good Is My GAN?", ECCV 2018 (GAN-test), with logistic regression. `labels` (N,) are the categories
    of the real pictures, `asked` (M,) those that the fakes should show. The accuracy on real pictures is cross-validated:
    perfect fakes would reach it. Raises ValueError for fewer than two categories, or one with a single real picture.
    """
    counts = labels.bincount()
    fewest = int(counts[counts > 0].min())
    if (counts > 0).sum() < 2 or fewest < 2:
        raise ValueError("A classifier needs two categories or more, of two pictures or more.")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(min(5, fewest), shuffle=True, random_state=0)
    x, y = real.double().numpy(), labels.numpy()
    own = cross_val_score(classifier, x, y, cv=folds).mean()
    named = classifier.fit(x, y).predict(fake.double().numpy())
    return float((torch.from_numpy(named) == asked).double().mean()), float(own)
