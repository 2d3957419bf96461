"""What is said about a picture: its title, its addresses, and a line on the developer it never had."""

from __future__ import annotations

import zlib
from typing import Any

from gallery.release import EXTENSIONS, Catalog

BLURBS = (
    "Designed by {developer}, who does not exist either.",
    "The finest {name} that {developer} never made.",
    "{developer} has been perfecting this {name} for years, and neither is real.",
    "There never was {article} {name} like it, nor {developer} to thank for it.",
    "New this season from the studio of {developer}, which is on no map.",
    "“My best {name} yet”, says {developer}, whom nobody has met.",
)
NOBODY = "Nobody made this {name}: a neural network dreamt it up."


def address(catalog: Catalog, slug: str, number: int) -> str:
    """The path of a picture's page; with an extension, that of the picture."""
    return f"/i/{catalog.release}/{slug}/{number}"


def image_address(catalog: Catalog, slug: str, number: int) -> str:
    """The path of the picture itself."""
    return f"{address(catalog, slug, number)}.{EXTENSIONS[catalog.content_type(slug, number)]}"


def describe(catalog: Catalog, slug: str, number: int) -> dict[str, Any]:
    """All that the pages and /random.json say of a picture; the same words whenever it is asked for."""
    category = next(category for category in catalog.categories if category.slug == slug)
    developer = catalog.developer(slug, number)
    name = category.name.lower()
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
        "page": address(catalog, slug, number),
        "image": image_address(catalog, slug, number),
        "type": catalog.content_type(slug, number),
        "width": catalog.width,
        "height": catalog.height,
    }
