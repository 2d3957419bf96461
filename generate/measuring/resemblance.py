"""Measure whether samples resemble the training pictures at all: `curate` warns if not, `refill` refuses to publish.

    found = resemblance(drawn, trained)
    if found and found.too_far: ...

Frechet distance and precision don't separate a poor generator from noise. The plausible share does: the share of samples at
least as realistic as all but the least realistic 5 % of the training pictures. benchmarks/README.md, "Resemblance", has the
measurements behind MIN_PLAUSIBLE.
"""

from __future__ import annotations

import torch

from generate.measuring.metrics import frechet_distance, within_manifold
from generate.measuring.similarity import Descriptors, realism_of
from generate.measuring.verdicts import MIN_PICTURES, Resemblance

OUTLIER_QUANTILE = 0.05  # the least realistic training pictures, which are ignored


def resemblance(drawn: Descriptors, trained: Descriptors) -> Resemblance | None:
    """Measure it; None for fewer than two samples or 2 * MIN_PICTURES training pictures."""
    if len(drawn) < 2 or len(trained) < 2 * MIN_PICTURES:
        return None
    order = torch.randperm(len(trained), generator=torch.Generator().manual_seed(0))
    one, other = trained.features[order[::2]], trained.features[order[1::2]]
    threshold = realism_of(trained).quantile(OUTLIER_QUANTILE)
    return Resemblance(
        plausible=float((realism_of(drawn, trained) >= threshold).float().mean()),
        frechet=frechet_distance(trained.features, drawn.features),
        within=within_manifold(trained.features, drawn.features),
        frechet_reached=frechet_distance(one, other),
        within_reached=within_manifold(one, other),
    )
