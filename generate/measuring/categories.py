"""Which categories of a generator are fit to be shown: whose pictures are neither poor nor all alike.

verdicts = judge_categories(network, {"pineapple": pictures}, trained=None)

Pictures that repeat each other tell mode collapse. What poor means depends on what there is to compare with:

- with training pictures, as in `generate.measuring.resemblance`: few are as realistic as all but the oddest of those;
- without, for categories of ImageNet's: a network trained on ImageNet has the category among its five likeliest for few
  of them. That is believed only if it knows the pictures of most categories: of drawings it knows none.
- Other categories without training pictures can't be called poor, only alike.
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
from generate.measuring.resemblance import LEAST_REALISTIC
from generate.measuring.similarity import MOST_LIMIT, Looks, find_repeats, look, realistic
from generate.measuring.verdicts import LEAST_PLAUSIBLE
from generate.model.imagenet import find_kind

ALIKE, POOR = "all alike", "poor"
MOST_ALIKE = 0.5  # share of a category's pictures that repeat another of them
LIKELIEST = 5  # categories of ImageNet that a picture may be recognised as
KNOWN = 0.5  # share of pictures that the network recognises in the middle one of the categories, to be believed


@dataclass(frozen=True)
class CategoryVerdict:
    """Whether a category is kept, and what was measured of its pictures; None for what can't be."""

    category: str
    pictures: int
    alike: float  # share that repeats another one
    plausible: float | None  # share as realistic as all but the least realistic training pictures
    recognised: float | None  # share that shows the category, as a network trained on ImageNet sees it
    reason: str = ""  # ALIKE, POOR, or "" if it is kept


def judge_categories(
    network: EfficientNetLite0, drawn: Mapping[str, Sequence[Tensor]], trained: Looks | None
) -> list[CategoryVerdict]:
    """A verdict on each category by some of its pictures (3, H, W), uint8."""
    looks = {name: look(network, pictures) for name, pictures in drawn.items()}
    alike = {name: len(find_repeats(some, MOST_LIMIT)) / max(1, len(some) - 1) for name, some in looks.items()}
    plausible: dict[str, float] = {}
    recognised: dict[str, float] = {}
    if trained is not None:
        threshold = realistic(trained).quantile(LEAST_REALISTIC)
        plausible = {name: _share(realistic(some, trained) >= threshold) for name, some in looks.items()}
    else:
        numbers = {name: number for name in drawn if (number := _imagenet_number(name)) is not None}
        recognised = {name: _recognised(network, drawn[name], number) for name, number in numbers.items()}
        if not recognised or median(recognised.values()) < KNOWN:
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
    """The verdicts for people, a line each, those that are left out first, and a summary."""
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
    if alike > MOST_ALIKE:
        return ALIKE
    return POOR if any(share is not None and share < LEAST_PLAUSIBLE for share in (plausible, recognised)) else ""


def _imagenet_number(category: str) -> int | None:
    """The number of ImageNet's category of this name; None if there is none."""
    try:
        return find_kind(category).number
    except click.ClickException:
        return None


def _recognised(network: EfficientNetLite0, pictures: Sequence[Tensor], number: int) -> float:
    shares = torch.cat([classify(network, batch) for batch in batches(pictures)])
    return _share((shares.topk(LIKELIEST).indices == number).any(dim=1))


def _share(true: Tensor) -> float:
    return float(true.float().mean())
