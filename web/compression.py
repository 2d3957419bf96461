"""Compress responses with the best encoding that the browser accepts."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache

from flask import Response, request

try:
    import brotli  # type: ignore[import-untyped]
except ImportError:  # gzip is the fallback
    brotli = None

TEXT = {"text/html", "text/css", "text/javascript", "image/svg+xml", "application/json", "application/rss+xml"}
WEIGHT = re.compile(r"[01](?:\.[0-9]{0,3})?", re.ASCII)
SMALL = 1000  # bytes; smaller responses fit into one packet anyway


@lru_cache(maxsize=256)
def best_encoding(accept: str) -> str:
    """ "br", "gzip" or "", whichever the Accept-Encoding header weights highest; brotli on a tie (RFC 9110, 12.5.3)."""
    weights = {}
    for offer in accept.lower().split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        weights[name.removeprefix("x-")] = _weight(parameters)
    offered = {"br": weights.get("br", 0.0) if brotli else 0.0, "gzip": weights.get("gzip", weights.get("*", 0.0))}
    best = "br" if offered["br"] >= offered["gzip"] else "gzip"
    return best if offered[best] and offered[best] >= weights.get("identity", 0.0) else ""


def _weight(parameters: list[str]) -> float:
    """The q-value among an encoding's parameters: 1 if there is none, 0 if it is malformed."""
    texts = [value.strip() for name, _, value in (part.partition("=") for part in parameters) if name.strip() == "q"]
    return 1.0 if not texts else float(texts[0]) if WEIGHT.fullmatch(texts[0]) else 0.0


def compress(data: bytes, encoding: str) -> bytes:
    """Compress at a fast level; higher levels gain little on base64."""
    if encoding == "br":
        return bytes(brotli.compress(data, quality=4))
    return gzip.compress(data, 6, mtime=0)


def compress_parts(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Compress a stream of parts."""
    if encoding == "br":
        compressor = brotli.Compressor(quality=4)
        yield from map(compressor.process, parts)
        yield compressor.finish()
    else:
        deflater = zlib.compressobj(6, wbits=31)  # gzip format
        yield from map(deflater.compress, parts)
        yield deflater.flush()


compress_once = lru_cache(maxsize=32)(compress)  # for static files, which never change


def compress_text(response: Response) -> Response:
    """Compress a text response that is not compressed yet. An `after_request` function of Flask."""
    if response.mimetype not in TEXT or "Content-Encoding" in response.headers:
        return response
    if response.status_code in (200, 304):
        response.vary.add("Accept-Encoding")
    if response.status_code != 200:
        return response
    encoding = best_encoding(request.headers.get("Accept-Encoding", ""))
    response.direct_passthrough = False
    if not encoding or len(data := response.get_data()) < SMALL:
        return response
    response.set_data(compress_once(data, encoding) if request.endpoint == "static" else compress(data, encoding))
    response.headers["Content-Encoding"] = encoding
    if etag := response.get_etag()[0]:
        response.set_etag(etag, weak=True)  # same content, other bytes
    return response
