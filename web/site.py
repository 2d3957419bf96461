"""The state that the routes share: the deck, storage reads, and page rendering."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from flask import Flask, abort, current_app, g, request
from werkzeug.exceptions import SecurityError, ServiceUnavailable
from werkzeug.sansio.utils import get_host

from gallery import GalleryError
from gallery.bucket import Bucket, Forbidden, NotFound, TooLarge, Unavailable, open_bucket
from gallery.live import LiveModel, live_name
from gallery.real import REAL_FILE, Real, unpack_real
from gallery.release import Catalog
from gallery.thumbnails import Key, pack_name, unpack
from web.compression import best_encoding
from web.deck import Deck
from web.label import describe
from web.lookup import Busy, Lookup
from web.models import Models
from web.names import Names
from web.packs import Packs
from web.page import ORIGIN, PICTURE, PREFIX, Page, Place
from web.releases import Releases
from web.sniff import sniff
from web.table import Card

PATIENCE_S = 3.0  # deadline of one storage call, and of all calls of one request
LARGE = 16_000_000  # bytes: larger objects are read only if they fit into the page budget
READERS = 2  # parallel storage reads: half of the threads in gunicorn.conf.py
MOUNT = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~-]+)*", re.ASCII)  # the paths that the site can be mounted below
ENLARGE = 3  # maximum magnification of a picture; beyond it, pixels show
FIRST_S = 2.0  # how long a visitor waits for the first pictures after a start

Result = TypeVar("Result")


class Site:
    """The state that the routes share. Methods call `abort` if they can't answer."""

    def __init__(
        self,
        app: Flask,
        bucket_url: str,
        budget: int,  # bytes of memory for rendered pages
        refresh_s: float,  # interval between checks for a new release
        url: str = "",  # the site's own URL; "" uses the request's
        hosts: Sequence[str] = (),  # allowed host names; empty allows any
        prefetch: bool = True,  # pages fetch the next picture in advance
    ) -> None:
        self.url = url
        self.hosts = list(hosts) or None
        self._app = app
        self._prefetch = prefetch
        self._bucket_url = bucket_url
        self._template = app.jinja_env.get_template("picture.html")
        self._budget = budget
        self.deck = Deck(self._open, self._ready, budget, refresh_s)
        self._releases = Releases()
        self._names = Names()
        self._packs = Packs()
        self._lookup = Lookup(READERS)
        self._models = Models(self._read_part)
        self._place = lru_cache(maxsize=256)(self._find_place)

    def place_of(self, environ: Mapping[str, Any]) -> Place | None:
        """The site's URL for a request; None if the host or prefix isn't allowed."""
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        return self._place(environ["wsgi.url_scheme"].lower(), host, environ.get("SCRIPT_NAME", ""))

    @property
    def place(self) -> Place:
        """The site's URL for the current request."""
        return self.place_of(request.environ) or abort(400)

    def live(self) -> Catalog:
        """The live release's catalog."""
        return self.deck.catalog or abort(503)

    def released(self, release: str) -> Catalog:
        """The catalog of a release, live or earlier. Aborts with 410 if the bucket no longer holds it.

        In a plain folder without a release, permalinks name files, all in the one catalog.
        """
        live = self.live()
        if release == live.release or live.files:
            return live
        try:
            return self._look_up(lambda bucket: self._releases.get(bucket, release))
        except NotFound:
            self._gone()

    def deal(self, slug: str | None) -> Card:
        """The next card of a category, or of all."""
        if slug is not None and not self.live().category(slug):
            abort(404)
        return self.deck.deal(slug, FIRST_S) or abort(503)

    def picture(self, catalog: Catalog, slug: str, number: int) -> bytes:
        """The bytes of one picture, from memory or storage."""
        if card := self.deck.find(catalog.release, slug, number):
            return card.data
        try:
            return self._look_up(lambda bucket: self.deck.read(catalog, slug, number))
        except TooLarge:
            abort(404)
        except NotFound:
            self._gone(catalog)

    def model(self, catalog: Catalog, model: LiveModel, encoding: str) -> Path:
        """The path of a release's generator in this encoding."""
        try:
            return self._models.get(live_name(catalog.release), model.bytes, model.sha256, encoding)
        except Busy:
            abort(503)
        except NotFound:
            self._gone(catalog)

    def in_memory(self, catalog: Catalog, slug: str, number: int) -> bytes:
        """The bytes of one picture, empty if it isn't in memory."""
        card = self.deck.find(catalog.release, slug, number)
        return card.data if card else b""

    def names(self, catalog: Catalog, slug: str, number: int) -> str:
        """What one picture was recognised as, from memory or storage; "" if it wasn't recognised."""
        if card := self.deck.find(catalog.release, slug, number):
            return card.names
        if not catalog.named_together:
            return ""
        return self._look_up(lambda bucket: self._names.get(bucket, catalog, slug, number))

    def thumbnails(self, catalog: Catalog, slug: str, page: int) -> dict[Key, bytes]:
        """The thumbnails on a page of the wall; `slug` "" means all categories. Raises GalleryError if the pack is damaged."""
        return self._unpacked(catalog, pack_name(slug, page), unpack)

    def credits(self, catalog: Catalog) -> tuple[Real, ...] | None:
        """The real pictures of a release, with their authors; None if they can't be read."""
        try:
            return self._unpacked(catalog, REAL_FILE, unpack_real) if catalog.real else ()
        except (GalleryError, ServiceUnavailable):
            return None

    def page(
        self, catalog: Catalog, slug: str, number: int, data: bytes, names: str = "", permalink: bool = False
    ) -> Page:
        """Render a picture's page. Next links to the same URL, or on a permalink to the front page."""
        with self._app.test_request_context(base_url=ORIGIN + PREFIX):  # url_for writes the placeholders
            html = self._template.render(
                catalog=catalog,
                card=describe(catalog, slug, number, data, names),
                permalink=permalink,
                enlarge=ENLARGE,
                prefetch=self._prefetch,
                origin=ORIGIN,
                picture=PICTURE,
            )
        return Page(html, sniff(data), data, names)

    def _gone(self, catalog: Catalog | None = None) -> NoReturn:
        """Abort since storage doesn't hold something (of that release): with 410 only if what it holds can be trusted."""
        if catalog and catalog.release == self.live().release:
            abort(404)
        abort(503 if self.deck.trouble else 410)

    def _ready(self, catalog: Catalog, slug: str, number: int, data: bytes) -> tuple[Page, int]:
        bucket = self.deck.bucket
        names = self._names.get(bucket, catalog, slug, number) if bucket else ""
        page = self.page(catalog, slug, number, data, names)
        if self.url:
            for encoding in ("br", "gzip"):
                page.body(Place(self.url), best_encoding(encoding))
        return page, page.size + len(data)

    def _find_place(self, scheme: str, host: str, prefix: str) -> Place | None:
        try:
            host = re.sub(r"\.(?=:|$)", "", host.lower(), count=1)  # a.example. and A.Example equal a.example
            host = get_host(scheme, host, None, self.hosts)
            host.encode("idna")  # as the router will; raises for "." or "a..b"
        except (SecurityError, UnicodeError):
            return None
        prefix = prefix.rstrip("/")
        if not (host and scheme in ("http", "https") and MOUNT.fullmatch(prefix)):
            return None
        return Place(self.url or f"{scheme}://{host}", prefix)

    def _unpacked(self, catalog: Catalog, name: str, unpack: Callable[[bytes], Result]) -> Result:
        """An unpacked object of a release that holds many pictures, from memory or storage."""
        name = f"releases/{catalog.release}/{name}"
        found: Result | None = self._packs.find(name)
        return found or self._look_up(lambda bucket: self._packs.get(bucket, name, unpack))

    def _open(self) -> Bucket:
        return open_bucket(self._bucket_url, PATIENCE_S, self._budget)  # too large to cache: don't read it

    def _look_up(self, read: Callable[[Bucket], Result]) -> Result:
        """Read from storage for a request. Aborts with 503 if storage is down or all readers are busy."""
        started: float = g.setdefault("lookup_started", time.monotonic())  # one deadline for all reads of a request
        try:
            return self._read(read, max(0.0, started + PATIENCE_S - time.monotonic()))
        except Busy:
            abort(503)

    def _read_part(self, name: str, start: int, length: int) -> bytes:
        """Read part of a large object. Each part has the timeout of a picture."""
        return self._read(lambda bucket: bucket.read_part(name, start, length), PATIENCE_S, wait_s=PATIENCE_S)

    def _read(self, read: Callable[[Bucket], Result], timeout_s: float, wait_s: float | None = None) -> Result:
        """Read from storage. Raises Busy if it is down, or all readers are busy (for longer than `wait_s`)."""
        bucket = self.deck.bucket
        if bucket is None or self.deck.storage_is_down:
            raise Busy("storage is down")
        try:
            return self._lookup.run(lambda: read(bucket), timeout_s, wait_s)
        except (Unavailable, Forbidden) as error:
            self.deck.report(error)
            raise


def get_site() -> Site:
    """The site of the current application."""
    site: Site = current_app.extensions["site"]
    return site


def asked_category() -> str:
    """The query's `category`; "" if it has none."""
    try:
        return request.args.get("category") or ""
    except UnicodeDecodeError:  # the query is not UTF-8
        abort(400)
