"""A picture's page as bytes: rendered once, compressed once, sent many times."""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import NamedTuple

from web.compression import compress

# Placeholders that a page is rendered with. They are random, so that no title or category can contain one.
_TOKEN = secrets.token_hex(8)
ORIGIN = f"https://{_TOKEN}.invalid"  # for the site's scheme and host
PREFIX = f"/p{_TOKEN}"  # for the path that the site is mounted below
PICTURE = f"data:{_TOKEN}"  # for the picture


class Place(NamedTuple):
    """Where visitors reach the site. Both parts are safe to put into HTML and JSON as they are."""

    origin: str  # https://its.address
    prefix: str = ""  # /path that it is mounted below


class Page:
    """HTML around a picture that is inlined as base64.

    Links and share tags need the site's URL, which only the request knows. So the page is stored with placeholders, and its
    compressed form is cached for the last URL: with one domain it is compressed once.
    """

    def __init__(self, html: str, content_type: str, picture: bytes, names: str = "") -> None:
        before, after = html.split(PICTURE)
        self._before = before.encode()
        self._after = after.encode()
        self._type = content_type.encode()
        self._picture = picture
        self.names = names  # what the picture was recognised as, as on the page
        self._compressed: dict[str, tuple[Place, bytes]] = {}

    @property
    def size(self) -> int:
        """Bytes that it takes with both compressed forms, before they are made; the picture itself not counted."""
        return 2 * (len(self._before) + len(self._after)) + 2 * len(self._picture) + 1000

    def plain(self, place: Place) -> bytes:
        """The page as visitors of that place get it, uncompressed."""
        before, after = (
            part.replace(ORIGIN.encode(), place.origin.encode()).replace(PREFIX.encode(), place.prefix.encode())
            for part in (self._before, self._after)
        )
        return b"".join((before, b"data:", self._type, b";base64,", b64encode(self._picture), after))

    def body(self, place: Place, encoding: str) -> bytes:
        """The page in the encoding asked for: "br", "gzip" or "" for none."""
        if not encoding:
            return self.plain(place)
        compressed_for, data = self._compressed.get(encoding, (None, b""))
        if compressed_for != place:
            data = compress(self.plain(place), encoding)
            self._compressed[encoding] = place, data
        return data
