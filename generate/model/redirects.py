"""Ask a web server for a file and follow its redirects: over https only, never into our own network, and within limits.

with answer_to("https://example.org/cakes.pkl") as answer:
    data = answer.content
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

import click
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gallery.bounded import bounded_pool
from generate.addresses import addresses_of, is_public

WEB = "https://"
PORT = 443
TIMEOUT_S = 30.0
LARGEST = 8_000_000_000  # bytes
SLOWEST = 10_000  # bytes a second
MOST_REDIRECTS = 10


class PrivateAddress(Exception):
    """Raised for a connection into a private network; the text is the address."""


class _Connection(HTTPSConnection):
    """Checks the addresses of the host, and the one it is connected to before it sends anything: a name may change between."""

    def _new_conn(self) -> socket.socket:
        for address in addresses_of(self.host, self.port):
            _check(address)
        connected = super()._new_conn()
        try:
            _check(str(connected.getpeername()[0]))
        except PrivateAddress:
            connected.close()
            raise
        return connected


def _check(address: str) -> None:
    if not is_public(address):
        raise PrivateAddress(address)


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    """Limits responses in size and time. With `_PublicPool` it connects to public addresses only.

    Behind a proxy (HTTPS_PROXY), which does the connecting, the proxy decides.
    """

    def __init__(self, pool: type[HTTPSConnectionPool]) -> None:
        self._pool = pool
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._limit(self.poolmanager, self._pool)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        self._limit(manager, HTTPSConnectionPool)
        return manager

    def _limit(self, manager: Any, https: type[HTTPSConnectionPool]) -> None:
        pools: dict[str, type[Any]] = {"http": HTTPConnectionPool, "https": https}
        manager.pool_classes_by_scheme = {
            scheme: bounded_pool(pool, largest=LARGEST, slowest=SLOWEST) for scheme, pool in pools.items()
        }


def answer_to(url: str) -> requests.Response:
    """Ask for an https:// URL and follow its redirects; the body is still to be read.

    The host in the URL may be the user's own server, with a private address. No redirect may lead to another private one.
    Raises click.ClickException for such a redirect and for one to another scheme than https, requests.RequestException and
    OSError for other failures.
    """
    asked, own = url, _own_host(url)
    for _ in range(MOST_REDIRECTS):
        with requests.Session() as session:
            session.mount(WEB, _Adapter(HTTPSConnectionPool if urlsplit(asked).hostname == own else _PublicPool))
            try:
                answer = session.get(asked, stream=True, timeout=TIMEOUT_S, allow_redirects=False)
            except PrivateAddress as address:
                raise click.ClickException(
                    f"{url} leads to {asked}, at the private address {address}: nothing was fetched. "
                    "If that is a server of yours, give its address instead."
                ) from None
        if not answer.is_redirect:
            return answer
        answer.close()
        asked = urljoin(asked, answer.headers["Location"])
        if not asked.lower().startswith(WEB):
            raise click.ClickException(f"{url} redirects to {asked}, which is not https: nothing was fetched.")
    raise click.ClickException(f"{url} redirects more than {MOST_REDIRECTS} times: nothing was fetched.")


def _own_host(url: str) -> str | None:
    """The host in the URL if it is on the user's own network, which a redirect may lead back to."""
    host = urlsplit(url).hostname
    with suppress(OSError):  # a name that only a proxy knows
        if host and not all(map(is_public, addresses_of(host, PORT))):
            return host
    return None
