"""Refill the bucket of a live site: draw new pictures and publish them, in one command that cron can run.

python -m generate refill runs/mine gs://my-pictures --count 384
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import click

from gallery.bucket import Bucket, Conflict, NotFound, Unavailable, open_bucket
from gallery.commit import Pointer, read_pointer
from gallery.release import Catalog, Category
from generate.devices import PRECISIONS, choose_device, choose_precision
from generate.images import find_pictures
from generate.measuring.curation import curate_folder, shares
from generate.model.drawing import BatchSize, draw_folder
from generate.model.generator import FAMILY, load_generator
from generate.releasing.publishing import (
    ROWS,
    Groups,
    Picture,
    Published,
    check_alike,
    publish_pictures,
    read_folder,
    summarize,
)
from generate.rows import MADE
from generate.units import Duration

OVERSAMPLE = 1.5  # pictures drawn for each that is published
OURS = re.compile(r"refill-[0-9a-f]{8}(-chosen)?")  # folders beside the generator: no others are deleted


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("bucket")
@click.option("--count", type=click.IntRange(1), default=384, show_default=True, help="How many new pictures.")
@click.option("--add", is_flag=True, help="Keep the live release's pictures and add to them, instead of replacing.")
@click.option("--title", help="Of the site; default the live release's.")
@click.option("--description", help="A sentence for the site's pages; default the live release's.")
@click.option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Below 1: fewer odd pictures, less variety.",
)
@click.option(
    "--train",
    "training",
    type=click.Path(path_type=Path),
    help="The prepared pictures trained on, to leave out copies of them.",
)
@click.option(
    "--curate/--no-curate", default=True, show_default=True, help="Draw half as many more and publish the best."
)
@click.option("--batch-size", type=BatchSize(), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True, help="As of `sample`.")
@click.option("--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps or cpu.")
@click.option("--keep", type=click.IntRange(1), help="Afterwards delete all but the KEEP newest releases.")
@click.option("--every", type=Duration(), help="Go on for ever, once in that time: 30m, 24h, 7d.")
def command(run: Path, bucket: str, every: float | None, **options: Any) -> None:
    """Sample, curate and publish in one: refill the bucket of a live site.

    RUN is a run folder or a generator.safetensors, BUCKET a folder or gs://bucket[/prefix]. The seeds go on
    where the live release's ended, so the pictures are new ones. The least realistic and near-duplicates are left out,
    and with --train copies of training pictures too. COUNT pictures are published whatever the number of categories.
    Run again after an interruption, it continues; a second one started meanwhile stops with a sentence.

    \b
    Example:
      python -m generate refill runs/mine gs://my-pictures --count 384 --train prepared
    """
    while True:
        started = time.monotonic()
        try:
            for line in summarize(refill(run, bucket, **options), bucket):
                click.echo(line)
        except (Unavailable, Conflict) as error:  # what the next time may mend
            if every is None:
                raise
            click.echo(f"Not refilled this time: {error}", err=True)
        if every is None:
            return
        time.sleep(max(0.0, started + every - time.monotonic()))


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

    Unless `curate` is off, OVERSAMPLE times as many are drawn and the best of them taken, see `generate.measuring.curation`;
    copies are looked for where `training` says what was trained on. Fewer than `count` where fewer are good, and under
    half of it is an error: what is live is better then.

    Raises click.ClickException where the run can't be sampled or is being refilled from already, GalleryError
    for a bucket that can't take them; what is live has not changed then.
    """
    bucket = open_bucket(url)
    model = load_generator(run, choose_device(device))
    home = run if run.is_dir() else run.parent
    if curate and training:
        find_pictures(training)  # or an error after minutes of drawing
    with _only_one(home):
        pointer = read_pointer(bucket)
        rows = _live_rows(bucket, pointer)
        drawn = [row["seed"] for row in rows.values() if row.get("model") == model.sha256 and "seed" in row]
        wanted = ceil(count * OVERSAMPLE) if curate else count
        each = ceil(wanted / max(1, len(model.categories)))  # of every category
        seeds = range(first := max(drawn, default=-1) + 1, first + each)
        # named by what is in it, so that an interrupted refill finds its own pictures and no others
        precision = choose_precision(precision, choose_device(device))
        identity = f"{model.sha256} {seeds} {truncation} {precision}".encode()
        samples = home / f"refill-{hashlib.sha256(identity).hexdigest()[:8]}"
        draw_folder(model, samples, seeds, batch_size=batch_size, truncation=truncation, precision=precision)
        if curate:
            chosen = samples.with_name(f"{samples.name}-chosen")
            curated = curate_folder(samples, chosen, keep=count, training=training, device=device)
            click.echo(f"Curated: {curated.summary()}.")
            if len(curated.kept) < count / 2:
                raise click.ClickException(
                    f"Only {len(curated.kept)} pictures are fit to be shown, {count} were asked for, so nothing was published: "
                    "train longer, or publish them as they are with --no-curate."
                )
            if training is None:
                click.echo("Copies of training pictures were not looked for: give the prepared pictures with --train.")
            samples = chosen

        if pointer.live:
            title = title or pointer.live.title
            description = pointer.live.description if description is None else description
        groups, title = read_folder(samples, title)
        room = shares(Counter({category.slug: category.count for category, _ in groups}), count, "equal")
        groups = [(replace(category, count=n), some[:n]) for category, some in groups if (n := room[category.slug])]
        if add and pointer.live:
            groups = _added(_live_groups(bucket, pointer.live, rows), groups)
        made = {"family": FAMILY, "run": home.resolve().name, "kimg": model.made.get("kimg")}
        published = publish_pictures(bucket, pointer, groups, title, description or "", made, keep=keep)
        for leftover in home.glob("refill-*"):
            if OURS.fullmatch(leftover.name):
                shutil.rmtree(leftover)
    return published


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """The system lets go of the lock when its holder ends, however that happens."""
    with (home / ".refill.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(f"Another refill from {home} is still at work: let it finish.") from None
        yield


def _live_rows(bucket: Bucket, pointer: Pointer) -> dict[str, dict[str, Any]]:
    """How each picture of the live release was made, by its name below the release."""
    if not pointer.live:
        return {}
    try:
        table = bucket.read(f"releases/{pointer.live.release}/{ROWS}")
    except NotFound:
        return {}
    return {row["file"]: row for row in map(json.loads, table.splitlines())}


def _live_groups(bucket: Bucket, live: Catalog, rows: Mapping[str, Mapping[str, Any]]) -> Groups:
    """The live release's pictures as if they were to be published: read from the bucket when their turn comes."""
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
    """Old pictures keep their numbers, new ones come after them."""
    named = (("live", old), ("new", new))
    check_alike({f"{w} {c.slug}/{i}": p for w, groups in named for c, members in groups for i, p in enumerate(members)})
    groups: dict[str, tuple[Category, list[Picture]]] = {}
    for category, pictures in [*old, *new]:
        first, before = groups.get(category.slug, (category, []))
        together = [*before, *pictures]
        groups[category.slug] = (replace(first, count=len(together)), together)
    return list(groups.values())
