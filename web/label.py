"""The texts and URLs of a picture: title, links, and a line crediting its imaginary developer."""

from __future__ import annotations

import zlib
from typing import Any

from flask import url_for

from gallery.names import does_not_exist
from gallery.release import EXTENSIONS, Catalog
from web.sniff import measure, sniff

BLURBS = (
    "Designed by {developer}, who does not exist either.",
    "The finest {name} that {developer} never made.",
    "{developer} has been perfecting this {name} for years, and neither is real.",
    "There never was {one} like it, nor {developer} to thank for it.",
    "New this season from the studio of {developer}, which is on no map.",
    "“My best {name} yet”, says {developer}, whom nobody has met.",
)
NOBODY = "Nobody made this {name}: a neural network dreamt it up."
OF_PLURALS = (
    "Designed by {developer}, who does not exist either.",
    "The finest {name} that {developer} never made.",
    "{developer} has been perfecting these {name} for years, and nothing of that is real.",
    "There never were {name} like them, nor {developer} to thank for them.",
    "New this season from the studio of {developer}, which is on no map.",
    "“My best {name} yet”, says {developer}, whom nobody has met.",
)
NOBODY_OF_PLURALS = "Nobody made these {name}: a neural network dreamt them up."


def image_address(catalog: Catalog, slug: str, number: int) -> str:
    """Return the path of the picture itself; its page has the same path without the extension."""
    extension = EXTENSIONS[catalog.content_type(slug, number)]
    return page_address(catalog, slug, number) + f".{extension}"


def page_address(catalog: Catalog, slug: str, number: int) -> str:
    """Return the path of a picture's permalink."""
    return url_for("pages.picture", release=catalog.permanent_id(slug, number), slug=slug, name=str(number))


def thumbnail_address(catalog: Catalog, slug: str, number: int) -> str:
    """Return the path of a picture's thumbnail, or of the picture itself if the release has none."""
    if not catalog.thumbnails:
        return image_address(catalog, slug, number)
    return url_for("wall.thumbnail", release=catalog.release, slug=slug, number=number)


def within_sentence(name: str) -> str:
    """Return the name as it is written within a sentence: Ice Cream as ice cream, NASA Rocket as NASA rocket."""
    return " ".join(word.lower() if word[1:].islower() or len(word) == 1 else word for word in name.split())


def describe(catalog: Catalog, slug: str, number: int, data: bytes = b"", names: str = "") -> dict[str, Any]:
    """Return all fields of a picture that pages and /random.json show.

    With `data`, the picture's bytes, its type and size come from there instead of the catalog. `names` is what it was
    recognised as. Needs a request context, for the URLs' prefix.
    """
    category = next(category for category in catalog.categories if category.slug == slug)
    developer = catalog.developer(slug, number)
    name = within_sentence(category.name)
    one = f"{category.article} {name}".strip()  # mass nouns such as hay have no article
    width, height = measure(data) or (catalog.width, catalog.height)
    blurbs, nobody = (OF_PLURALS, NOBODY_OF_PLURALS) if category.plural else (BLURBS, NOBODY)
    blurb = blurbs[zlib.crc32(f"{slug}/{number}".encode()) % len(blurbs)] if developer else nobody
    shown = f"{category.name} that do" if category.plural else f"{one[:1].upper()}{one[1:]} that does"
    return {
        "title": does_not_exist(category.name, category.plural),
        "name": category.name,
        "text": blurb.format(name=name, one=one, developer=developer),
        "developer": developer,
        "names": names,
        "alt": f"{shown} not exist, drawn by a neural network",
        "release": catalog.release,
        "category": slug,
        "number": number,
        "count": category.count,
        "page": page_address(catalog, slug, number),
        "image": image_address(catalog, slug, number),
        "thumbnail": thumbnail_address(catalog, slug, number),
        "category_page": url_for("pages.random_picture", slug=slug),
        "type": sniff(data) or catalog.content_type(slug, number),
        "width": width,
        "height": height,
    }
