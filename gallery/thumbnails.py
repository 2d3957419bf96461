"""The thumbnails of a release, in packs: one object for each page of the wall.

    from gallery.release import Category
    categories = [Category("cats", "Cat", 100), Category("owls", "Owl", 3)]
    interleaved(categories, 0, 4)  # [("cats", 0), ("owls", 0), ("cats", 1), ("owls", 1)]

A pack is a zip file without compression. Each category has a sequence of packs. A release with several categories has one
more, which interleaves all of them. So a page of the wall costs one read, a million pictures add 34,000 objects, and the
first pictures of all categories, their covers, are together.
"""

from __future__ import annotations

import io
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from gallery import GalleryError
from gallery.release import Catalog, Category

PAGE = 60  # pictures in a pack
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # fixed, so that the same thumbnails give the same bytes

Key = tuple[str, int]  # of a picture: the slug of its category, and its number


def interleaved(categories: Sequence[Category], start: int, count: int) -> list[Key]:
    """Return `count` pictures from the `start`-th on, in the order that takes one of each category in turn."""
    sizes = [category.count for category in categories]
    rounds = range(max(sizes) + 1)

    def before(turn: int) -> int:
        return sum(min(size, turn) for size in sizes)

    turn = bisect_right(rounds, start, key=before) - 1
    skip = start - before(turn)
    found: list[Key] = []
    while len(found) < skip + count and turn < max(sizes):
        found += [(category.slug, turn) for category in categories if category.count > turn]
        turn += 1
    return found[skip : skip + count]


def page_count(catalog: Catalog, slug: str = "") -> int:
    """Return the number of pages of the wall of a category, or of all; 0 without thumbnails."""
    return -(-_pictures(catalog, slug) // catalog.thumbnails) if catalog.thumbnails else 0


def page_with(catalog: Catalog, slug: str, number: int) -> tuple[str, int]:
    """Return the wall (a slug, or "" for all) and page with a picture; for a category's cover, the page with all covers."""
    if number == 0 and len(catalog.categories) > 1:
        return "", [category.slug for category in catalog.categories].index(slug) // catalog.thumbnails
    return slug, number // catalog.thumbnails


def pack_name(slug: str, page: int) -> str:
    """Return the name of a page's object below the release."""
    return f"{slug}{'/' * bool(slug)}thumbnails-{page:05d}.zip"


def packs(catalog: Catalog) -> Iterator[tuple[str, list[Key]]]:
    """Yield every pack of a release with thumbnails: its name below the release, and its pictures."""
    for category in catalog.categories:
        yield from _sequence(catalog, category.slug, [(category.slug, number) for number in range(category.count)])
    if len(catalog.categories) > 1:
        yield from _sequence(catalog, "", interleaved(catalog.categories, 0, catalog.count))


def pack(thumbnails: Mapping[Key, bytes]) -> bytes:
    """Pack thumbnails into one object, the same bytes for the same ones."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for (slug, number), data in thumbnails.items():
            archive.writestr(zipfile.ZipInfo(f"{slug}/{number:05d}", ZIP_TIME), data)
    return file.getvalue()


def unpack(data: bytes) -> dict[Key, bytes]:
    """Unpack the thumbnails of a pack, in their order. Raises GalleryError if it is damaged."""
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                slug, _, number = name.partition("/")
                found[slug, int(number)] = archive.read(name)
    except Exception as error:  # zipfile raises many kinds for damaged files
        raise GalleryError(f"A pack of thumbnails is damaged ({error}): publish again.") from error
    return found


def _sequence(catalog: Catalog, slug: str, places: list[Key]) -> Iterator[tuple[str, list[Key]]]:
    for page, start in enumerate(range(0, len(places), catalog.thumbnails)):
        yield pack_name(slug, page), places[start : start + catalog.thumbnails]


def _pictures(catalog: Catalog, slug: str) -> int:
    category = catalog.category(slug)
    return category.count if category else 0 if slug else catalog.count
