"""HTTP connections to Cloud Storage: pooled, with billed requests counted and responses limited in size and time.

prepare_session(client._http, client._connection.API_BASE_URL, operations, largest=128_000_000)
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gallery.bounded import bounded_pool, limit_decoded
from gallery.errors import TooLarge
from gallery.reasons import RETRYABLE

CONNECTIONS = 64  # in the pool; further concurrent calls wait for one
MAX_ERROR_BYTES = 1 << 16  # read of an error response


def prepare_session(session: requests.Session, url: str, operations: Counter[str], largest: int) -> None:
    """Make the session use such connections. `largest` bounds the bytes of a response."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Connections(operations, largest))
    # read proxies and certificates from the environment once, not in each request, where it is costly
    settings = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify, session.trust_env = settings["proxies"], settings["verify"], False


class _Connections(HTTPAdapter):
    """A connection pool large enough for our threads. `operations` counts billed requests, retries included."""

    def __init__(self, operations: Counter[str], largest: int) -> None:
        self._operations = operations
        self._largest = largest
        super().__init__(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        self._bound(manager)
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if request.method != "DELETE":  # free
            one_object = re.search(r"/o/[^/?]+", request.url or "") is not None
            self._operations["B" if request.method == "GET" and one_object else "A"] += 1
        response = super().send(request, *args, **kwargs)
        limit_decoded(response.raw, self._largest)
        if not response.ok:
            _read_some(response)
            if not _is_error(response):  # the client library would fail on it with an AttributeError
                retryable = response.status_code in RETRYABLE
                kind = requests.exceptions.ConnectionError if retryable else requests.exceptions.InvalidJSONError
                raise kind(f"a response of status {response.status_code}", response=response)
        else:
            try:
                self._check(request, response)
            except Exception:
                response.close()
                raise
        return response

    def _check(self, request: requests.PreparedRequest, response: requests.Response) -> None:
        """Reject redirects, and responses that the client library would mistake for Cloud Storage's."""
        if response.is_redirect:  # with the login in its headers
            place = response.headers["Location"]
            raise requests.exceptions.InvalidJSONError(f"it redirects to {place:.100}, so it is not Cloud Storage")
        if request.method != "GET":
            return
        if "alt=media" not in (request.url or ""):
            if not response.headers.get("Content-Type", "").startswith("application/json"):
                raise requests.exceptions.InvalidJSONError("the answer is not JSON, so it is not from Cloud Storage")
        elif response.status_code not in (200, 206):
            raise requests.exceptions.InvalidJSONError(f"an answer of status {response.status_code}", response=response)
        elif response.status_code == 206 and "Range" not in request.headers:
            raise requests.exceptions.InvalidJSONError("the answer is a part of the object, though all was asked for")
        elif not response.headers.get("X-Goog-Generation", "0").isdecimal():
            raise requests.exceptions.InvalidJSONError("the generation of the object is not a number")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._largest:
            raise TooLarge(length)

    def _bound(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            "http": bounded_pool(HTTPConnectionPool, largest=self._largest),
            "https": bounded_pool(HTTPSConnectionPool, largest=self._largest),
        }


def _read_some(response: requests.Response) -> None:
    """Read the body of an error, so that its connection can be reused; close the connection if the body is too long."""
    said = response.raw.read(MAX_ERROR_BYTES, decode_content=True)
    if len(said) == MAX_ERROR_BYTES:
        response.close()
    response._content, response._content_consumed = said, True  # type: ignore[attr-defined]
    response.encoding = response.encoding or "utf-8"  # detection takes minutes for a large text


def _is_error(response: requests.Response) -> bool:
    """True if the client library can handle the body of an error: it expects Cloud Storage's object in any JSON."""
    try:
        said = response.json()
    except ValueError:
        return True  # which it treats as text
    return isinstance(said, dict) and isinstance(said.get("error", {}), dict)
