"""A picture's page as bytes: rendered and compressed once, sent many times."""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import NamedTuple

from web.compression import compress

# Placeholders in rendered pages. They are random, so that no title or category can contain one.
_TOKEN = secrets.token_hex(8)
ORIGIN = f"https://{_TOKEN}.invalid"  # for the site's scheme and host
PREFIX = f"/p{_TOKEN}"  # for the path prefix of the site
PICTURE = f"data:{_TOKEN}"  # for the picture


class Place(NamedTuple):
    """The URL of the site. Both parts are safe in HTML and JSON without escaping."""

    origin: str  # https://its.host
    prefix: str = ""  # /path that the site is mounted below


class Page:
    """The HTML of a page with its picture inlined as base64.

    Links and share tags need the site's URL, which is known only per request. So the page is stored with placeholders, and
    its compressed form is cached for the last URL: with a single domain it is compressed once.
    """

    def __init__(self, html: str, content_type: str, picture: bytes, names: str = "") -> None:
        before, after = html.split(PICTURE)
        self._before = before.encode()
        self._after = after.encode()
        self._type = content_type.encode()
        self._picture = picture
        self.names = names  # what the picture was recognised as, as shown on the page
        self._compressed: dict[str, tuple[Place, bytes]] = {}

    @property
    def size(self) -> int:
        """Estimated bytes in memory, including both compressed forms but not the picture itself."""
        return 2 * (len(self._before) + len(self._after)) + 2 * len(self._picture) + 1000

    def plain(self, place: Place) -> bytes:
        """The page with the URLs of that place, uncompressed."""
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
