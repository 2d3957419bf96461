"""When a host may be asked: at most at a rate, and after a pause if it asks for one.

turns = Turns(rate_per_s=2, longest_wait_s=30, stop=threading.Event()); turns.wait_for("example.org")
"""

from __future__ import annotations

import threading
import time
import urllib.error
from dataclasses import dataclass
from http import HTTPStatus

BUSY = "busy"  # begins the reason of URLs that the next run asks for again
REFUSALS = 5  # in a row; after them a host is not asked any more
FIRST_PAUSE_S = 1.0  # doubles with each refusal in a row


class Refused(urllib.error.URLError):
    """Raised for a URL that must not be fetched; the text is the reason."""


@dataclass
class _Host:
    next_turn: float = 0.0  # monotonic time
    refused: float = 0.0  # monotonic time of the last refusal that counted
    refusals: int = 0  # since the last answer of another kind
    closed: str = ""  # why it is not asked any more


class Turns:
    """The turns of all hosts, for the threads of one process."""

    def __init__(self, rate_per_s: float, longest_wait_s: float, stop: threading.Event) -> None:
        self._rate_per_s = rate_per_s
        self._longest_wait_s = longest_wait_s
        self._stop = stop
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def wait_for(self, name: str) -> float:
        """Wait until the host may be asked; returns the time. Raises Refused if it is closed, or on `stop`."""
        while True:
            with self._lock:
                host = self._hosts.setdefault(name, _Host())
                if host.closed:
                    raise Refused(host.closed)
                if (now := time.monotonic()) >= host.next_turn:
                    host.next_turn = now + 1 / self._rate_per_s
                    return now
                left_s = host.next_turn - now
            self.check(left_s)

    def check(self, wait_s: float = 0.0) -> None:
        """Wait. Raises Refused on `stop`."""
        if self._stop.wait(wait_s):
            raise Refused("stopped")

    def answered(self, name: str) -> None:
        """The host gave an answer that is not a refusal."""
        with self._lock:
            self._hosts.setdefault(name, _Host()).refusals = 0

    def refused(self, name: str, status: int, asked_s: float | None, sent: float) -> None:
        """The host answered 429 or 503 to a request of the time `sent`, perhaps with Retry-After: it gets a pause.

        It is closed after several refusals in a row, or after a 429 that asks for more than the longest wait.
        """
        with self._lock:
            host, now = self._hosts.setdefault(name, _Host()), time.monotonic()
            if sent < host.refused:  # one of the requests that were under way at the last refusal
                return
            too_long = asked_s is not None and asked_s > self._longest_wait_s
            host.refused, host.refusals = now, host.refusals + 1
            pause_s = FIRST_PAUSE_S * 2 ** (host.refusals - 1)
            host.next_turn = now + max(pause_s, 0.0 if asked_s is None or too_long else asked_s)
            if host.refusals >= REFUSALS or (too_long and status == HTTPStatus.TOO_MANY_REQUESTS):
                host.closed = busy(name, status, asked_s)


def busy(name: str, status: int, asked_s: float | None) -> str:
    """The reason of a URL whose host refuses."""
    wait = f", to be asked again in {asked_s:,.0f} s" if asked_s else ""
    return f"{BUSY}: {name} answers {status} {HTTPStatus(status).phrase}{wait}"
