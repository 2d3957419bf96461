"""Whether samples resemble the training pictures at all: what `curate` warns of and `refill` refuses to publish.

    found = resemblance(drawn, trained)
    if found and found.too_far: ...

Noise has a Frechet distance and a precision that a poor generator reaches too, so they can't tell one from the other.
The share of samples at least as realistic as all but the least realistic 5 % of the training pictures can. Measured at
64 px on EfficientNet-lite0's features with 64 samples, against 126 emoji of faces, 300 emoji of three groups and the 36 of
the tests:

| samples | Frechet distance | precision | plausible share |
|---|---:|---:|---:|
| uniform noise, grey noise, blurred noise, flat colours | 353 to 423 | 0.00 to 0.03 | 0.00 |
| two untrained generators | 359 to 419 | 0.00 | 0.00 |
| emoji of flags, against faces | 333 | 0.00 | 0.00 |
| the demo's generator, no truncation | 243 to 297 | 0.00 to 0.03 | 0.61 to 0.70 |
| the demo's published pictures | 218 to 316 | 0.00 to 0.06 | 0.97 |
| emoji that were held out | 88 to 218 | 0.28 to 0.91 | 0.33 to 0.91 |
| half of the training pictures against the other half | 59 to 190 | 0.83 to 0.89 | 0.95 by definition |

So LEAST_PLAUSIBLE = 0.1 refuses all noise and nothing that was trained, and a precision below half of what training
pictures reach is worth a warning: the demo gets one.
"""

from __future__ import annotations

import torch

from generate.measuring.metrics import frechet_distance, within_manifold
from generate.measuring.similarity import Looks, realistic
from generate.measuring.verdicts import MIN_PICTURES, Resemblance

LEAST_REALISTIC = 0.05  # share of training pictures that are no measure: the odd ones among them


def resemblance(drawn: Looks, trained: Looks) -> Resemblance | None:
    """Measure it; None with fewer than two samples or ten training pictures, whose halves have no manifold."""
    if len(drawn) < 2 or len(trained) < 2 * MIN_PICTURES:
        return None
    order = torch.randperm(len(trained), generator=torch.Generator().manual_seed(0))
    one, other = trained.features[order[::2]], trained.features[order[1::2]]
    threshold = realistic(trained).quantile(LEAST_REALISTIC)
    return Resemblance(
        plausible=float((realistic(drawn, trained) >= threshold).float().mean()),
        frechet=frechet_distance(trained.features, drawn.features),
        within=within_manifold(trained.features, drawn.features),
        frechet_reached=frechet_distance(one, other),
        within_reached=within_manifold(one, other),
    )
