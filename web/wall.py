"""The wall: endless pages of thumbnails, and the URL of each thumbnail."""

from __future__ import annotations

import random
import re
from base64 import b64encode
from typing import Any

from flask import Blueprint, Response, abort, render_template, request, url_for
from werkzeug.exceptions import ServiceUnavailable

from gallery import GalleryError
from gallery.release import RELEASE_ID, SLUG, Catalog
from gallery.thumbnails import PAGE, page_count, page_with
from web.label import describe
from web.pages import YEAR
from web.site import Site, asked_category, get_site
from web.sniff import sniff

WALL_BYTES = 290_000  # of pictures per page; with its HTML, a page stays below 300 kB
CHOICES = 12  # categories offered as links; more go into a select list

wall = Blueprint("wall", __name__)


@wall.get("/grid")
def grid() -> Response:
    """A page of the wall, of one category or of all; a random page without a number."""
    site, asked = get_site(), asked_category()
    catalog = site.live()
    if asked and not catalog.category(asked):
        abort(404)
    slug = asked or (catalog.categories[0].slug if len(catalog.categories) == 1 else "")
    pages = page_count(catalog, slug)
    number = _asked_page(pages)
    here, more = (
        url_for("wall.grid", category=asked or None, page=page) for page in (number, number % (pages or 1) + 1)
    )
    try:
        entries = _thumbnails(site, catalog, slug, number - 1) if pages else []
    except (ServiceUnavailable, GalleryError):  # storage is down or the pack is lost: use pictures in memory
        entries = []
    if not entries:
        catalog, entries = _from_memory(site, slug)
        here, more = "", url_for("wall.grid", category=asked or None)
    category = catalog.category(asked)
    count = category.count if category else catalog.count
    page = render_template(
        "grid.html",
        catalog=catalog,
        category=category,
        choices=catalog.categories if 1 < len(catalog.categories) <= CHOICES else (),
        count=count,
        cards=entries,
        address=here,
        more=more if 0 < len(entries) < count else "",
    )
    numbered = here and "page" in request.args
    return Response(page, headers={"Cache-Control": "public, max-age=300" if numbered else "no-store"})


@wall.get("/t/<release>/<slug>/<int:number>")
def thumbnail(release: str, slug: str, number: int) -> Response:
    """The thumbnail of a picture, for a release that has them."""
    if not (RELEASE_ID.fullmatch(release) and SLUG.fullmatch(slug)):
        abort(404)
    site = get_site()
    catalog = site.released(release)
    if not (catalog.thumbnails and catalog.has(slug, number)):
        abort(404)
    data = site.thumbnails(catalog, *page_with(catalog, slug, number)).get((slug, number)) or abort(404)
    return Response(data, mimetype=sniff(data), headers={"Cache-Control": YEAR})


def _asked_page(pages: int) -> int:
    """The page number in the query, from 1; random if it names none; 0 if there are no pages."""
    try:
        text = request.args.get("page")
    except UnicodeDecodeError:  # the query is not UTF-8
        abort(400)
    if text is None or not pages:
        return random.randint(1, pages) if pages else 0
    if not re.fullmatch("[0-9]{1,9}", text, re.ASCII) or not 1 <= int(text) <= pages:
        abort(404)
    return int(text)


def _thumbnails(site: Site, catalog: Catalog, slug: str, page: int) -> list[dict[str, Any]]:
    return [
        _entry(catalog, *place, data)
        for place, data in site.thumbnails(catalog, slug, page).items()
        if catalog.has(*place)
    ]


def _from_memory(site: Site, slug: str) -> tuple[Catalog, list[dict[str, Any]]]:
    """Random pictures in memory, within WALL_BYTES, and their catalog. The list may be empty."""
    cards = site.deck.peek(PAGE, slug or None) or abort(503)
    room, entries = WALL_BYTES, []
    for card in cards:
        if len(card.data) <= room:
            room -= len(card.data)
            entries.append(_entry(card.catalog, card.slug, card.number, card.data))
    return cards[0].catalog, entries


def _entry(catalog: Catalog, slug: str, number: int, data: bytes) -> dict[str, Any]:
    source = f"data:{sniff(data)};base64,{b64encode(data).decode()}"
    return describe(catalog, slug, number) | {"source": source}
