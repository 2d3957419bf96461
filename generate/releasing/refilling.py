"""Draw new pictures for a live site, curate them and publish them as the bucket's next release.

refill(Path("runs/mine"), "gs://my-pictures", count=384, training=Path("prepared"))
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from math import ceil
from pathlib import Path
from typing import Any

import click

from gallery import GalleryError
from gallery.bucket import Bucket, NotFound, open_bucket
from gallery.commit import THREADS, Pointer, read_pointer
from gallery.history import list_releases
from gallery.release import Catalog, Category
from gallery.thumbnails import pack_name, unpack
from generate.devices import choose_device, choose_precision
from generate.images import find_pictures
from generate.measuring.curation import curate_folder, shares
from generate.model.family import Model
from generate.model.opening import open_model
from generate.releasing.choosing import choose_categories, draw_categories
from generate.releasing.drafting import Groups, Picture
from generate.releasing.filing import file_pictures
from generate.releasing.live import browser_model
from generate.releasing.naming import category_of_title, name_category, read_names
from generate.releasing.publishing import (
    Published,
    check_alike,
    check_same_site,
    publish_pictures,
    read_folder,
    words_for,
)
from generate.releasing.real import choose_real, keep_real
from generate.releasing.thumbnails import shrink
from generate.rows import MADE, RELEASE_TABLE

OVERSAMPLE = 1.5  # pictures drawn per picture published
OURS = re.compile(
    r"refill-[0-9a-f]{8}(-chosen)?(-named)?"
)  # working folders beside the generator; only these are deleted


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
    recognise: bool = False,
    categories: int | Sequence[str] = (),
    seed: int = 0,
    batch_size: int = 0,
    precision: str = "auto",
    device: str = "auto",
    live: bool | None = None,
    real: Path | None = None,
    keep: int | None = None,
    yes: bool = False,
) -> Published:
    """Draw `count` new pictures from the run's generator and publish them as the bucket's live release.

    `curate` draws OVERSAMPLE times as many and leaves out the bad ones: fewer than `count` if fewer are good, none if fewer than
    half are. It drops copies of the `training` pictures, and categories that are poor or mode-collapsed. `categories` lists
    the categories to draw, or is their number, sampled with `seed`. `recognise` sorts pictures into the categories they are
    recognised as. `live` adds the generator to the release (default: as in the live release). The game uses real pictures
    from the folder `real`, else those of the live release.

    Raises click.ClickException if the run can't be sampled or another refill is using it, and, unless `yes`, if pictures
    barely resemble the training pictures or the site's size or categories would change. Raises GalleryError if the bucket
    can't be used.
    """
    bucket, model = open_bucket(url), open_model(run, choose_device(device))
    home = run if run.is_dir() else run.parent
    names = model.choose(choose_categories(model.categories, categories, seed))
    if curate and training:
        find_pictures(training)  # fail now, not after minutes of drawing
    with _only_one(home):
        pointer = read_pointer(bucket)
        site, title, description = words_for(bucket, pointer, title, description)
        if not yes and not add:
            expected = _expected(names, site, title, bool(categories), recognise)
            check_same_site(url, site, expected, (model.size,) * 2, title)
        samples, first, wanted, how = _plan(bucket, pointer, model, home, names, count, curate, truncation, precision, device)  # fmt: skip
        wants_live = bool(pointer.live and pointer.live.live) if live is None else live
        browser = browser_model(model, home.resolve().name, title, read_names(samples)) if wants_live else None
        draw_categories(model, samples, names, first, wanted, judge=bool(categories) and curate, training=training, device=device,
                        batch_size=batch_size, **how)  # fmt: skip
        samples = _curate(samples, count, training, device, yes) if curate else samples
        groups, title = read_folder(_recognise(samples, device) if recognise else samples, title)
        groups = _limit(groups, count)
        if add and pointer.live:
            groups = _added(_live_groups(bucket, pointer.live), groups)
        chosen = choose_real(real, groups, yes=yes) if real else keep_real(bucket, pointer.live, groups)
        made = {"family": model.family, "run": home.resolve().name, "kimg": model.made.get("kimg")}
        published = publish_pictures(bucket, pointer, groups, title, description, made, keep, browser=browser, real=chosen)  # fmt: skip
        _tidy(home)
    return published


def _plan(
    bucket: Bucket, pointer: Pointer, model: Model, home: Path, names: Sequence[str], count: int, curate: bool,
    truncation: float, precision: str, device: str,
) -> tuple[Path, int, int, dict[str, Any]]:  # fmt: skip
    """Return the folder to draw into, the first seed, the number of pictures, and the drawing options."""
    first, wanted = _first_seed(bucket, pointer, model), ceil(count * OVERSAMPLE) if curate else count
    precision = choose_precision(precision, choose_device(device))
    folder = _samples_folder(home, model, f"{first} {wanted} {names}", truncation, precision)
    return folder, first, wanted, {"truncation": truncation, "precision": precision}


def _tidy(home: Path) -> None:
    """Delete the working folders of earlier refills."""
    for leftover in home.glob("refill-*"):
        if OURS.fullmatch(leftover.name):
            shutil.rmtree(leftover)


def _first_seed(bucket: Bucket, pointer: Pointer, model: Model) -> int:
    """Return the first seed above all that this model has published, in the bucket or in its recorded history.

    Checking only the live release would redraw a release that was rolled back; checking only kept releases would redraw one
    that was pruned.
    """
    releases = [
        kept.release
        for kept in list_releases(bucket, pointer)
        if kept.catalog and kept.catalog.model.get("model", model.sha256) == model.sha256
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        tables = pool.map(lambda release: _read_table(bucket, release).values(), releases)
        drawn = [row.get("seed") for table in tables for row in table if row.get("model") == model.sha256]
    return max([pointer.drawn.get(model.sha256, -1), *(seed for seed in drawn if isinstance(seed, int))]) + 1


def _samples_folder(home: Path, model: Model, what: str, truncation: float, precision: str) -> Path:
    """A folder named by a hash of the drawing options, so that a rerun reuses the pictures of an interrupted refill."""
    identity = f"{model.sha256} {what} {truncation} {precision}".encode()
    return home / f"refill-{hashlib.sha256(identity).hexdigest()[:8]}"


def _curate(samples: Path, count: int, training: Path | None, device: str, yes: bool) -> Path:
    """Curate `count` samples into a folder. Raises click.ClickException if too few are good."""
    chosen = samples.with_name(f"{samples.name}-chosen")
    curated = curate_folder(samples, chosen, keep=count, training=training, device=device)
    click.echo(f"Curated: {curated.summary()}.")
    found = curated.resemblance
    if found and found.too_far and not yes:
        raise click.ClickException(
            f"Nothing was published, since {found.describe()}. Train longer; or give the pictures that this model was "
            "trained on with --train, if these are others; or publish all the same with --yes."
        )
    if found and found.partly_noise and curated.kept and curated.lost and not yes:
        raise click.ClickException(
            f"Nothing was published, since {curated.warning()}. Train longer; or draw the other categories with --category; "
            "or publish all the same with --yes."
        )
    if warning := curated.warning():
        click.echo(f"Warning: {warning}. Train longer for better ones.", err=True)
    if len(curated.kept) < count / 2:
        raise click.ClickException(
            f"Only {len(curated.kept)} pictures are good enough, and {count} were asked for, so nothing was published: "
            "train longer, or publish without curation with --no-curate."
        )
    if training is None:
        click.echo("Not compared with training pictures: give the prepared pictures with --train. "
                   "Copies of training pictures were not looked for.")  # fmt: skip
    return chosen


def _expected(
    names: Sequence[str], live: Catalog | None, title: str | None, chosen: bool, recognise: bool
) -> Sequence[Category]:
    """Predict the release's categories, before drawing.

    Returns the live ones if this command could have made them: curation may have dropped some of the `chosen` ones, and
    recognised categories aren't known yet.
    """
    if recognise:
        return live.categories if live and live.named_together else [Category("recognised", "of what is recognised", 1)]
    expected = [name_category(name, 1) for name in names] or [category_of_title(title, 1)]
    slugs = {category.slug for category in expected}
    if chosen and live and slugs.issuperset(category.slug for category in live.categories):
        return live.categories
    return expected


def _recognise(samples: Path, device: str) -> Path:
    """Copy the pictures into folders named after what they show; return the new folder."""
    named = samples.with_name(f"{samples.name}-named")
    filed = file_pictures(samples, named, device=device)
    click.echo(f"Recognised: {filed.summary()}.")
    return named


def _limit(groups: Groups, count: int) -> Groups:
    """Keep the first pictures of each category, `count` in total."""
    room = shares(Counter({category.slug: category.count for category, _ in groups}), count, "equal")
    return [(replace(category, count=n), some[:n]) for category, some in groups if (n := room[category.slug])]


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Hold a lock on the run; the system releases it even if the process is killed."""
    with (home / ".refill.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"Another refill from {home} is still running: wait until it has ended."
            ) from None
        yield


