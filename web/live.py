"""The page /live, where the visitor's browser runs the generator; its scripts and models. See docs/live.md."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import brotli  # type: ignore[import-untyped]
from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    render_template,
    request,
    send_file,
    send_from_directory,
    url_for,
)

from gallery.live import MODEL_FILE, MODEL_TYPE
from gallery.names import does_not_exist
from gallery.release import RELEASE_ID, Catalog
from web.compression import best_encoding
from web.site import get_site

YEAR = "public, max-age=31536000, immutable"
RUNTIME = "ort/ort-wasm-simd-threaded.wasm"  # ONNX Runtime Web, stored compressed
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".onnx": MODEL_TYPE}
PART = 1 << 16  # bytes decompressed at a time
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

live = Blueprint("live", __name__)


@live.get("/live")
def page() -> Response:
    """The page itself, if the live release has a generator."""
    catalog = get_site().live()
    if catalog.live is None:
        abort(404)
    version, titles = _version(), _titles(catalog)
    told = catalog.live.to_json() | {
        "release": catalog.release,
        "title": catalog.title,
        "titles": titles,
        "url": url_for("live.model", release=catalog.release),
        "runtime": url_for("live.script", version=version, name=RUNTIME),
        "runtime_bytes": _runtime_bytes(_folder() / (RUNTIME + ".br"), _encoding()),
    }
    longest = max(titles, key=len, default=catalog.title)
    page = render_template("live.html", catalog=catalog, live=json.dumps(told), version=version, longest=longest)
    response = Response(page)
    response.headers["Content-Security-Policy"] = POLICY
    return response


@live.get(f"/live/<release>/{MODEL_FILE}")
def model(release: str) -> Response:
    """A release's generator, as ONNX."""
    if not RELEASE_ID.fullmatch(release):
        abort(404)
    site = get_site()
    catalog = site.released(release)
    if catalog.live is None or not catalog.live.is_readable:
        abort(404)
    encoding = _encoding()
    if request.if_none_match.contains_weak(catalog.live.sha256):
        response = Response(status=304)
    elif request.method == "HEAD":  # needs no read from storage
        encoding, response = "", Response(mimetype=MODEL_TYPE)
        response.content_length = catalog.live.bytes
    else:
        path = site.model(catalog, catalog.live, encoding)
        response = send_file(path, MODEL_TYPE, download_name=MODEL_FILE, etag=False)
        if encoding:
            response.headers["Content-Encoding"] = encoding
    response.vary.add("Accept-Encoding")
    response.set_etag(catalog.live.sha256, weak=bool(encoding))
    response.headers["Cache-Control"] = YEAR
    return response


@live.get("/live/app/<version>/<path:name>")
def script(version: str, name: str) -> Response:
    """A file of static/live. The path contains the version, so that a script's relative imports have the same one.

    The worker gets the page's Content-Security-Policy, because it compiles the WebAssembly.
    """
    if Path(name).suffix not in TYPES:
        abort(404)
    response = _runtime() if name == RUNTIME else send_from_directory(_folder(), name)
    response.mimetype = TYPES[Path(name).suffix]
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = YEAR if version == _version() else "no-cache"
    return response


def _runtime() -> Response:
    """The runtime: sent as stored to browsers that accept brotli (all do over TLS), decompressed for others."""
    path, encoding = _folder() / (RUNTIME + ".br"), _encoding()
    if encoding == "br":
        response = send_file(path, conditional=False)
        response.headers["Content-Encoding"] = "br"
    else:
        response = Response(_decompressed(path))
        response.content_length = _runtime_bytes(path, encoding)
    response.vary.add("Accept-Encoding")
    return response


@cache
def _runtime_bytes(path: Path, encoding: str) -> int:
    """The size of the runtime as it is sent to a browser that prefers this encoding."""
    return path.stat().st_size if encoding == "br" else sum(map(len, _decompressed(path)))


def _decompressed(path: Path) -> Iterator[bytes]:
    decompressor = brotli.Decompressor()
    with path.open("rb") as file:
        part = file.read(PART)
        while part or not decompressor.is_finished():
            yield decompressor.process(part, output_buffer_limit=PART)
            part = file.read(PART) if decompressor.can_accept_more_data() else b""


def _titles(catalog: Catalog) -> list[str]:
    """The title of a picture of each of the generator's categories."""
    assert catalog.live is not None
    known = {category.slug: category.plural for category in catalog.categories}
    return [does_not_exist(entry["name"], known.get(entry["slug"], False)) for entry in catalog.live.categories]


def _folder() -> Path:
    return Path(current_app.static_folder or "") / "live"


def _encoding() -> str:
    """The encoding that the browser prefers: "br", "gzip" or ""."""
    return best_encoding(request.headers.get("Accept-Encoding", ""))


@cache
def _checksum(folder: Path) -> str:
    checksum = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        checksum = zlib.crc32(path.read_bytes(), checksum)
    return f"{checksum:08x}"


def _version() -> str:
    return _checksum(_folder())
