"""What the site says about a picture: its title, its addresses, and a line on its imaginary developer."""

from __future__ import annotations

import zlib
from typing import Any

from flask import url_for

from gallery.release import EXTENSIONS, Catalog
from web.sniff import measure, sniff

BLURBS = (
    "Designed by {developer}, who does not exist either.",
    "The finest {name} that {developer} never made.",
    "{developer} has been perfecting this {name} for years, and neither is real.",
    "There never was {article} {name} like it, nor {developer} to thank for it.",
    "New this season from the studio of {developer}, which is on no map.",
    "“My best {name} yet”, says {developer}, whom nobody has met.",
)
NOBODY = "Nobody made this {name}: a neural network dreamt it up."


def image_address(catalog: Catalog, slug: str, number: int) -> str:
    """The path of the picture itself; its page is at the same path without the extension."""
    extension = EXTENSIONS[catalog.content_type(slug, number)]
    return url_for("pages.picture", release=catalog.release, slug=slug, name=f"{number}.{extension}")


def describe(catalog: Catalog, slug: str, number: int, data: bytes = b"") -> dict[str, Any]:
    """Everything that the pages and /random.json say about a picture: the same words every time.

    `data` is the picture, where it is at hand: type and size are then its own, not what the catalog says.
    Needs a request context, whose prefix the addresses get.
    """
    category = next(category for category in catalog.categories if category.slug == slug)
    developer = catalog.developer(slug, number)
    name = category.name.lower()
    width, height = measure(data) or (catalog.width, catalog.height)
    blurb = BLURBS[zlib.crc32(f"{slug}/{number}".encode()) % len(BLURBS)] if developer else NOBODY
    return {
        "title": f"This {category.name} Does Not Exist",
        "name": category.name,
        "text": blurb.format(name=name, article=category.article, developer=developer),
        "developer": developer,
        "alt": f"{category.article.capitalize()} {name} that does not exist, drawn by a neural network",
        "release": catalog.release,
        "category": slug,
        "number": number,
        "count": category.count,
        "page": url_for("pages.picture", release=catalog.release, slug=slug, name=str(number)),
        "image": image_address(catalog, slug, number),
        "category_page": url_for("pages.random_picture", slug=slug),
        "type": sniff(data) or catalog.content_type(slug, number),
        "width": width,
        "height": height,
    }
