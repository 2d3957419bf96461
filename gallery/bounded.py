"""HTTP responses limited in time and size, whatever the server sends.

limit_decoded(requests_response.raw, largest=128_000_000)
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from gallery.errors import TooLarge

MAX_TIMEOUTS = 10  # a whole response may take so many times the timeout, which bounds each read
HEAD_BYTES = 1 << 16  # allowed for the headers
CHUNK = 1 << 16


class BoundedResponse(http.client.HTTPResponse):
    """A response that is bounded from its first line on. Raises TimeoutError, or TooLarge beyond `largest` bytes.

    A large file may take longer than MAX_TIMEOUTS: by the time that its bytes so far take at `slowest` bytes a second.
    """

    def __init__(
        self, connected: socket.socket, *options: Any, largest: int, slowest: float = math.inf, **named_options: Any
    ) -> None:
        super().__init__(connected, *options, **named_options)
        self.fp.close()
        self.fp = io.BufferedReader(_Bounded(connected, largest, slowest))


class _Bounded(io.RawIOBase):
    """The bytes of a response. Raises TimeoutError if it takes too long in all, TooLarge if it has too many bytes.

    A socket's timeout bounds only each read: at a byte per second, a response would never time out.
    """

    def __init__(self, connected: socket.socket, largest: int, slowest: float) -> None:
        self._socket = connected
        self._file: Any = connected.makefile("rb", buffering=0)
        self._timeout_s = connected.gettimeout() or 60.0
        self._until = time.monotonic() + MAX_TIMEOUTS * self._timeout_s
        self._left = largest + HEAD_BYTES
        self._slowest = slowest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the response did not end")
        self._socket.settimeout(min(left_s, self._timeout_s))
        count: int | None = self._file.readinto(buffer)
        self._left -= count or 0
        self._until += (count or 0) / self._slowest
        if self._left < 0:
            raise TooLarge("an endless response")
        return count

    def close(self) -> None:
        with suppress(OSError):  # the connection may be closed already
            self._socket.settimeout(self._timeout_s)
        self._file.close()
        super().close()


def bounded_pool(pool: type[Any], **limits: Any) -> type[Any]:
    """Return a subclass of a connection pool of urllib3 whose responses are a BoundedResponse with these limits."""
    response = staticmethod(partial(BoundedResponse, **limits))
    connection = type("Connection", (pool.ConnectionCls,), {"response_class": response})
    return type("Pool", (pool,), {"ConnectionCls": connection})


def limit_decoded(raw: Any, largest: int) -> None:
    """Make a response of urllib3 raise TooLarge beyond so many decoded bytes: compressed zeros grow a thousandfold."""
    read, read_chunked = raw.read, raw.read_chunked
    left = largest + HEAD_BYTES

    def counted(data: bytes) -> bytes:
        nonlocal left
        left -= len(data)
        if left < 0:
            raw.close()
            raise TooLarge("an endless response")
        return data

    def read_counted(amt: int | None = None, **options: Any) -> bytes:
        if amt is not None and amt >= 0:
            return counted(read(amt, **options))
        options.pop("cache_content", None)
        return b"".join(iter(lambda: counted(read(CHUNK, **options)), b""))

    def read_chunked_counted(amt: int | None = None, **options: Any) -> Iterator[bytes]:
        return map(counted, read_chunked(amt or CHUNK, **options))

    raw.read, raw.read_chunked = read_counted, read_chunked_counted
