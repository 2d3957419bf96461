"""What the routes share: the deck of the bucket, and how a picture's page is made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from flask import Flask, abort, current_app, request
from markupsafe import escape
from werkzeug.exceptions import SecurityError
from werkzeug.sansio.utils import get_host

from gallery.bucket import Bucket, NotFound, open_bucket
from gallery.release import Catalog, parse, release_name
from web.deck import Deck
from web.label import describe
from web.page import ORIGIN, PICTURE, Page, best_encoding
from web.table import Card

PATIENCE_S = 3.0  # for one call to storage
FIRST_S = 2.0  # that a visitor waits for the first pictures after a start


class Site:
    """What the routes share: the deck of the bucket, and how a picture's page is made."""

    def __init__(
        self,
        app: Flask,
        bucket_url: str,
        budget: int,  # bytes of memory for pages ready to be sent
        refresh_s: float,  # how long a new release may take to be noticed
        url: str = "",  # the site's own address; "" takes the one that the visitor used
        hosts: Sequence[str] = (),  # the only host names to answer under; none: any
    ) -> None:
        self.url = url
        self.hosts = list(hosts) or None
        self._app = app
        self._bucket_url = bucket_url
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
        with self._app.app_context():  # the deck's thread has none
            html = self._template.render(
                catalog=catalog, card=card, following=following, origin=ORIGIN, picture=PICTURE
            )
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