def _read_table(bucket: Bucket, release: str) -> dict[str, dict[str, Any]]:
    """Read the release's table: one row per picture, by its name below the release. Skips damaged rows."""
    try:
        lines = bucket.read(f"releases/{release}/{RELEASE_TABLE}").splitlines()
    except NotFound:
        return {}
    rows = {}
    for line in lines:
        with suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict) and isinstance(row.get("file"), str):
                rows[row["file"]] = row
    return rows


def _live_groups(bucket: Bucket, live: Catalog) -> Groups:
    """The live release's pictures, to be published again. Their bytes are read from the bucket on demand."""
    rows = _read_table(bucket, live.release)
    folder = f"releases/{live.release}/"
    checksums = bucket.checksums(folder)

    read_pack = lru_cache(THREADS)(lambda name: unpack(bucket.read(folder + name)))

    def thumbnail(slug: str, number: int) -> bytes:
        """Read it from its pack, which costs less than reading the picture."""
        try:
            return read_pack(pack_name(slug, number // live.thumbnails))[slug, number]
        except (GalleryError, KeyError):  # lost or damaged
            return shrink(bucket.read(live.object_name(slug, number)))

    def picture(slug: str, number: int) -> Picture:
        name = live.object_name(slug, number)
        row = rows.get(name.removeprefix(folder))
        if row is None or "sha256" not in row or name not in checksums:
            raise click.ClickException(f"The live release lacks {name}: publish it again, or leave out --add.")
        made = {key: row[key] for key in MADE if key in row}
        size = (live.width or 0, live.height or 0)
        small = partial(thumbnail, slug, number) if live.thumbnails else None
        read = partial(bucket.read, name)
        return Picture(read, live.type, size, row.get("bytes", 0), checksums[name], row["sha256"], made, small)

    return [
        (category, [picture(category.slug, number) for number in range(category.count)]) for category in live.categories
    ]


def _added(old: Groups, new: Groups) -> Groups:
    """Merge both: old pictures keep their numbers, new ones follow."""
    named = (("live", old), ("new", new))
    check_alike({f"{w} {c.slug}/{i}": p for w, groups in named for c, members in groups for i, p in enumerate(members)})
    groups: dict[str, tuple[Category, list[Picture]]] = {}
    for category, pictures in [*old, *new]:
        first, before = groups.get(category.slug, (category, []))
        together = [*before, *pictures]
        groups[category.slug] = (replace(first, count=len(together)), together)
    return list(groups.values())
