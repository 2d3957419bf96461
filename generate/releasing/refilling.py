"""New pictures for a live site: drawn, curated and published as the bucket's next release.

refill(Path("runs/mine"), "gs://my-pictures", count=384, training=Path("prepared"))
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import click

from gallery.bucket import Bucket, NotFound, open_bucket
from gallery.commit import Pointer, read_pointer
from gallery.release import Catalog, Category
from generate.devices import choose_device, choose_precision
from generate.images import find_pictures
from generate.measuring.curation import curate_folder, shares
from generate.model.drawing import draw_folder
from generate.model.generator import FAMILY, Model, load_generator
from generate.releasing.publishing import (
    RELEASE_TABLE,
    Groups,
    Picture,
    Published,
    check_alike,
    publish_pictures,
    read_folder,
)
from generate.rows import MADE

OVERSAMPLE = 1.5  # pictures drawn for each that is published
OURS = re.compile(r"refill-[0-9a-f]{8}(-chosen)?")  # folders beside the generator: no others are deleted


def refill(
    run: Path,
    url: str,
    count: int = 384,
    *,
    add: bool = False,
    title: str | None = None,
    description: str | None = None,
    truncation: float = 1.0,
    training: Path | None = None,
    curate: bool = True,
    batch_size: int = 0,
    precision: str = "auto",
    device: str = "auto",
    keep: int | None = None,
) -> Published:
    """Draw `count` new pictures from the run's generator and make them the live release of the bucket.

    With `curate`, OVERSAMPLE times as many are drawn and the best are published, see `generate.measuring.curation`; given
    the `training` pictures, copies of them are rejected. The release has fewer than `count` pictures if fewer are good.

    Raises click.ClickException if the run can't be sampled, another refill from it is running, or fewer than half of
    `count` are good; GalleryError if the bucket can't take them. The live release has not changed then.
    """
    bucket = open_bucket(url)
    model = load_generator(run, choose_device(device))
    home = run if run.is_dir() else run.parent
    if curate and training:
        find_pictures(training)  # fail now rather than after minutes of drawing
    with _only_one(home):
        pointer = read_pointer(bucket)
        rows = _live_rows(bucket, pointer)
        seeds = _new_seeds(model, rows, ceil(count * OVERSAMPLE) if curate else count)
        precision = choose_precision(precision, choose_device(device))
        samples = _samples_folder(home, model, seeds, truncation, precision)
        draw_folder(model, samples, seeds, batch_size=batch_size, truncation=truncation, precision=precision)
        if curate:
            samples = _curate(samples, count, training, device)
        if pointer.live:
            title = title or pointer.live.title
            description = pointer.live.description if description is None else description
        groups, title = read_folder(samples, title)
        groups = _limit(groups, count)
        if add and pointer.live:
            groups = _added(_live_groups(bucket, pointer.live, rows), groups)
        made = {"family": FAMILY, "run": home.resolve().name, "kimg": model.made.get("kimg")}
        published = publish_pictures(bucket, pointer, groups, title, description or "", made, keep=keep)
        for leftover in home.glob("refill-*"):
            if OURS.fullmatch(leftover.name):
                shutil.rmtree(leftover)
    return published


def _new_seeds(model: Model, rows: Mapping[str, Mapping[str, Any]], wanted: int) -> range:
    """Seeds for at least `wanted` pictures, after those that this model drew for the live release."""
    drawn = [row["seed"] for row in rows.values() if row.get("model") == model.sha256 and "seed" in row]
    first = max(drawn, default=-1) + 1
    return range(first, first + ceil(wanted / max(1, len(model.categories))))


def _samples_folder(home: Path, model: Model, seeds: range, truncation: float, precision: str) -> Path:
    """A folder named by its content, so that an interrupted refill finds its own pictures and no others."""
    identity = f"{model.sha256} {seeds} {truncation} {precision}".encode()
    return home / f"refill-{hashlib.sha256(identity).hexdigest()[:8]}"


def _curate(samples: Path, count: int, training: Path | None, device: str) -> Path:
    """The folder of the best `count` samples. Raises click.ClickException where fewer than half of that are good."""
    chosen = samples.with_name(f"{samples.name}-chosen")
    curated = curate_folder(samples, chosen, keep=count, training=training, device=device)
    click.echo(f"Curated: {curated.summary()}.")
    if len(curated.kept) < count / 2:
        raise click.ClickException(
            f"Only {len(curated.kept)} pictures are good enough, and {count} were asked for, so nothing was published: "
            "train longer, or publish without curation with --no-curate."
        )
    if training is None:
        click.echo("Copies of training pictures were not detected: give the prepared pictures with --train.")
    return chosen


def _limit(groups: Groups, count: int) -> Groups:
    """The first pictures of each category, `count` in all."""
    room = shares(Counter({category.slug: category.count for category, _ in groups}), count, "equal")
    return [(replace(category, count=n), some[:n]) for category, some in groups if (n := room[category.slug])]


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Hold a lock, which the system releases when this process ends, however it ends."""
    with (home / ".refill.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"Another refill from {home} is still running: wait for it, or stop it."
            ) from None
        yield


def _live_rows(bucket: Bucket, pointer: Pointer) -> dict[str, dict[str, Any]]:
    """The rows of the live release's pictures, by their name below the release."""
    if not pointer.live:
        return {}
    try:
        table = bucket.read(f"releases/{pointer.live.release}/{RELEASE_TABLE}")
    except NotFound:
        return {}
    return {row["file"]: row for row in map(json.loads, table.splitlines())}


def _live_groups(bucket: Bucket, live: Catalog, rows: Mapping[str, Mapping[str, Any]]) -> Groups:
    """The pictures of the live release, to be published again; each is read from the bucket when it is needed."""
    folder = f"releases/{live.release}/"
    checksums = bucket.checksums(folder)

    def picture(name: str) -> Picture:
        row = rows.get(name.removeprefix(folder))
        if row is None or name not in checksums:
            raise click.ClickException(f"The live release is not whole ({name}): publish it again, or leave out --add.")
        made = {key: row[key] for key in MADE if key in row}
        size = (live.width or 0, live.height or 0)
        return Picture(
            partial(bucket.read, name), live.type, size, row.get("bytes", 0), checksums[name], row["sha256"], made
        )

    return [
        (category, [picture(live.object_name(category.slug, number)) for number in range(category.count)])
        for category in live.categories
    ]


def _added(old: Groups, new: Groups) -> Groups:
    """Old and new pictures by category; old ones keep their numbers."""
    named = (("live", old), ("new", new))
    check_alike({f"{w} {c.slug}/{i}": p for w, groups in named for c, members in groups for i, p in enumerate(members)})
    groups: dict[str, tuple[Category, list[Picture]]] = {}
    for category, pictures in [*old, *new]:
        first, before = groups.get(category.slug, (category, []))
        together = [*before, *pictures]
        groups[category.slug] = (replace(first, count=len(together)), together)
    return list(groups.values())
