"""Choose the categories that a refill publishes: listed or random, without those of poor quality.

Which pictures are published is decided in generate/measuring/curation.py.

names = choose_categories(model.categories, 60, seed=1)
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import click

from generate.devices import choose_device
from generate.images import find_pictures
from generate.measuring.categories import judge_categories, verdict_table
from generate.measuring.curation import read_same_size
from generate.measuring.features import load_features
from generate.measuring.similarity import describe
from generate.model.drawing import draw_folder
from generate.model.family import Model

PROBE = 16  # pictures drawn per category to judge its quality


def choose_categories(known: Sequence[str], wanted: int | Sequence[str], seed: int) -> tuple[str, ...]:
    """Sample `wanted` of the known categories, or return the list `wanted`; an empty list means all.

    Raises click.ClickException if the model has fewer categories. Names in a list are not checked here: `draw_folder` does.
    """
    if not isinstance(wanted, int):
        return tuple(wanted) or tuple(known)
    if not known:
        raise click.ClickException("This model has no categories to choose from: leave out --categories.")
    if wanted > len(known):
        raise click.ClickException(
            f"{wanted} categories were asked for, and this model has {len(known)}: write --categories {len(known)} or fewer."
        )
    return tuple(random.Random(seed).sample(sorted(known), wanted))


def draw_categories(
    model: Model,
    samples: Path,
    names: Sequence[str],
    first_seed: int,
    wanted: int,
    *,
    judge: bool,
    training: Path | None = None,
    device: str = "auto",
    **how: Any,
) -> None:
    """Draw `wanted` pictures into a folder, split evenly over the categories, with seeds from `first_seed`.

    With `judge`, PROBE pictures of each category are drawn first; categories that are poor or mode-collapsed are dropped, and
    the others share the count. `how` is passed to `draw_folder`. Raises click.ClickException if no category is left.
    """
    if judge:
        draw_folder(model, samples, range(first_seed, first_seed + PROBE), categories=names, **how)
        kept = _keep_good(samples, names, training, device)
        for name in set(names) - set(kept):
            shutil.rmtree(samples / name)
        names = kept
    each = ceil(wanted / max(1, len(names)))
    draw_folder(model, samples, range(first_seed, first_seed + each), categories=names, **how)


def _keep_good(samples: Path, names: Sequence[str], training: Path | None, device: str) -> tuple[str, ...]:
    """Return the categories that pass `generate.measuring.categories`; print all verdicts."""
    network = load_features(choose_device(device))
    trained = describe(network, read_same_size(find_pictures(training), "training pictures")) if training else None
    drawn = {name: list(read_same_size(find_pictures(samples / name)[:PROBE], "samples")) for name in names}
    verdicts = judge_categories(network, drawn, trained)
    for line in verdict_table(verdicts):
        click.echo(line)
    kept = tuple(verdict.category for verdict in verdicts if not verdict.reason)
    if not kept:
        raise click.ClickException(
            f"None of the {len(names)} categories is fit to be shown, so nothing was published: train longer, choose others "
            "with --categories or --seed, or publish without curation with --no-curate."
        )
    return kept
