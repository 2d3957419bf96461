"""A picture's page as bytes: rendered once, compressed once, sent many times."""

from __future__ import annotations

import gzip
from base64 import b64encode

try:
    import brotli  # type: ignore[import-untyped]
except ImportError:  # gzip does nearly as well
    brotli = None

ORIGIN = "https://origin.invalid"  # what a template writes where the site's own address comes
PICTURE = "data:picture"  # and where the picture comes


class Page:
    """HTML around a picture that is inlined as base64.

    Share tags need the site's own address, which only a visitor knows if it isn't configured. So the page is kept
    with a gap for it, and compressed for the first address that it is sent to. Asked under another one, which
    a site with one domain never is, it goes out uncompressed and just as right.
    """

    def __init__(self, html: str, content_type: str, picture: bytes) -> None:
        before, after = html.split(PICTURE)
        self._before = before.encode()
        self._after = after.encode()
        self._type = content_type.encode()
        self._picture = picture
        self._compressed: dict[str, tuple[str, bytes]] = {}

    @property
    def size(self) -> int:
        """Bytes that it takes with both compressed forms, before they are made; the picture itself not counted."""
        return 2 * (len(self._before) + len(self._after)) + 2 * len(self._picture) + 1000

    def plain(self, origin: str) -> bytes:
        """The page for https://its.address, ready for HTML: the caller escapes it."""
        address = origin.encode()
        return b"".join(
            (
                self._before.replace(ORIGIN.encode(), address),
                b"data:",
                self._type,
                b";base64,",
                b64encode(self._picture),
                self._after.replace(ORIGIN.encode(), address),
            )
        )

    def body(self, origin: str, encoding: str) -> tuple[bytes, str]:
        """The page and the encoding it has: the one asked for ("br", "gzip" or ""), or none."""
        if not encoding:
            return self.plain(origin), ""
        if encoding not in self._compressed:
            self._compressed[encoding] = origin, compress(self.plain(origin), encoding)
        compressed_for, data = self._compressed[encoding]
        return (data, encoding) if compressed_for == origin else (self.plain(origin), "")


def best_encoding(accept: str) -> str:
    """ "br", "gzip" or "", by an Accept-Encoding header."""
    offers = {}
    for offer in accept.lower().split(","):
        name, _, weight = offer.partition(";")
        offers[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    if brotli and offers.get("br"):
        return "br"
    return "gzip" if offers.get("gzip") else ""


def compress(data: bytes, encoding: str) -> bytes:
    """Quickly: base64 has little to give beyond the third that it adds."""
    if encoding == "br":
        return bytes(brotli.compress(data, quality=4))
    return gzip.compress(data, 6, mtime=0)
