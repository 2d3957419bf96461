"""Polite HTTP: a real user agent, limits on rate, size and time, opt-outs honoured, no private addresses.

    python -c "from generate.collecting.polite import *; print(len(build_opener(Manners()).open('https://example.org').read()))"

It is an opener of `urllib.request`, which img2dataset can use too. It checks every address of a host before it
connects, and the connected address before it sends anything, so neither a redirect nor DNS rebinding reaches a private
network. It opens http and https only, not file:, ftp: or data:. It ignores proxies in the environment, because addresses
can't be checked behind one.
"""

from __future__ import annotations

import http.client
import io
import re
import ssl
import string
import threading
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.response import addinfourl

from gallery.bounded import BoundedResponse
from generate.addresses import addresses_of, is_public
from generate.collecting.turns import REFUSALS, Refused, Turns, busy

TOKEN = "this-stuff-does-not-exist"  # the name a site uses in `X-Robots-Tag: this-stuff-does-not-exist: noai`
OPT_OUTS = {"noai", "noimageai", "noindex", "noimageindex"}
CHUNK = 1 << 16
REFUSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True)
class Manners:
    """The limits on requests, and the contact for the user agent."""

    contact: str = ""  # an e-mail address or site for the user agent; Wikimedia requires one
    rate_per_s: float = 2.0  # requests to one host, in one process
    timeout_s: float = 10.0  # to connect, and for each read
    total_s: float = 60.0  # for a whole body
    max_bytes: int = 30_000_000
    max_retry_after_s: float = 30.0
    private_hosts: tuple[str, ...] = ()  # hosts allowed to have a private address, such as your own server

    @property
    def user_agent(self) -> str:
        """Name, version and a contact."""
        return f"{TOKEN}/0.1 ({self.contact or 'collects pictures for a small training set'})"


def build_opener(manners: Manners, stop: threading.Event | None = None) -> urllib.request.OpenerDirector:
    """An opener for http and https that keeps to these limits. Its responses hold the whole body.

    After `stop` is set it refuses everything, also what it is just reading.

    It raises urllib.error.URLError (also as Refused and HTTPError) and OSError.
    """
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-agent", manners.user_agent)]
    for handler in (
        _Ascii(),
        _Open(manners),
        _Manners(manners, stop or threading.Event()),
        _Redirects(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def seconds_of(retry_after: str) -> float | None:
    """The delay in a Retry-After header, given as seconds or a date; None if it can't be parsed."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def opts_out(tags: list[str]) -> bool:
    """True if X-Robots-Tag headers opt out, for all crawlers or for this one by name."""
    for tag in tags:
        agent, colon, directives = tag.rpartition(":")
        for_us = not colon or agent.strip().lower() == TOKEN
        if for_us and OPT_OUTS & {directive.strip().lower() for directive in directives.split(",")}:
            return True
    return False


def check_public(host: str, port: int) -> None:
    """Raises Refused if any address of the host is private, loopback, link-local, reserved or multicast."""
    for address in addresses_of(host, port):
        _check_address(address)


def _check_address(address: str) -> None:
    if not is_public(address):
        raise Refused(f"private address: {address}")


def encode_url(url: str) -> str:
    """The URL in ASCII, as browsers send it: ñandú.jpg as %C3%B1and%C3%BA.jpg, a host as xn--..., spaces as %20.

    What is percent-encoded already stays. Raises Refused for a host that has no such form, and for a URL with a user name or
    password: they would be published as the picture's source.
    """
    url = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", url.strip())
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = f":{parts.port}" if parts.port else ""
        place = parts.netloc if parts.netloc.isascii() else host + port
    except ValueError as error:
        raise Refused(f"not a URL: {error}") from None
    if parts.username is not None:
        raise Refused("password in the URL: it is not sent, so download the picture yourself")
    return quote(urlunsplit(parts._replace(netloc=place)), safe=string.punctuation)


class _Ascii(urllib.request.BaseHandler):
    """Encodes URLs before any other handler reads them."""

    handler_order = 100

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        request.full_url = encode_url(request.full_url)
        return request

    https_request = http_request


class _HTTPConnection(http.client.HTTPConnection):
    """Checks the addresses of the host before it connects, and the connected address after that."""

    may_be_private = False

    def connect(self) -> None:
        if not self.may_be_private:
            check_public(self.host, self.port)
        super().connect()
        if not self.may_be_private:
            _check_address(self.sock.getpeername()[0])


class _HTTPSConnection(http.client.HTTPSConnection, _HTTPConnection):
    """http.client's connect() calls that of the class above before it starts TLS."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()  # urllib would read the whole, possibly endless, body
        return super().http_error_302(req, io.BytesIO(), code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class _Open(urllib.request.AbstractHTTPHandler):
    def __init__(self, manners: Manners) -> None:
        super().__init__()
        self.private_hosts = manners.private_hosts
        self.largest = manners.max_bytes
        self.context = ssl.create_default_context()  # reads the trust store, or SSL_CERT_FILE, once
        self.http_request = self.https_request = self.do_request_

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, partial(self.connection, _HTTPConnection)), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, partial(self.connection, _HTTPSConnection, context=self.context)), request)

    def connection(self, kind: type[_HTTPConnection], host: str, **options: Any) -> _HTTPConnection:
        made = kind(host, **options)
        made.may_be_private = made.host in self.private_hosts
        made.response_class = partial(BoundedResponse, largest=self.largest)  # type: ignore[assignment]
        return made


