"""The routes and the error pages."""

from __future__ import annotations

import json
import re
import zlib
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from gallery import GalleryError
from gallery.release import EXTENSIONS, RELEASE_ID, SLUG
from web.compression import best_encoding, compress_text
from web.front import canonical, page_headers
from web.label import describe, image_address, thumbnail_address
from web.page import Page, Place
from web.site import ENLARGE, FIRST_S, asked_category, get_site
from web.sniff import sniff

FEED_DAYS = 7  # pictures in /feed.xml, one per day
STRIDE = 7919  # step between daily pictures: a prime, so that all appear before any repeats
YEAR = "public, max-age=31536000, immutable"
PROBES = ("pages.health", "pages.warmup", "metrics.show")
SORRY = {
    404: ("There is nothing here", "Not even something that does not exist, like this."),
    410: (
        "This one does not exist any more",
        "It never did, of course, and now its picture is gone too. Here is another.",
    ),
    503: ("Nothing to see yet", "The pictures are on their way. This page tries again by itself."),
}

pages = Blueprint("pages", __name__)
pages.after_app_request(compress_text)


@pages.before_app_request
def check_place() -> Response | None:
    """Answer 400 for a foreign host or prefix. Health probes are exempt, since they use IP addresses."""
    if request.endpoint in PROBES or get_site().place_of(request.environ):
        return None
    sentence = "This site does not answer under the host name or the path prefix of the request.\n"
    return Response(sentence, 400, mimetype="text/plain")  # plain text: a page's links would be broken


@pages.get("/")
@pages.get("/c/<slug>")
def random_picture(slug: str | None = None) -> Response:
    """A page with a random picture, of one category or of all."""
    site = get_site()
    response = _send(site.deal(slug).page, site.place, "no-store")
    response.headers.extend(canonical(site.place, request.path))
    return response


@pages.get("/i/<release>/<slug>/<name>")
def picture(release: str, slug: str, name: str) -> Response:
    """The permalink of a picture: its page, the picture itself with its extension, or with .json its fields."""
    match = re.fullmatch(r"([0-9]{1,9})(?:\.([a-z]+))?", name)
    if not (match and RELEASE_ID.fullmatch(release) and SLUG.fullmatch(slug)):
        abort(404)
    site = get_site()
    catalog, extension = site.released(release), match[2]
    number = catalog.number_of(release, slug, int(match[1]))
    if number is None:
        abort(404 if release == catalog.release else 410)
    if extension == "json":
        entry = describe(
            catalog, slug, number, site.in_memory(catalog, slug, number), site.names(catalog, slug, number)
        )
        return _say(entry, "public, max-age=300")
    if extension not in (None, EXTENSIONS[catalog.content_type(slug, number)]):
        abort(404)
    data = site.picture(catalog, slug, number)
    if extension is None:
        page = site.page(catalog, slug, number, data, site.names(catalog, slug, number), permalink=True)
        return _send(page, site.place, "public, max-age=300")
    response = Response(data, mimetype=sniff(data))
    # in a plain folder without a release, files may be replaced
    response.headers["Cache-Control"] = "no-cache" if catalog.files else YEAR
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(f"{zlib.crc32(data):08x}")
    response.make_conditional(request)
    return response


@pages.get("/random.json")
def random_json() -> Response:
    """The next picture as JSON. `?category=` takes the same slugs as /c/<category>."""
    site = get_site()
    card = site.deal(asked_category() or None)
    return _say(describe(card.catalog, card.slug, card.number, card.data, card.names), "no-store")


@pages.get("/random.jpg")
def random_jpg() -> Response:
    """Redirect to the next picture itself, for <img> tags. `?category=` as for /random.json."""
    card = get_site().deal(asked_category() or None)
    response = Response(status=302)
    response.headers["Location"] = image_address(card.catalog, card.slug, card.number)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@pages.get("/feed.xml")
def feed() -> Response:
    """RSS feed of one picture per day (UTC), the same for everybody."""
    site = get_site()
    catalog = site.live()
    entries = []
    today = datetime.now(UTC).date()
    for day in (today - timedelta(days=age) for age in range(FEED_DAYS)):
        slug, number = catalog.picture(day.toordinal() * STRIDE % catalog.count)
        published = format_datetime(datetime.combine(day, time(), UTC))
        entries.append(describe(catalog, slug, number) | {"day": day.isoformat(), "published": published})
    text = render_template("feed.xml", catalog=catalog, entries=entries, origin=site.place.origin)
    return Response(text, mimetype="application/rss+xml", headers={"Cache-Control": "public, max-age=3600"})


@pages.get("/favourites")
def favourites() -> str:
    """The visitor's favourites. The browser stores them and fills in the page; the site never learns them."""
    return render_template("favourites.html", catalog=get_site().live())


