"""Draft a release: number its pictures, write its catalog, and list its objects with their checksums.

from pathlib import Path
from generate.releasing.publishing import read_folder
groups, title = read_folder(Path("samples"), "This Emoji Does Not Exist")
draft = draft_release(groups, title, "Drawn by a machine.", {})
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gallery import GalleryError, commit
from gallery.bucket import crc32c
from gallery.commit import HIGHEST_SEEDS, Draft
from gallery.live import MODEL_FILE
from gallery.real import REAL_FILE, Real, pack_real
from gallery.release import EXTENSIONS, NAMED_TOGETHER, Catalog, Category
from gallery.thumbnails import Key
from generate.formats import BadPicture
from generate.releasing.naming import draw_developers, names_objects
from generate.releasing.thumbnails import pack_thumbnails, per_pack, shrink
from generate.rows import RELEASE_TABLE

if TYPE_CHECKING:
    from generate.releasing.live import BrowserModel

DEVELOPERS = 256  # maximum number of imaginary people credited with pictures


@dataclass(frozen=True)
class Picture:
    """A picture to publish: a function that reads its bytes, and its metadata."""

    read: Callable[[], bytes]
    type: str  # as in image/jpeg
    size: tuple[int, int]  # width and height in pixels
    length: int  # in bytes
    crc32c: int
    sha256: str
    made: Mapping[str, Any] = field(default_factory=dict)  # the known fields of generate.rows.MADE
    thumbnail: Callable[[], bytes] | None = None  # reads an existing thumbnail


Groups = Sequence[tuple[Category, Sequence[Picture]]]


def draft_release(
    groups: Groups,
    title: str,
    description: str,
    model: Mapping[str, Any],
    browser: BrowserModel | None = None,
    real: Sequence[Real] = (),
) -> Draft:
    """Number the pictures and build the catalog. Deterministic: the same input gives the same bytes."""
    first, rows = groups[0][1][0], []
    pictures: dict[str, Picture] = {}
    places: dict[Key, Picture] = {}
    for category, members in groups:
        for number, picture in enumerate(members):
            name = f"{category.slug}/{number:05d}.{EXTENSIONS[picture.type]}"
            pictures[name] = places[category.slug, number] = picture
            rows.append({"file": name, "category": category.slug, **picture.made, "bytes": picture.length, "sha256": picture.sha256})  # fmt: skip
    table = "".join(json.dumps(row) + "\n" for row in rows).encode()
    total_bytes, common = sum(picture.length for picture in pictures.values()), _common(pictures.values())
    names = names_objects({category.slug: [picture.made.get("names") for picture in some] for category, some in groups})
    catalog = Catalog(
        release="",
        created="",
        title=title,
        description=description,
        categories=tuple(category for category, _ in groups),
        type=first.type,
        width=first.size[0],
        height=first.size[1],
        model={**common, **model},
        live=replace(browser.described, truncation=common.get("truncation", 1.0)) if browser else None,
        total_bytes=total_bytes,
        named_together=NAMED_TOGETHER if names else None,
        real=len(real),
        thumbnails=per_pack(len(pictures), total_bytes),
    )
    packed = pack_thumbnails(catalog, lambda place: _thumbnail(places[place]))
    if real:
        game = pack_real(real)
        packed[REAL_FILE] = crc32c(game), lambda: game
    identity = "".join(f"{name} {checksum}\n" for name, (checksum, _) in packed.items()).encode()
    digest = hashlib.sha256(catalog.to_json() + table + identity).hexdigest()[:8]
    seeds = _highest_seeds(rows)
    others = {RELEASE_TABLE: table, **names} | ({MODEL_FILE: browser.data} if browser else {})

    def finish(release: str) -> Catalog:
        created = commit.created_at(release).isoformat().replace("+00:00", "Z")
        developers = draw_developers(digest, min(len(pictures), DEVELOPERS))
        described = {**catalog.model, HIGHEST_SEEDS: seeds} if seeds else catalog.model
        return replace(catalog, release=release, created=created, developers=developers, model=described)

    def load(name: str) -> bytes:
        if name in pictures:
            return pictures[name].read()
        return others[name] if name in others else packed[name][1]()

    checksums = {name: picture.crc32c for name, picture in pictures.items()}
    checksums |= {name: crc32c(data) for name, data in others.items()}
    checksums |= {name: checksum for name, (checksum, _) in packed.items()}
    return Draft(digest, checksums, load, finish)


def _thumbnail(picture: Picture) -> bytes:
    if picture.thumbnail:
        return picture.thumbnail()
    try:
        return shrink(picture.read())
    except BadPicture as reason:
        raise GalleryError(f"A picture has changed since it was checked ({reason}): publish again.") from None


def _highest_seeds(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The highest seed per model; the keys are the models' checksums."""
    highest: dict[str, int] = {}
    for row in rows:
        if isinstance(seed := row.get("seed"), int) and (model := row.get("model")):
            highest[model] = max(seed, highest.get(model, seed))
    return highest


def _common(pictures: Any) -> dict[str, Any]:
    """The model and truncation, each only if all pictures share it."""
    made = [picture.made for picture in pictures]
    names = ("model", "truncation")
    return {
        name: made[0][name] for name in names if name in made[0] and all(m.get(name) == made[0][name] for m in made)
    }
