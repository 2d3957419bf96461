"""WSGI middleware that answers requests for random pictures from memory and passes all others to Flask.

    app.wsgi_app = FrontDoor(app.wsgi_app, deck, place_of)

This avoids the cost of Flask's routing and response objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from web import logs
from web.compression import best_encoding
from web.deck import Deck
from web.page import Place

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]
SECURITY: Headers = [
    (
        "Content-Security-Policy",
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), browsing-topics=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]
TLS: Headers = [("Strict-Transport-Security", "max-age=31536000")]
NO_STORE: Headers = [("Cache-Control", "no-store")]


class FrontDoor:
    """Deals pages, adds security headers to every response, and records the request's trace id for logs. Ignores ranges.

    `place_of(environ)` returns the scheme, host and prefix of a request; None if the site doesn't serve them.
    """

    def __init__(self, app: WSGIApplication, deck: Deck, place_of: Callable[[Mapping[str, Any]], Place | None]) -> None:
        self._app = app
        self._deck = deck
        self._place_of = place_of

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI entry point."""
        logs.trace.set(environ.get("HTTP_X_CLOUD_TRACE_CONTEXT", ""))
        environ.pop("HTTP_RANGE", None)  # a range of a compressed text would not match the whole
        common = SECURITY + TLS if environ["wsgi.url_scheme"].lower() == "https" else SECURITY
        if ready := self._deal(environ):
            body, headers = ready
            start_response("200 OK", headers + common)
            return [body]

        def start(status: str, headers: Headers, *exception: Any) -> Callable[[bytes], object]:
            decided = {name for name, _ in headers}
            added = [(name, value) for name, value in common + NO_STORE if name not in decided]
            kept = [(name, value) for name, value in headers if name != "Accept-Ranges"]
            return start_response(status, kept + added, *exception)

        return self._app(environ, start)

    def _deal(self, environ: WSGIEnvironment) -> tuple[bytes, Headers] | None:
        """Return a page and its headers, if the request is for a random picture and one is in memory."""
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET" or not (path in ("/", "") or path.startswith("/c/")):
            return None
        place = self._place_of(environ)
        card = self._deck.deal(path[3:] if len(path) > 1 else None) if place else None
        if card is None or place is None:
            return None
        encoding = best_encoding(environ.get("HTTP_ACCEPT_ENCODING", ""))
        body = card.page.body(place, encoding)
        return body, page_headers(len(body), encoding) + NO_STORE + canonical(place, path or "/")


def canonical(place: Place, path: str) -> Headers:
    """Return the header with a page's canonical URL for search engines, which a cached page can't contain."""
    return [("Link", f'<{place.origin}{place.prefix}{path}>; rel="canonical"')]


def page_headers(length: int, encoding: str) -> Headers:
    """Return the headers of an HTML page; `encoding` is its compression, or ""."""
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(length)),
        ("Vary", "Accept-Encoding"),
    ]
    return [*headers, ("Content-Encoding", encoding)] if encoding else headers
