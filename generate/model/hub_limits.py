"""Limits on what huggingface_hub reads, in size and time: on its own it reads whatever a server sends.

limits = HubLimits(largest=1000)
limits.apply()  # to all later calls of huggingface_hub in this process
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
from huggingface_hub import get_session, set_client_factory

from gallery import bounded
from gallery.errors import TooLarge
from generate.model.redirects import SLOWEST, TIMEOUT_S

DROPPED = (
    "Retry-After",  # may ask for days; without these two huggingface_hub pauses for seconds
    "RateLimit",
    "X-Xet-Hash",  # leads to a download by another client, without limits
)


class HubLimits:
    """The limits on each response: `largest` bytes, and SLOWEST bytes a second after the first minutes."""

    def __init__(self, largest: int) -> None:
        self.largest = largest

    def apply(self) -> None:
        """Make huggingface_hub's client keep to them. Its calls then raise TooLarge and OSError, too."""
        options: dict[str, Any] = {
            "event_hooks": {"request": get_session().event_hooks["request"], "response": [self._limit]},
            "headers": {"Accept-Encoding": "identity"},
            "follow_redirects": True,
            "timeout": TIMEOUT_S,
        }
        set_client_factory(lambda: httpx2.Client(**options))

    def _limit(self, response: httpx2.Response) -> None:
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":  # a few bytes of it can be gigabytes
            raise OSError(f"compressed as {encoding!r:.40}, which was not asked for")
        for name in DROPPED:
            response.headers.pop(name, None)
        response.stream = _Limited(response.stream, self.largest)


class _Limited(httpx2.SyncByteStream):
    """The bytes of a response."""

    def __init__(self, body: Any, largest: int) -> None:
        self._body, self._largest = body, largest

    def __iter__(self) -> Iterator[bytes]:
        left, until = self._largest + bounded.HEAD_BYTES, time.monotonic() + bounded.MAX_TIMEOUTS * TIMEOUT_S
        for chunk in self._body:
            left -= len(chunk)
            until += len(chunk) / SLOWEST
            if left < 0:
                raise TooLarge(f"more came than the expected {self._largest:,} bytes")
            if time.monotonic() > until:
                raise TimeoutError(f"too slow: less than {SLOWEST:,} bytes a second")
            yield chunk

    def close(self) -> None:
        self._body.close()
