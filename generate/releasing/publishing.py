"""Publish a folder of pictures as a release in a bucket; shared by `publish` and `refill`.

from gallery.bucket import open_bucket
from gallery.commit import read_pointer
bucket = open_bucket("gs://my-pictures")
pointer = read_pointer(bucket)
groups, title = read_folder(Path("samples"), "This Emoji Does Not Exist")
published = publish_pictures(bucket, pointer, groups, title)
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from PIL import Image
from tqdm import tqdm

from gallery import GalleryError, commit, history
from gallery.bucket import Bucket, Unavailable, crc32c
from gallery.commit import Pointer
from gallery.real import Real
from gallery.release import EXTENSIONS, Catalog, Category
from generate.folders import find_training_origin
from generate.formats import SUFFIXES
from generate.images import WRITTEN, BadPicture, category_of, decode, find_pictures, read_bytes, size_of, suffix_of
from generate.releasing.drafting import Groups, Picture, draft_release
from generate.releasing.naming import default_title, name_categories, read_names
from generate.rows import read_rows

if TYPE_CHECKING:
    from generate.releasing.live import BrowserModel

LONGEST_TITLE = 200  # characters; browsers and search engines show fewer
NAMED = 5  # bad pictures listed in an error


@dataclass(frozen=True)
class Published:
    """The result of publishing, for the command's summary."""

    release: str
    categories: tuple[Category, ...]
    total_bytes: int  # of all pictures of the release
    objects: int
    sent: int  # objects that the bucket lacked
    before: str | None  # the previously live release
    was_live: bool
    browser_bytes: int  # of the generator for browsers; 0 if there is none
    had_browser_model: bool  # whether the previous release had a generator
    pruned: Sequence[str]  # deleted releases
    seconds: float
    operations: dict[str, int]  # billed requests by class


def read_folder(samples: Path, title: str | None) -> tuple[Groups, str]:
    """Check every picture below `samples`; return them by category, and the title or its default.

    First-level folders are the categories; the title names the category of pictures in no folder. Raises
    click.ClickException if there are no pictures, some can't be decoded, or they differ in size or type.
    """
    paths = find_pictures(samples)
    rows = read_rows(samples)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checks = pool.map(lambda path: _check(path, rows.get(path, {})), paths)
        checked = list(tqdm(checks, total=len(paths), desc="check", unit="picture", disable=None))
    names = [str(path.relative_to(samples)) for path in paths]
    bad = [f"{name} ({reason})" for name, reason in zip(names, checked, strict=True) if isinstance(reason, str)]
    if bad:
        raise click.ClickException(
            f"{len(bad)} of {len(paths)} pictures in {samples} can't be published: {_first(bad)}. "
            "Delete or replace them, then publish again."
        )
    pictures = [picture for picture in checked if isinstance(picture, Picture)]
    check_alike(dict(zip(names, pictures, strict=True)))

    folders: dict[str, list[Picture]] = {}
    for path, picture in zip(paths, pictures, strict=True):
        folders.setdefault(category_of(path, samples), []).append(picture)
    counts = {folder: len(members) for folder, members in folders.items()}
    named = name_categories(counts, title, read_names(samples))
    groups = [(named[folder], members) for folder, members in folders.items()]
    return groups, title or default_title([category for category, _ in groups])


def refuse_training_pictures(samples: Path) -> None:
    """Raise click.ClickException if the folder holds training pictures, which are other people's work."""
    if origin := find_training_origin(samples, find_pictures(samples)):
        raise click.ClickException(
            f"{samples} holds training pictures, not pictures of a generator: {origin}. Draw some with "
            "`python -m generate sample`, or add --yes to publish these if they are yours to publish."
        )


def words_for(
    bucket: Bucket, pointer: Pointer, title: str | None, description: str | None
) -> tuple[Catalog | None, str | None, str]:
    """Return the live catalog, and the title and description to publish under; they default to the live ones.

    If site.json is damaged, the newest kept release is used instead. Raises click.ClickException for a title that is too long,
    and for control characters and bytes that are not UTF-8 in either.
    """
    live = pointer.live
    if pointer.damage:
        live = next((kept.catalog for kept in history.list_releases(bucket, pointer) if kept.catalog), None)
    title = _one_line("title", title or "") or (live.title if live else None)
    if title and len(title) > LONGEST_TITLE:
        raise click.ClickException(
            f"The title {title:.40}... has {len(title):,} characters: write one of {LONGEST_TITLE} or fewer."
        )
    if description is None:
        return live, title, live.description if live else ""
    return live, title, _one_line("description", description)


