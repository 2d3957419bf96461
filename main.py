"""The site: every page shows a picture of something that does not exist.

    gunicorn main:app
    CLOUD_STORAGE_BUCKET=gs://my-pictures gunicorn main:app

Configuration is environment variables, see DEFAULTS. The pictures are in a bucket, see gallery/release.py.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import zlib
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, current_app, render_template, request
from markupsafe import escape
from werkzeug.exceptions import HTTPException, SecurityError, ServiceUnavailable
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import get_host

from gallery import GalleryError, logs
from gallery.bucket import Bucket, NotFound, open_bucket
from gallery.deck import Deck
from gallery.front import FrontDoor, page_headers
from gallery.label import describe, image_address
from gallery.page import ORIGIN, PICTURE, Page, best_encoding
from gallery.release import EXTENSIONS, RELEASE_ID, SLUG, Catalog, parse, release_name
from gallery.table import Card

ROOT = Path(__file__).parent
DEFAULTS = {
    "CLOUD_STORAGE_BUCKET": str(ROOT / "demo" / "bucket"),  # gs://bucket, gs://bucket/prefix or a folder
    "CACHE_MB": "128",  # memory for pages ready to be sent; an F1 instance has 384 for everything
    "REFRESH_S": "60",  # how long a new release may take to be noticed
    "SITE_URL": "",  # https://its.address for share tags; "" takes the address that the visitor used
    "TRUSTED_HOSTS": "",  # a.example,.b.example: the only addresses to answer under; "" answers under any
}
PATIENCE_S = 3.0  # for one call to storage
FIRST_S = 2.0  # that a visitor waits for the first pictures after a start
WALL = 60  # pictures on /grid
YEAR = "public, max-age=31536000, immutable"
SORRY = {
    404: ("There is nothing here", "Not even something that does not exist. But there is this:"),
    410: ("This one does not exist any more", "It never did, of course, and now its picture is gone too. But look:"),
    503: ("Nothing to see yet", "The pictures are on their way. Try again in a few seconds."),
}

pages = Blueprint("pages", __name__)


def create_app(config: Mapping[str, str] | None = None) -> Flask:
    """The application; `config` goes before the environment. Raises a GalleryError for a setting it can't use."""
    settings = {name: (config or {}).get(name) or os.environ.get(name) or DEFAULTS[name] for name in DEFAULTS}
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=16_384, SEND_FILE_MAX_AGE_DEFAULT=31_536_000)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["static"] = static_address
    app.extensions["site"] = site = Site(app, settings)
    app.config["TRUSTED_HOSTS"] = site.hosts
    app.register_blueprint(pages)
    app.register_error_handler(HTTPException, apologize)
    app.register_error_handler(GalleryError, apologize)
    app.wsgi_app = FrontDoor(app.wsgi_app, site.deck, site.origin_of)  # type: ignore[method-assign]
    if logs.on_google_cloud():  # its proxy ends TLS
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    site.deck.start()
    return app


