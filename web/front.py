"""What every request passes first: ready pages go out from here, everything else goes on to the framework.

    app.wsgi_app = FrontDoor(app.wsgi_app, deck, origin_of)

Sending a page that lies ready costs a tenth of what routing to it and building a response around it do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from web import logs
from web.deck import Deck
from web.page import best_encoding

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]
SECURITY: Headers = [
    (
        "Content-Security-Policy",
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), browsing-topics=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]
TLS: Headers = [("Strict-Transport-Security", "max-age=31536000")]
NO_STORE: Headers = [("Cache-Control", "no-store")]


class FrontDoor:
    """Deals pages, gives every answer the same security headers, and log lines their request's trace.

    `origin_of(scheme, host)` is the site's address for HTML, or None for a host that is not to be answered here.
    """

    def __init__(self, app: WSGIApplication, deck: Deck, origin_of: Callable[[str, str], str | None]) -> None:
        self._app = app
        self._deck = deck
        self._origin_of = origin_of

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """As WSGI has it."""
        logs.trace.set(environ.get("HTTP_X_CLOUD_TRACE_CONTEXT", ""))
        common = SECURITY + TLS if environ["wsgi.url_scheme"] == "https" else SECURITY
        if ready := self._deal(environ):
            body, headers = ready
            start_response("200 OK", headers + common)
            return [body]

        def start(status: str, headers: Headers, *exception: Any) -> Callable[[bytes], object]:
            decided = any(name == "Cache-Control" for name, _ in headers)
            return start_response(status, headers + common + ([] if decided else NO_STORE), *exception)

        return self._app(environ, start)

    def _deal(self, environ: WSGIEnvironment) -> tuple[bytes, Headers] | None:
        """A page with its headers, if it was asked for and one is there."""
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET" or not (path == "/" or path.startswith("/c/")):
            return None
        origin = self._origin_of(environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""))
        card = self._deck.deal(path[3:] or None) if origin else None
        if card is None or origin is None:
            return None
        body, encoding = card.page.body(origin, best_encoding(environ.get("HTTP_ACCEPT_ENCODING", "")))
        return body, page_headers(len(body), encoding) + NO_STORE


def page_headers(length: int, encoding: str) -> Headers:
    """Those of HTML that is compressed for those who take it."""
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(length)),
        ("Vary", "Accept-Encoding"),
    ]
    return [*headers, ("Content-Encoding", encoding)] if encoding else headers