def _one_line(what: str, text: str) -> str:
    text = " ".join(text.split())
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise click.ClickException(
            f"The {what} {text!r:.60} has a control character or is not UTF-8: write it as plain text."
        )
    return text


def check_same_site(
    url: str, live: Catalog | None, categories: Sequence[Category], size: tuple[int, int], title: str | None = None
) -> None:
    """Raise click.ClickException if the release would change the live site's categories or picture size (pixels)."""
    if live is None:
        return
    changes = []
    if live.width and live.height and (live.width, live.height) != size:
        changes.append(f"pictures of {size[0]}x{size[1]} px instead of {live.width}x{live.height}")
    if {category.slug for category in categories} != {category.slug for category in live.categories}:
        changes.append(f"the categories {_names(categories)} instead of {_names(live.categories)}")
    if changes:
        stays = f" (the title stays {live.title!r} unless you give --title)" if title in (None, live.title) else ""
        raise click.ClickException(
            f"{url} would get {' and '.join(changes)}. Add --yes if that is meant{stays}, or publish to another bucket."
        )


def publish_pictures(
    bucket: Bucket,
    pointer: Pointer,
    groups: Groups,
    title: str,
    description: str = "",
    model: Mapping[str, Any] | None = None,
    keep: int | None = None,
    dry_run: bool = False,
    browser: BrowserModel | None = None,
    real: Sequence[Real] = (),
) -> Published:
    """Publish pictures, the generator for browsers and real pictures for the game as the bucket's live release.

    With `dry_run`, only count what would be sent. `keep` deletes all but that many of the newest releases afterwards, see
    `gallery.history.prune`. `pointer` is what was live when the pictures were chosen. Raises a BucketError, see
    `gallery.commit.publish`.
    """
    started = time.monotonic()
    draft = draft_release(groups, title, description, model or {}, browser, real)
    plan = commit.plan_for(bucket, draft, pointer)
    if not dry_run:
        with tqdm(total=len(plan.missing), desc="publish", unit="object", disable=None) as bar:
            try:
                commit.publish(bucket, draft, plan, bar.update)
            except Unavailable as error:
                raise Unavailable(f"{error} Run the same command again to continue.") from error
    before = pointer.live.release if pointer.live else None
    pruned = _prune(bucket, keep, before or "", plan.release) if keep and not dry_run else []
    return Published(
        release=plan.release,
        categories=tuple(category for category, _ in groups),
        total_bytes=sum(picture.length for _, pictures in groups for picture in pictures),
        objects=len(draft.checksums),
        sent=len(plan.missing),
        before=before,
        was_live=plan.is_live,
        browser_bytes=len(browser.data) if browser else 0,
        had_browser_model=bool(pointer.live and pointer.live.live),
        pruned=pruned,
        seconds=time.monotonic() - started,
        operations=dict(bucket.operations),
    )


def _prune(bucket: Bucket, keep: int, before: str, release: str) -> list[str]:
    """Delete old releases. Errors state that publishing itself succeeded."""
    try:
        return history.prune(bucket, keep, protect={before})
    except GalleryError as error:
        raise type(error)(f"Release {release} is live, but old ones could not be deleted: {error}") from error


def _check(path: Path, made: Mapping[str, Any]) -> Picture | str:
    """Return the picture, or the reason it can't be published."""
    try:
        data = read_bytes(path)
        file = io.BytesIO(data)
        decode(file)
        content_type, size = Image.MIME[SUFFIXES[suffix_of(file)]], size_of(file)
    except BadPicture as reason:
        return str(reason)
    if content_type not in EXTENSIONS:
        return f"{content_type}, which not every browser shows: convert it to {' or '.join(WRITTEN)}"
    return Picture(path.read_bytes, content_type, size, len(data), crc32c(data), hashlib.sha256(data).hexdigest(), made)


def check_alike(pictures: Mapping[str, Picture]) -> None:
    """Raise click.ClickException unless all pictures have one size, for the page layout, and one type, for the suffix."""
    kinds = {name: f"{p.type} of {p.size[0]}x{p.size[1]}" for name, p in pictures.items()}
    ((usual, count), *others) = Counter(kinds.values()).most_common()
    if others:
        odd = [f"{name} ({kind})" for name, kind in kinds.items() if kind != usual]
        raise click.ClickException(
            f"The pictures of a release must have one size and type: {count} are {usual}, but not {_first(odd)}. "
            "Draw them alike with `python -m generate sample`, or leave those out."
        )


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _names(categories: Sequence[Category]) -> str:
    return _first([category.name for category in categories])
