"""Compressed responses: which encoding a browser takes, and pages and static files in it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache

from flask import Response, request

try:
    import brotli  # type: ignore[import-untyped]
except ImportError:  # gzip does nearly as well
    brotli = None

TEXT = {"text/html", "text/css", "text/javascript", "image/svg+xml", "application/json", "application/rss+xml"}
SMALL = 1000  # bytes; compressing less saves no packet


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


def compress_parts(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The same of something large, which comes and goes in parts."""
    if encoding == "br":
        compressor = brotli.Compressor(quality=4)
        yield from map(compressor.process, parts)
        yield compressor.finish()
    else:
        deflater = zlib.compressobj(6, wbits=31)  # as gzip
        yield from map(deflater.compress, parts)
        yield deflater.flush()


compress_once = lru_cache(maxsize=32)(compress)  # for static files, which stay the same


def compress_text(response: Response) -> Response:
    """Compress a whole text that is not compressed yet. An `after_request` function of Flask."""
    if response.status_code != 200 or response.mimetype not in TEXT or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    encoding = best_encoding(request.headers.get("Accept-Encoding", ""))
    response.direct_passthrough = False
    if not encoding or len(data := response.get_data()) < SMALL:
        return response
    response.set_data(compress_once(data, encoding) if request.endpoint == "static" else compress(data, encoding))
    response.headers["Content-Encoding"] = encoding
    if etag := response.get_etag()[0]:
        response.set_etag(etag, weak=True)  # the same text, in other bytes
    response.headers.pop("Accept-Ranges", None)
    return response
