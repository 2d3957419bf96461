"""The page /live, where the visitor's browser draws, and the generator that it draws with. See docs/live.md."""

from __future__ import annotations

import json

from flask import Blueprint, Response, abort, render_template, request, send_file, url_for

from gallery.live import MODEL_FILE, MODEL_TYPE
from gallery.release import RELEASE_ID
from web.compression import best_encoding
from web.site import get_site

YEAR_S = 31_536_000
SCRIPTS = "live/"  # below static: the worker is sent with the page's policy, since it is what compiles WebAssembly
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

live = Blueprint("live", __name__)


@live.get("/live")
def page() -> Response:
    """The page, if the live release has a generator."""
    catalog = get_site().live()
    if catalog.live is None:
        abort(404)
    told = catalog.live.to_json() | {"release": catalog.release, "url": url_for("live.model", release=catalog.release)}
    response = Response(render_template("live.html", catalog=catalog, live=json.dumps(told)))
    response.headers["Content-Security-Policy"] = POLICY
    return response


@live.get(f"/live/<release>/{MODEL_FILE}")
def model(release: str) -> Response:
    """A release's generator."""
    if not RELEASE_ID.fullmatch(release):
        abort(404)
    site = get_site()
    catalog = site.released(release)
    if catalog.live is None or not catalog.live.is_readable:
        abort(404)
    encoding = best_encoding(request.headers.get("Accept-Encoding", ""))
    if request.if_none_match.contains_weak(catalog.live.sha256):
        response = Response(status=304)
    elif request.method == "HEAD":  # asks storage for nothing
        encoding, response = "", Response(mimetype=MODEL_TYPE)
        response.content_length = catalog.live.bytes
    else:
        path = site.model(catalog, catalog.live, encoding)
        response = send_file(path, MODEL_TYPE, download_name=MODEL_FILE, etag=False)
        if encoding:
            response.headers["Content-Encoding"] = encoding
    response.vary.add("Accept-Encoding")
    response.set_etag(catalog.live.sha256, weak=bool(encoding))
    response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    return response


@live.after_app_request
def allow_webassembly(response: Response) -> Response:
    """In the worker too, whose policy is its own script's."""
    if request.endpoint == "static" and str((request.view_args or {}).get("filename")).startswith(SCRIPTS):
        response.headers["Content-Security-Policy"] = POLICY
    return response