class _Manners(urllib.request.BaseHandler):
    """Before a request: user agent and rate limit. After it: opt-outs, limits on size and time, retries if the host is busy."""

    handler_order = 2000  # after HTTPErrorProcessor, which follows redirects and raises errors

    def __init__(self, manners: Manners, stop: threading.Event) -> None:
        self.manners = manners
        self.turns = Turns(manners.rate_per_s, manners.max_retry_after_s, stop)
        self.http_request = self.https_request = self.before
        self.http_response = self.https_response = self.after
        self.http_error_429 = self.http_error_503 = self.wait_and_retry

    def before(self, request: Any) -> urllib.request.Request:
        request.add_header("User-Agent", self.manners.user_agent)
        request.sent = self.turns.wait_for(_host(request))
        return cast(urllib.request.Request, request)

    def after(self, request: urllib.request.Request, response: Any) -> addinfourl:
        headers: Message = response.headers
        self.turns.answered(_host(request))
        with response:
            if headers.get("TDM-Reservation", "").strip() == "1":
                raise Refused("opted out: TDM-Reservation")
            if opts_out(headers.get_all("X-Robots-Tag", [])):
                raise Refused("opted out: X-Robots-Tag")
            if headers.get_content_maintype() == "text" and "Content-Type" in headers:
                raise Refused(f"not a picture: {headers.get_content_type()}")
            length = headers.get("Content-Length", "").strip()
            body = self.read(response, int(length) if length.isdecimal() else -1)
        body = self.decompress(body, headers.get("Content-Encoding", "identity").strip().lower())
        del headers["Content-Encoding"], headers["Content-Length"]  # a redirect or a retry comes through here twice
        return addinfourl(io.BytesIO(body), headers, response.url, response.status)

    def read(self, response: Any, length: int) -> bytes:
        limit, deadline = self.manners.max_bytes, time.monotonic() + self.manners.total_s
        chunks: list[bytes] = []
        size = 0
        while size <= limit and length <= limit:
            self.turns.check()
            chunk = response.read1(CHUNK)
            if not chunk:
                if size < length:
                    raise Refused(f"cut short: {size} of {length} bytes")
                return b"".join(chunks)
            chunks.append(chunk)
            size += len(chunk)
            if time.monotonic() > deadline:
                raise Refused(f"too slow: not whole after {self.manners.total_s:g} s")
        raise Refused(f"too large: over {limit:,} bytes")

    def decompress(self, body: bytes, encoding: str) -> bytes:
        """Decompress a body; some servers compress without being asked."""
        if encoding in ("", "identity"):
            return body
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise Refused(f"compressed as {encoding!r:.40}, which was not asked for")
        limit, wbits = self.manners.max_bytes, zlib.MAX_WBITS | 32  # 32: the header says whether it is gzip's or zlib's
        try:
            body = zlib.decompressobj(wbits).decompress(body, limit + 1)
        except zlib.error as error:
            raise Refused(f"damaged: {encoding} of the answer: {error}") from None
        if len(body) > limit:
            raise Refused(f"too large: over {limit:,} bytes")
        return body

    def wait_and_retry(
        self, request: Any, response: Any, code: int, message: str, headers: Message
    ) -> addinfourl | None:
        """Ask again after a pause. None passes the response to the handler that raises HTTPError.

        A URL that is refused by 429 fails with a reason that begins with BUSY, not as one that can't be fetched.
        """
        host, asked_s = _host(request), seconds_of(headers.get("Retry-After", ""))
        if code != HTTPStatus.TOO_MANY_REQUESTS and asked_s is None:
            return None
        self.turns.refused(host, code, asked_s, request.sent)
        request.tries = getattr(request, "tries", 0) + 1
        if code != HTTPStatus.TOO_MANY_REQUESTS and (
            request.tries > 1 or (asked_s or 0) > self.manners.max_retry_after_s
        ):
            return None
        response.close()
        if request.tries >= REFUSALS:
            raise Refused(busy(host, code, asked_s))
        try:
            return cast(addinfourl, self.parent.open(request, timeout=request.timeout))
        except urllib.error.HTTPError as error:
            if error.code not in REFUSING:
                self.turns.answered(host)
            raise


def _host(request: urllib.request.Request) -> str:
    return urlsplit(request.full_url).hostname or ""
