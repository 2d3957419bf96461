"""Read from storage for requests without blocking all of the server's threads.

lookup = Lookup(readers=2)
data = lookup.run(lambda: bucket.read(name), timeout_s=3)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gallery.bucket import Unavailable

FAST_S = 0.1  # while reads are faster than this, requests wait for a free reader,
WAIT_S = 0.25  # up to this long
SLOW_S = 2.0  # after a slower read, no request waits for this long, since fast and slow reads may alternate

Result = TypeVar("Result")


class Busy(Exception):
    """All readers are busy; try again in a few seconds."""


class Lookup:
    """Runs at most `readers` reads at a time.

    A read that exceeds its timeout keeps its reader until it ends, so hanging storage occupies at most `readers` threads.
    """

    def __init__(self, readers: int) -> None:
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="lookup")
        self._free = threading.Semaphore(readers)
        self._slow_until = 0.0  # monotonic time until which storage counts as slow

    def run(self, read: Callable[[], Result], timeout_s: float, wait_s: float | None = None) -> Result:
        """Return the result of `read`. Raises Busy, Unavailable after `timeout_s`, and whatever `read` raises.

        `wait_s` is how long to wait for a free reader. By default it is 0 while storage is slow, to keep threads free for
        pages from memory.
        """
        if wait_s is None:
            wait_s = WAIT_S if time.monotonic() >= self._slow_until else 0.0
        if not self._free.acquire(timeout=wait_s):
            raise Busy("all readers are busy")
        future = self._threads.submit(self._timed, read)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            if future.done():  # it finished just now, or `read` itself raised TimeoutError
                return future.result()
            self._slow_until = time.monotonic() + SLOW_S
            raise Unavailable(f"Storage did not answer within {timeout_s:.2g} s.") from None

    def _timed(self, read: Callable[[], Result]) -> Result:
        start = time.monotonic()
        try:
            return read()
        finally:
            if (now := time.monotonic()) - start >= FAST_S:
                self._slow_until = now + SLOW_S
            self._free.release()  # before the result is out: whoever gets it may ask again at once