@pages.get("/categories")
def categories() -> str | Response:
    """All categories by name, with counts and pictures. Redirects to the front page if there is only one."""
    site = get_site()
    catalog = site.live()
    if len(catalog.categories) == 1:
        return redirect(url_for("pages.random_picture"))  # type: ignore[return-value]
    covers = {}
    for slug in (category.slug for category in catalog.categories):
        cards = [] if catalog.thumbnails else [card for card in site.deck.peek(1, slug) if card.catalog is catalog]
        covers[slug] = thumbnail_address(catalog, slug, cards[0].number if cards else 0)
    by_name = sorted(catalog.categories, key=lambda category: category.name.casefold())
    return render_template("categories.html", catalog=catalog, categories=by_name, covers=covers)


@pages.get("/about")
def about() -> str:
    """About the site, its keyboard shortcuts and its JSON API."""
    site = get_site()
    catalog = site.live()
    return render_template("about.html", catalog=catalog, origin=site.place.origin, credits=site.credits(catalog))


@pages.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """Health check: 200 while there are pictures to show; "degraded" if storage is down and they come from memory."""
    deck = get_site().deck
    cards, size = deck.fill
    catalog, age_s = deck.catalog, deck.refresh_age_s
    return {
        "status": "cold" if not cards else "degraded" if deck.trouble or deck.is_late else "ok",
        "release": catalog.release if catalog else None,
        "pictures": catalog.count if catalog else 0,
        "cards": cards,
        "bytes": size,
        "error": deck.trouble or None,  # until storage works again
        "thread_alive": deck.is_alive,
        "refresh_age_s": None if age_s is None else round(age_s, 1),
    }, 200 if cards else 503


@pages.get("/_ah/warmup")
def warmup() -> str:
    """App Engine requests this before it sends traffic to a new instance."""
    return "warm" if get_site().deck.deal(wait_s=FIRST_S) else "cold"


@pages.get("/robots.txt")
def robots() -> Response:
    """robots.txt: allow crawlers, except on endless pages."""
    paths = [url_for(f"pages.{name}") for name in ("random_json", "random_jpg", "health")] + [url_for("game.start")]
    return Response("\n".join(["User-agent: *", *(f"Disallow: {path}" for path in paths), ""]), mimetype="text/plain")


@pages.get("/favicon.ico")
def favicon() -> Response:
    """The icon for browsers without SVG icons."""
    return current_app.send_static_file("favicon.ico")


@pages.app_errorhandler(HTTPException)
@pages.app_errorhandler(GalleryError)
def apologize(error: Exception) -> Response:
    """The error page, or JSON for scripts; never a traceback."""
    if isinstance(error, GalleryError):  # storage failed while a permalink was read
        current_app.logger.warning("%s: %s", request.path, error)
        error = ServiceUnavailable()
    assert isinstance(error, HTTPException)
    response = Response(status=error.code)
    response.headers.extend((name, value) for name, value in error.get_headers() if name in ("Allow", "Location"))
    if error.code == 503:
        response.headers["Retry-After"] = "5"
    title, text = SORRY.get(error.code or 500, (error.name, error.description or ""))
    if request.path.endswith(".json"):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.mimetype = "application/json"
        response.data = json.dumps({"error": error.name, "status": error.code})
    else:
        deck = get_site().deck
        cards = [
            describe(card.catalog, card.slug, card.number, card.data)
            for card in deck.peek(1)
            if error.code in (404, 410)
        ]
        response.data = render_template(
            "sorry.html", catalog=deck.catalog, title=title, text=text, cards=cards, status=error.code, enlarge=ENLARGE
        )
    return response


@pages.app_url_defaults
def version_static(endpoint: str, values: dict[str, Any]) -> None:
    """Put a checksum into the URL of a static file, so that browsers can cache it for a year."""
    if endpoint == "static":
        values["v"] = _checksum(Path(current_app.static_folder or "") / values["filename"])


@cache
def _checksum(path: Path) -> str:
    return f"{zlib.crc32(path.read_bytes()):08x}"


def _say(entry: dict[str, Any], cache_control: str) -> Response:
    """The fields from `describe` as JSON, with CORS enabled."""
    data = json.dumps(entry | {"site": get_site().place.origin}, ensure_ascii=False)
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": cache_control}
    return Response(data, mimetype="application/json", headers=headers)


def _send(page: Page, place: Place, cache_control: str) -> Response:
    encoding = best_encoding(request.headers.get("Accept-Encoding", ""))
    body = page.body(place, encoding)
    return Response(body, headers=[*page_headers(len(body), encoding), ("Cache-Control", cache_control)])