class Site:
    """What the routes share: the deck of the bucket, and how a picture's page is made."""

    def __init__(self, app: Flask, settings: Mapping[str, str]) -> None:
        self.url = _site_url(settings["SITE_URL"])
        self.hosts = [host.strip() for host in settings["TRUSTED_HOSTS"].split(",") if host.strip()] or None
        budget = round(_number(settings, "CACHE_MB", 1, 100_000) * 1_000_000)
        refresh_s = _number(settings, "REFRESH_S", 0.1, 86_400)
        self._bucket_url = settings["CLOUD_STORAGE_BUCKET"]
        self._template = app.jinja_env.get_template("picture.html")
        self.deck = Deck(self._open, self._ready, budget, refresh_s)
        self.kept = lru_cache(maxsize=16)(self._read_kept)
        self.origin_of = lru_cache(maxsize=256)(self._origin_of)

    @property
    def origin(self) -> str:
        """The site's address as the visitor knows it, without a slash at the end; ready for HTML."""
        return self.origin_of(request.scheme, request.host) or abort(400)

    def live(self) -> Catalog:
        """The live release's catalog."""
        return self.deck.catalog or abort(503)

    def released(self, release: str) -> Catalog:
        """The catalog of a release that need not be live any more."""
        live = self.live()
        try:
            return live if release == live.release else self.kept(release)
        except NotFound:
            abort(410)

    def deal(self, slug: str | None) -> Card:
        """The next card of a category, or of all."""
        if slug is not None and not self.live().category(slug):
            abort(404)
        return self.deck.deal(slug, FIRST_S) or abort(503)

    def fetch(self, catalog: Catalog, slug: str, number: int) -> Card:
        """A certain card, from memory or from storage."""
        if card := self.deck.find(catalog.release, slug, number):
            return card
        if self.deck.trouble:  # storage would take seconds to say so again
            abort(503)
        try:
            return self.deck.fetch(catalog, slug, number)
        except NotFound:
            abort(404 if catalog.release == self.live().release else 410)

    def page(self, catalog: Catalog, slug: str, number: int, data: bytes, following: str = "") -> Page:
        """A picture's page. `following` is where Next leads: "" is the same address again, for another picture."""
        card = describe(catalog, slug, number)
        html = self._template.render(catalog=catalog, card=card, following=following, origin=ORIGIN, picture=PICTURE)
        return Page(html, catalog.content_type(slug, number), data)

    def _ready(self, catalog: Catalog, slug: str, number: int, data: bytes) -> tuple[Page, int]:
        page = self.page(catalog, slug, number, data)
        if self.url:
            for encoding in ("br", "gzip"):
                page.body(self.url, best_encoding(encoding))
        return page, page.size + len(data)

    def _origin_of(self, scheme: str, host: str) -> str | None:
        try:
            host = get_host(scheme, host, None, self.hosts)
        except SecurityError:
            return None
        return str(escape(self.url or f"{scheme}://{host}"))

    def _open(self) -> Bucket:
        return open_bucket(self._bucket_url, PATIENCE_S)

    def _read_kept(self, release: str) -> Catalog:
        bucket = self.deck.bucket
        if bucket is None or self.deck.trouble:
            abort(503)
        return parse(bucket.read(release_name(release)))


def get_site() -> Site:
    """That of the application which is answering."""
    site: Site = current_app.extensions["site"]
    return site


@pages.get("/")
@pages.get("/c/<slug>")
def random_picture(slug: str | None = None) -> Response:
    """A page with a random picture in it, of one category or of all."""
    site = get_site()
    return _send(site.deal(slug).page, site.origin, "no-store")


@pages.get("/i/<release>/<slug>/<name>")
def picture(release: str, slug: str, name: str) -> Response:
    """The permalink: a picture's page, or with an extension the picture."""
    match = re.fullmatch(r"([0-9]{1,9})(?:\.([a-z]+))?", name)
    if not (match and RELEASE_ID.fullmatch(release) and SLUG.fullmatch(slug)):
        abort(404)
    site = get_site()
    catalog, number, extension = site.released(release), int(match[1]), match[2]
    if not catalog.has(slug, number):
        abort(404)
    if extension not in (None, EXTENSIONS[catalog.content_type(slug, number)]):
        abort(404)
    card = site.fetch(catalog, slug, number)
    if extension is None:
        return _send(site.page(catalog, slug, number, card.data, following="/"), site.origin, "public, max-age=300")
    response = Response(card.data, mimetype=card.type)
    # in a folder that nobody published to, a name may get another content
    response.headers["Cache-Control"] = "no-cache" if catalog.files else YEAR
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(f"{zlib.crc32(card.data):08x}")
    response.make_conditional(request)
    return response


@pages.get("/random.json")
def random_json() -> Response:
    """What a page says, for scripts. `?category=` as in /c/<category>."""
    site = get_site()
    card = site.deal(_asked_category())
    entry = describe(card.catalog, card.slug, card.number) | {"site": site.origin}
    response = Response(json.dumps(entry, ensure_ascii=False), mimetype="application/json")
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@pages.get("/categories")
def categories() -> str:
    """Every category with its count and a picture."""
    site = get_site()
    catalog = site.live()
    covers = {}
    for slug in (category.slug for category in catalog.categories):
        cards = [card for card in site.deck.peek(1, slug) if card.catalog is catalog]
        covers[slug] = image_address(catalog, slug, cards[0].number if cards else 0)
    return render_template("categories.html", catalog=catalog, covers=covers)


