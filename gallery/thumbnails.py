"""Thumbnails of a release, packed by the page of the wall that shows them: one object is one page.

    from gallery.release import Category
    categories = [Category("cats", "Cat", 100), Category("owls", "Owl", 3)]
    mixed(categories, 0, 4)  # [("cats", 0), ("owls", 0), ("cats", 1), ("owls", 1)]

A pack is a zip file without compression. There is a sequence of packs for each category and, if there are several
categories, one for all of them, which takes a picture of each in turn. So a page costs one read, a million pictures
make 34,000 objects more, and the first pictures of all categories are together.
"""

from __future__ import annotations

import io
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from gallery import GalleryError
from gallery.release import Catalog, Category

PAGE = 60  # pictures in a pack
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same thumbnails give the same bytes

Key = tuple[str, int]  # of a picture: the slug of its category, and its number


def mixed(categories: Sequence[Category], start: int, count: int) -> list[Key]:
    """`count` pictures from the `start`-th on, in the order that takes one of each category in turn."""
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
    """Pages of the wall of a category, or of all; 0 if the release has no thumbnails."""
    return -(-_pictures(catalog, slug) // catalog.thumbnails) if catalog.thumbnails else 0


def on_page(catalog: Catalog, slug: str, page: int) -> list[Key]:
    """The pictures on a page, which counts from 0, of a category's wall or, if `slug` is "", of the wall of all."""
    start = page * catalog.thumbnails
    count = min(catalog.thumbnails, _pictures(catalog, slug) - start)
    return [(slug, start + i) for i in range(count)] if slug else mixed(catalog.categories, start, count)


def page_with(catalog: Catalog, slug: str, number: int) -> tuple[str, int]:
    """The wall (a slug, or "") and page of one picture. Of a category's first picture, the page of all such covers."""
    if number == 0 and len(catalog.categories) > 1:
        return "", [category.slug for category in catalog.categories].index(slug) // catalog.thumbnails
    return slug, number // catalog.thumbnails


def pack_name(slug: str, page: int) -> str:
    """The name of a page's object below the release."""
    return f"{slug}{'/' * bool(slug)}thumbnails-{page:05d}.zip"


def packs(catalog: Catalog) -> Iterator[tuple[str, list[Key]]]:
    """Every pack of a release that has thumbnails: its name below the release, and the pictures in it."""
    for category in catalog.categories:
        yield from _sequence(catalog, category.slug, [(category.slug, number) for number in range(category.count)])
    if len(catalog.categories) > 1:
        yield from _sequence(catalog, "", mixed(catalog.categories, 0, catalog.count))


def pack(thumbnails: Mapping[Key, bytes]) -> bytes:
    """Thumbnails as one object. The same ones give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for (slug, number), data in thumbnails.items():
            archive.writestr(zipfile.ZipInfo(f"{slug}/{number:05d}", ZIP_TIME), data)
    return file.getvalue()


def unpack(data: bytes) -> dict[Key, bytes]:
    """The thumbnails in a pack, in their order. Raises GalleryError if it is damaged."""
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                slug, _, number = name.partition("/")
                found[slug, int(number)] = archive.read(name)
    except Exception as error:  # zipfile raises every kind on damaged files
        raise GalleryError(f"A pack of thumbnails is damaged ({error}): publish again.") from error
    return found


def _sequence(catalog: Catalog, slug: str, places: list[Key]) -> Iterator[tuple[str, list[Key]]]:
    for page, start in enumerate(range(0, len(places), catalog.thumbnails)):
        yield pack_name(slug, page), places[start : start + catalog.thumbnails]


def _pictures(catalog: Catalog, slug: str) -> int:
    category = catalog.category(slug)
    return category.count if category else 0 if slug else catalog.count
