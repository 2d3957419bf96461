"""How good pictures are as a whole: distances between two sets of features, and rates of copies and duplicates.

    from generate.metrics import frechet_distance, precision_recall
    precision, recall = precision_recall(embed(network, real), embed(network, fake))

All take features (N, D) on the CPU, of whatever network. Kernel distance, precision and recall are torch-fidelity's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

BLOCK = 2048  # rows of a matrix of distances that are in memory at a time
COPY_QUANTILE = 0.01  # of the distances between training pictures


@dataclass(frozen=True)
class Gaussian:
    """Mean (D,) and a factor R (min(N - 1, D) or so, D) of the covariance R^T R, both in double precision."""

    mean: Tensor
    factor: Tensor


def gaussian(features: Tensor) -> Gaussian:
    """The statistics of features (N, D) that a Frechet distance needs: worth keeping for the side that stays.

    Raises ValueError for fewer than two rows.
    """
    if len(features) < 2:
        raise ValueError(f"{len(features)} pictures have no covariance: give 2 or more.")
    x = features.double()
    mean = x.mean(dim=0)
    factor = (x - mean) / (len(x) - 1) ** 0.5
    if len(factor) > factor.shape[1]:
        factor = torch.linalg.qr(factor, mode="r").R
    return Gaussian(mean, factor)


def frechet_distance(real: Tensor | Gaussian, fake: Tensor | Gaussian) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the Gaussians through both sets of features, at least 0.

    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", 2017. Of the
    root only the trace is needed, and with C1 = A^T A and C2 = B^T B that is the sum of the singular values of A B^T:
    exact, real and no larger than the number of pictures, where a matrix root of few pictures' covariance is neither.
    """
    a = real if isinstance(real, Gaussian) else gaussian(real)
    b = fake if isinstance(fake, Gaussian) else gaussian(fake)
    root_trace = torch.linalg.svdvals(a.factor @ b.factor.T).sum()
    total = (a.mean - b.mean).square().sum() + a.factor.square().sum() + b.factor.square().sum() - 2 * root_trace
    return max(0.0, float(total))


def kernel_distance(real: Tensor, fake: Tensor, subsets: int = 100, subset_size: int = 1000) -> float:
    """The squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, averaged over seeded random subsets.

    Binkowski et al., "Demystifying MMD GANs", ICLR 2018. Unlike Frechet's it is unbiased: few pictures do not raise it
    (and it may be a little below 0). Subsets are no larger than the smaller side.
    """
    size = min(subset_size, len(real), len(fake))
    if size < 2:
        raise ValueError(f"{size} pictures have no kernel distance: give 2 or more on both sides.")
    found = kid_features_to_metric(
        real.float(), fake.float(), kid_subsets=subsets, kid_subset_size=size, rng_seed=0, verbose=False
    )
    return float(found[KEY_METRIC_KID_MEAN])


def precision_recall(real: Tensor, fake: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """The share of fake pictures within the manifold of real ones, and of real ones within that of the fakes.

    Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019: a
    manifold is the union of balls around its pictures, each reaching to its `neighbours`-th nearest neighbour.
    """
    if (fewest := min(len(real), len(fake))) <= neighbours:
        raise ValueError(
            f"{fewest} pictures span no manifold of {neighbours} neighbours: give {neighbours + 1} or more."
        )
    found = prc_features_to_metric(
        fake.float(),
        real.float(),
        prc_neighborhood=neighbours,
        prc_batch_size=BLOCK,
        save_cpu_ram=True,
        verbose=False,
    )
    return float(found[KEY_METRIC_PRECISION]), float(found[KEY_METRIC_RECALL])


def nearest(queries: Tensor, references: Tensor, *, leave_one_out: bool = False) -> tuple[Tensor, Tensor]:
    """For each query (N, D) the distance to its nearest reference (M, D), and which: both (N,).

    With `leave_one_out` both are the same pictures and none is its own neighbour.
    """
    distances, indices = [], []
    references = references.float()
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK].float()
        apart = torch.cdist(block, references)
        if leave_one_out:
            rows = torch.arange(len(block))
            apart[rows, rows + start] = torch.inf
        index = apart.argmin(dim=1)
        distances.append((block - references[index]).norm(dim=1))  # exactly: cdist's products round near 0
        indices.append(index)
    return torch.cat(distances), torch.cat(indices)


def copy_rate(real: Tensor, fake: Tensor, quantile: float = COPY_QUANTILE) -> float:
    """The share of fakes nearer to a real picture than all but `quantile` of the real ones are to another real one.

    So held-out real pictures come to about `quantile`, a generator that learned by heart to 1.
    """
    return (nearest(fake, real)[0] < copy_threshold(real, quantile)).float().mean().item()


def copy_threshold(real: Tensor, quantile: float = COPY_QUANTILE) -> float:
    """The distance below which a picture counts as a copy: a low quantile of the leave-one-out distances."""
    return nearest(real, real, leave_one_out=True)[0].quantile(quantile).item()


def duplicates_rate(fake: Tensor, threshold: float) -> float:
    """The share of pictures that have another one nearer than the threshold, less one for each bunch of them."""
    return len(duplicates(fake, threshold)) / len(fake)


def duplicates(features: Tensor, threshold: float) -> dict[int, int]:
    """Which rows to leave out so that no two are nearer than the threshold, each with the earlier one it repeats.

    Greedy in the order of the rows, so put the best first.
    """
    x = features.float()
    repeats: dict[int, int] = {}
    for start in range(0, len(x), BLOCK):
        apart = torch.cdist(x[start : start + BLOCK], x[: start + BLOCK])
        near = (apart < threshold).tril(start - 1).nonzero().tolist()  # pairs of a row and an earlier one
        for row, earlier in near:
            if earlier not in repeats:
                repeats.setdefault(row + start, earlier)
    return repeats
