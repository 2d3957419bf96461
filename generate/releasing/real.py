"""Choose real pictures for the game "Which one is real?", with the author and licence that sources.csv names.

from pathlib import Path
from generate.releasing.publishing import read_folder
groups, title = read_folder(Path("samples"), None)
real = choose_real(Path("prepared"), groups)
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import click
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from gallery import GalleryError
from gallery.bucket import Bucket, NotFound
from gallery.names import unique_slugs
from gallery.real import REAL_FILE, Real, unpack_real
from gallery.release import Catalog
from generate.collecting.provenance import KEPT, Row, read_table
from generate.decoding import open_picture, paint
from generate.formats import FORMATS
from generate.images import BadPicture, category_of, find_pictures
from generate.releasing.drafting import Groups, Picture

COUNT = 64
MOST = 256  # pictures: the site keeps all in memory


def choose_real(training: Path, groups: Groups, count: int = COUNT, yes: bool = False) -> tuple[Real, ...]:
    """Choose up to `count` training pictures, evenly over the categories of `groups`, in the release's size and type.

    If any picture has a known licence, only those are used. Raises click.ClickException if none has one and `yes` is not
    given, if the pictures are smaller than the release's, or if their categories differ.
    """
    slugs = {category.slug for category, _ in groups}
    paths = find_pictures(training)
    folders = sorted({category_of(path, training) for path in paths})
    named = dict(zip(folders, unique_slugs(folders), strict=True)) if len(slugs) > 1 else {}
    found = [(named.get(category_of(path, training), next(iter(slugs))), path) for path in paths]
    found = [(slug, path) for slug, path in found if slug in slugs]
    if not found:
        raise click.ClickException(
            f"{training} has no pictures of the categories {', '.join(sorted(slugs))}: give the pictures that the model "
            "was trained on."
        )
    rows = _find_rows(training)
    sources = {path: rows.get(path.relative_to(training).with_suffix("").as_posix(), Row("")) for _, path in found}
    licensed = [(slug, path) for slug, path in found if sources[path].licence]
    if not licensed and not yes:
        raise click.ClickException(
            f"No sources.csv names a licence for the pictures in {training}, so they may be other people's, and publishing "
            "them may be forbidden. If they are yours to publish, add --yes: the site then says that their licence is unknown."
        )
    chosen = _shares(licensed or found, count)
    click.echo(
        f"For the game: {len(chosen)} real pictures, {sum(bool(sources[path].licence) for _, path in chosen)} with a licence."
    )
    look = _look_of(groups[0][1][0])
    return tuple(
        Real(slug, _alike(path, look), row.author, row.licence, row.page or row.url)
        for slug, path, row in ((slug, path, sources[path]) for slug, path in chosen)
    )


def keep_real(bucket: Bucket, live: Catalog | None, groups: Groups) -> tuple[Real, ...]:
    """Return the live release's real pictures for the next one; none if size or type changed. Drops those of removed categories."""
    if live is None or not live.real:
        return ()
    first = groups[0][1][0]
    if (live.type, live.width, live.height) != (first.type, *first.size):
        click.echo(
            "The game is gone, since the pictures have another size or type now: give real ones with --real.", err=True
        )
        return ()
    slugs = {category.slug for category, _ in groups}
    try:
        data = bucket.read(f"releases/{live.release}/{REAL_FILE}")
    except NotFound:
        data = b""
    try:
        pictures = unpack_real(data)
    except GalleryError:
        click.echo("The game is gone, since its real pictures are lost or damaged: give some with --real.", err=True)
        return ()
    return tuple(picture for picture in pictures if picture.category in slugs)


def _shares(found: list[tuple[str, Path]], count: int) -> list[tuple[str, Path]]:
    """Choose pictures at random with a fixed seed, evenly over the categories."""
    shuffled = random.Random(0).sample(found, len(found))
    by_slug: dict[str, list[tuple[str, Path]]] = {}
    for slug, path in shuffled:
        by_slug.setdefault(slug, []).append((slug, path))
    turns = zip_longest(*(by_slug[slug] for slug in sorted(by_slug)))
    return [one for one in chain.from_iterable(turns) if one][:count]


def _find_rows(training: Path) -> dict[str, Row]:
    """Read sources.csv from the folder or, if `prepare` made it, from the source folder.

    Keys are paths without a suffix and with it, because `prepare` may append .png to the full name.
    """
    places = [training]
    with suppress(OSError, ValueError, KeyError, TypeError):
        source = json.loads((training / "dataset.json").read_text(encoding="utf-8"))["source"]
        places += [training.absolute().parent / source, Path(source)]
    rows = next((rows for place in places if (rows := read_table(place / "sources.csv"))), [])
    kept = [row for row in rows if row.status == KEPT]
    return {Path(row.file).with_suffix("").as_posix(): row for row in kept} | {row.file: row for row in kept}


@dataclass(frozen=True)
class Look:
    """The size, bands and format shared by the release's pictures."""

    size: tuple[int, int]
    bands: tuple[str, ...]  # as in R, G, B
    format: str  # Pillow's name
    options: Mapping[str, Any]  # for Pillow's `save`, for the same compression


def _look_of(picture: Picture) -> Look:
    with Image.open(io.BytesIO(picture.read()), formats=list(FORMATS)) as image:
        options: dict[str, Any] = {}
        if isinstance(image, JpegImageFile):
            options = {"qtables": image.quantization, "subsampling": get_sampling(image)}
        elif image.format == "WEBP":
            options = {"quality": 90}  # as in `sample`
        return Look(picture.size, image.getbands(), str(image.format), options)


def _alike(path: Path, look: Look) -> bytes:
    """Crop, scale and compress the picture like the release's own, so that only its content can give it away."""
    try:
        picture = open_picture(path)
    except BadPicture as reason:
        raise click.ClickException(f"{path} is {reason}: delete it from the folder given with --real.") from None
    if picture.width < look.size[0] or picture.height < look.size[1]:
        raise click.ClickException(
            f"{path} is {picture.width}x{picture.height} px, smaller than the release's {look.size[0]}x{look.size[1]}, so one "
            "would tell the real ones by their blur: prepare them with a larger --size."
        )
    picture = ImageOps.fit(picture, look.size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    (picture if "A" in look.bands else paint(picture, "black")).save(file, look.format, **look.options)
    return file.getvalue()