@pages.get("/grid")
def grid() -> str:
    """A wall of random pictures, of one category or of all."""
    site = get_site()
    slug = _asked_category()
    if slug and not site.live().category(slug):
        abort(404)
    cards = site.deck.peek(WALL, slug) or abort(503)
    catalog = cards[0].catalog
    entries = [describe(card.catalog, card.slug, card.number) for card in cards]
    return render_template("grid.html", catalog=catalog, category=catalog.category(slug or ""), cards=entries)


@pages.get("/about")
def about() -> str:
    """What this is, and how scripts use it."""
    site = get_site()
    return render_template("about.html", catalog=site.live(), origin=site.origin)


@pages.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """For machines: 200 while there is something to show, "degraded" if that is from memory alone."""
    deck = get_site().deck
    cards, size = deck.fill
    catalog = deck.catalog
    return {
        "status": "cold" if not cards else "degraded" if deck.trouble else "ok",
        "release": catalog.release if catalog else None,
        "pictures": catalog.count if catalog else 0,
        "cards": cards,
        "bytes": size,
    }, 200 if cards else 503


@pages.get("/_ah/warmup")
def warmup() -> str:
    """App Engine asks this before it sends visitors to a new instance."""
    return "warm" if get_site().deck.deal(wait_s=FIRST_S) else "cold"


@pages.get("/robots.txt")
def robots() -> Response:
    """Crawlers are welcome, but there is no end to /random.json."""
    return Response("User-agent: *\nDisallow: /random.json\nDisallow: /health\n", mimetype="text/plain")


@pages.get("/favicon.ico")
def favicon() -> Response:
    """Browsers that don't know SVG icons ask for it here."""
    return current_app.send_static_file("favicon.ico")


def apologize(error: Exception) -> Response:
    """An error as a page, or as JSON for scripts; never a traceback."""
    if isinstance(error, GalleryError):  # storage failed while a permalink was looked up
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
        cards = [describe(card.catalog, card.slug, card.number) for card in deck.peek(1) if error.code in (404, 410)]
        response.data = render_template("sorry.html", catalog=deck.catalog, title=title, text=text, cards=cards)
    return response


@cache
def static_address(name: str) -> str:
    """A file of static/ at an address that changes with its content, so that it can be cached for good."""
    return f"/static/{name}?v={zlib.crc32((ROOT / 'static' / name).read_bytes()):08x}"


def _asked_category() -> str | None:
    try:
        return request.args.get("category") or None
    except UnicodeDecodeError:  # bytes that no browser sends
        abort(400)


def _send(page: Page, origin: str, cache_control: str) -> Response:
    encoding = best_encoding(request.headers.get("Accept-Encoding", ""))
    body, encoding = page.body(origin, encoding)
    return Response(body, headers=[*page_headers(len(body), encoding), ("Cache-Control", cache_control)])


def _number(settings: Mapping[str, str], name: str, low: float, high: float) -> float:
    try:
        value = float(settings[name])
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise GalleryError(f"{name} is {settings[name]!r}, expected a number from {low:g} to {high:g}.")
    return value


def _site_url(text: str) -> str:
    parts = urlsplit(text)
    if text and not (parts.scheme in ("http", "https") and parts.netloc and not parts.path.strip("/")):
        raise GalleryError(f"SITE_URL is {text!r}, expected https:// and a host name.")
    return text.rstrip("/")


def __getattr__(name: str) -> Flask:
    """`main.app`, made when a server asks for it, so that importing this module starts nothing."""
    if name != "app":
        raise AttributeError(name)
    logs.set_up()
    try:
        app = globals()["app"] = create_app()
    except GalleryError as error:
        logging.getLogger(__name__).critical("%s", error)
        sys.exit(4)  # gunicorn takes this for "can't load the app" and ends, instead of trying again
    return app
