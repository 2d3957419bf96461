"""Decide which categories of a generator to show: those that are neither poor nor collapsed.

verdicts = judge_categories(network, {"pineapple": pictures}, trained=None)

A category has collapsed if most of its pictures repeat each other. When it is poor depends on what it can be compared with:

- Training pictures: few samples are as realistic as most of them, see `generate.measuring.resemblance`.
- No training pictures, a category of ImageNet: for few samples, a classifier has it among its five likeliest. This counts
  only if the classifier recognises the pictures of most categories; it recognises no drawings, for example.
- Neither: the category is never called poor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import click
import torch
from torch import Tensor

from generate.measuring.features import EfficientNetLite0, batches
from generate.measuring.recognising import classify
from generate.measuring.resemblance import OUTLIER_QUANTILE
from generate.measuring.similarity import MAX_LIMIT, Descriptors, describe, distinct, find_repeats, realism_of
from generate.measuring.verdicts import MIN_PLAUSIBLE
from generate.model.imagenet import find_kind

ALIKE, POOR = "all alike", "poor"
MAX_ALIKE = 0.5  # share of a category's pictures that repeat another one
TOP_K = 5  # a picture is recognised if its category is among the classifier's likeliest five
MIN_RECOGNISED = 0.5  # median over the categories of recognised pictures; below it the classifier is ignored


@dataclass(frozen=True)
class CategoryVerdict:
    """Whether a category is kept, and its scores; None for those that can't be measured."""

    category: str
    pictures: int
    alike: float  # share that repeats another one
    plausible: float | None  # share as realistic as all but the least realistic training pictures
    recognised: float | None  # share that a classifier recognises
    reason: str = ""  # ALIKE, POOR, or "" if it is kept


def judge_categories(
    network: EfficientNetLite0, drawn: Mapping[str, Sequence[Tensor]], trained: Descriptors | None
) -> list[CategoryVerdict]:
    """Return a verdict on each category, given some of its pictures (3, H, W), uint8."""
    descriptors = {name: describe(network, pictures) for name, pictures in drawn.items()}
    alike = {name: len(find_repeats(some, MAX_LIMIT)) / max(1, len(some) - 1) for name, some in descriptors.items()}
    plausible: dict[str, float] = {}
    recognised: dict[str, float] = {}
    if trained is not None:
        trained = distinct(trained)[0]
        threshold = realism_of(trained).quantile(OUTLIER_QUANTILE)
        plausible = {name: _share(realism_of(some, trained) >= threshold) for name, some in descriptors.items()}
    else:
        numbers = {name: number for name in drawn if (number := _imagenet_number(name)) is not None}
        recognised = {name: _recognised(network, drawn[name], number) for name, number in numbers.items()}
        if not recognised or median(recognised.values()) < MIN_RECOGNISED:
            recognised = {}
    return [
        CategoryVerdict(
            name,
            len(pictures),
            alike[name],
            plausible.get(name),
            recognised.get(name),
            _reason(alike[name], plausible.get(name), recognised.get(name)),
        )
        for name, pictures in drawn.items()
    ]


def verdict_table(verdicts: Sequence[CategoryVerdict]) -> list[str]:
    """Format the verdicts, a line each, rejected ones first, and a summary."""
    width = max(len(verdict.category) for verdict in verdicts)
    lines = []
    for verdict in sorted(verdicts, key=lambda verdict: (not verdict.reason, verdict.category.lower())):
        found = [f"{verdict.alike:4.0%} alike"]
        if verdict.plausible is not None:
            found.append(f"{verdict.plausible:4.0%} as realistic as training pictures")
        if verdict.recognised is not None:
            found.append(f"{verdict.recognised:4.0%} recognised")
        lines.append(f"  {verdict.category:{width}}  {', '.join(found)}  {verdict.reason or 'kept'}")
    left_out = [verdict.reason for verdict in verdicts if verdict.reason]
    why = ", ".join(f"{left_out.count(reason)} {reason}" for reason in (POOR, ALIKE) if reason in left_out)
    summary = f"{len(verdicts) - len(left_out)} of {len(verdicts)} categories kept"
    return [*lines, f"{summary}; left out: {why}." if why else f"{summary}."]


def _reason(alike: float, plausible: float | None, recognised: float | None) -> str:
    if alike > MAX_ALIKE:
        return ALIKE
    return POOR if any(share is not None and share < MIN_PLAUSIBLE for share in (plausible, recognised)) else ""


def _imagenet_number(category: str) -> int | None:
    """Return the number of ImageNet's category of this name, None if there is none."""
    try:
        return find_kind(category).number
    except click.ClickException:
        return None


def _recognised(network: EfficientNetLite0, pictures: Sequence[Tensor], number: int) -> float:
    shares = torch.cat([classify(network, batch) for batch in batches(pictures)])
    return _share((shares.topk(TOP_K).indices == number).any(dim=1))


def _share(true: Tensor) -> float:
    return float(true.float().mean())
