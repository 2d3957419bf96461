"""Measure whether samples resemble the training pictures at all: `curate` warns if not, `refill` refuses to publish.

    found = resemblance(drawn, trained)
    if found and found.too_far: ...

Frechet distance and precision don't separate a poor generator from noise. The plausible share does: the share of samples at
least as realistic as all but the least realistic 5 % of the training pictures. Single samples that are less realistic than
all but the least realistic 1 % look like noise. benchmarks/README.md, "Resemblance", has the measurements behind the limits.
"""

from __future__ import annotations

import torch

from generate.measuring.metrics import frechet_distance, within_manifold
from generate.measuring.similarity import Descriptors, distinct, realism_as_given
from generate.measuring.verdicts import MIN_PICTURES, Resemblance

OUTLIER_QUANTILE = 0.05  # the least realistic training pictures, which are ignored
NOISE_QUANTILE = 0.01  # a sample that is less realistic than these looks like noise


def resemblance(drawn: Descriptors, trained: Descriptors) -> Resemblance | None:
    """Measure it; None for fewer than two samples or 2 * MIN_PICTURES different training pictures.

    Duplicates among the training pictures are ignored: they would make each other realistic, and samples not.
    """
    trained = distinct(trained)[0]
    if len(drawn) < 2 or len(trained) < 2 * MIN_PICTURES:
        return None
    order = torch.randperm(len(trained), generator=torch.Generator().manual_seed(0))
    one, other = trained.features[order[::2]], trained.features[order[1::2]]
    real, found = realism_as_given(trained), realism_as_given(drawn, trained)
    floor = real.quantile(NOISE_QUANTILE)
    return Resemblance(
        samples=len(drawn),
        noise=int((found < floor).sum()),
        floor=float(floor),
        plausible=float((found >= real.quantile(OUTLIER_QUANTILE)).float().mean()),
        frechet=frechet_distance(trained.features, drawn.features),
        within=within_manifold(trained.features, drawn.features),
        frechet_reached=frechet_distance(one, other),
        within_reached=within_manifold(one, other),
    )
