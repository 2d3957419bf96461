"""A memory-bounded cache of rendered pages: deals each page once before any repeats; refilled in the background.

    from gallery.bucket import open_bucket
    deck = Deck(lambda: open_bucket("gs://my-pictures", patience_s=3), render, budget=128 << 20)
    deck.start()
    card = deck.deal("food")

A background thread opens the bucket, fetches cards, and checks for a new release. Requests only read memory, so they stay
fast while storage is slow or down.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from gallery import GalleryError
from gallery.bucket import Bucket, Forbidden, NotFound, TooLarge, Unavailable
from gallery.release import POINTER, Catalog, CatalogError, read_live
from web.sniff import sniff
from web.table import Card, Table

log = logging.getLogger(__name__)

READERS = 8  # pictures fetched in parallel
ROTATE_PER_S = 10.0  # pictures replaced per second once the budget is full, if the bucket holds more
RETRY_S = (0.5, 15.0)  # pause between attempts while storage is down: doubles from the first to the last
LATE_S = 30.0  # the thread counts as hung if the last refresh is older than 2 * `refresh_s` + LATE_S
Render = Callable[[Catalog, str, int, bytes], tuple[Any, int]]


class Deck:
    """Deals cards of the live release; see the module's docstring.

    `open_bucket` is called in the background until it succeeds. `render` renders a picture's page and returns it with its
    size in bytes. `budget` bounds the bytes of all cards. The deck checks for a new release every `refresh_s`.
    """

    def __init__(self, open_bucket: Callable[[], Bucket], render: Render, budget: int, refresh_s: float = 60.0) -> None:
        self._open_bucket = open_bucket
        self._render = render
        self._budget = budget
        self._refresh_s = refresh_s
        self._bucket: Bucket | None = None
        self._table: Table | None = None
        self._lock = threading.RLock()  # guards the table; never held while reading from storage
        self._changed = threading.Condition(self._lock)
        self._wake = threading.Event()  # set when there is something to fetch, or on stop
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deck", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="deck-reader")
        self._storage_trouble = ""  # storage doesn't answer or denies access
        self._release_trouble = ""  # storage answers, but what it holds can't be shown
        self._refreshed: float | None = None  # time of the last successful check for a new release

    def start(self) -> None:
        """Read the live release once and start the background thread.

        Raises a GalleryError if waiting would not help: no such bucket, no permission, a damaged catalog. The thread keeps
        trying if the bucket has no pictures or storage doesn't respond.
        """
        try:
            self._refresh()
        except Unavailable as error:
            self._report(error)
        except NotFound as error:
            if not self._bucket:
                raise
            self._report(error)
        self._thread.start()

    def stop(self) -> None:
        """Stop the background thread and wait for it to end."""
        self._stop.set()
        self._wake.set()
        with self._lock:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._readers.shutdown(cancel_futures=True)

    @property
    def catalog(self) -> Catalog | None:
        """The live release's catalog; None before the first one is read."""
        table = self._table
        return table.catalog if table else None

    @property
    def bucket(self) -> Bucket | None:
        """The bucket; None until it has been opened."""
        return self._bucket

    @property
    def trouble(self) -> str:
        """A sentence that says what is wrong with storage or the live release; "" if nothing is."""
        return self._storage_trouble or self._release_trouble

    @property
    def storage_is_down(self) -> bool:
        """True if reading from storage now would fail."""
        return bool(self._storage_trouble) or self._bucket is None

    @property
    def is_alive(self) -> bool:
        """False if the background thread has ended."""
        return self._thread.is_alive()

    @property
    def refresh_age_s(self) -> float | None:
        """Seconds since the last successful check for a new release; None before the first."""
        return None if self._refreshed is None else time.monotonic() - self._refreshed

    @property
    def is_late(self) -> bool:
        """True if the background thread has ended or hangs."""
        age_s = self.refresh_age_s
        return not self.is_alive or (age_s is not None and age_s > 2 * self._refresh_s + LATE_S)

    @property
    def fill(self) -> tuple[int, int]:
        """Cards in memory and their bytes."""
        with self._lock:
            if not (table := self._table):
                return 0, 0
            return len(table), table.size

    def deal(self, slug: str | None = None, wait_s: float = 0.0) -> Card | None:
        """Return the next card of one category or of all; None if none is in memory or the category doesn't exist.

        Waits up to `wait_s` for the first cards, but not while storage is down.
        """
        deadline = time.monotonic() + wait_s
        with self._lock:
            while True:
                if table := self._table:
                    if slug is not None and slug not in table.piles:
                        return None
                    if card := table.deal(slug):
                        if table.piles[card.slug].position < table.piles[card.slug].count:
                            self._wake.set()
                        return card
                    if not table.left(slug):
                        return None
                    self._wake.set()
                left = deadline - time.monotonic()
                if self._storage_trouble or self._stop.is_set() or left <= 0:
                    return None
                self._changed.wait(left)

    def find(self, release: str, slug: str, number: int) -> Card | None:
        """Return the card of one picture, if it is in memory."""
        with self._lock:
            if not (table := self._table) or table.catalog.release != release or slug not in table.piles:
                return None
            return table.piles[slug].cards.get(number)

    def peek(self, count: int, slug: str | None = None) -> list[Card]:
        """Return up to `count` different cards in memory at random, without dealing them."""
        with self._lock:
            return table.peek(count, slug) if (table := self._table) else []

    def read(self, catalog: Catalog, slug: str, number: int) -> bytes:
        """The bytes of one picture, from memory or storage. Raises a BucketError."""
        if card := self.find(catalog.release, slug, number):
            return card.data
        if not self._bucket:
            raise Unavailable("The bucket could not be opened yet.")
        return _read(self._bucket, catalog, slug, number)

    def report(self, error: GalleryError) -> None:
        """Report a failed storage read: the deck rechecks storage at once, and later requests don't wait for it."""
        self._report(error)
        self._wake.set()

    def _make(self, bucket: Bucket, catalog: Catalog, slug: str, number: int) -> Card:
        data = _read(bucket, catalog, slug, number)
        page, size = self._render(catalog, slug, number, data)
        return Card(catalog, slug, number, data, page, size)

    def _run(self) -> None:
        pause, attempted = RETRY_S[0], time.monotonic()
        while not self._stop.is_set():
            try:
                if self._storage_trouble or time.monotonic() - attempted >= self._refresh_s:
                    attempted = time.monotonic()
                    self._refresh()
                full = self._table is None or self._fill(self._table)
                self._recovered()
                pause = RETRY_S[0]
            except GalleryError as error:
                self._report(error)
                self._stop.wait(random.uniform(0.5, 1) * pause)
                pause = min(2 * pause, RETRY_S[1])
            except Exception:  # a bug must not end the only thread that fetches cards
                if self._stop.wait(1.0):  # at exit no further reader can start
                    return
                log.exception("The deck's thread failed and goes on.")
            else:
                if full:
                    self._stop.wait(1 / ROTATE_PER_S)
                    self._wake.wait(max(0.0, attempted + self._refresh_s - time.monotonic()))
                    self._wake.clear()

    def _refresh(self) -> None:
        """Check for a new release. If it can't be shown, keep the current one."""
        if not self._bucket:
            self._bucket = self._open_bucket()
        try:
            self._take_over(self._bucket)
        except (CatalogError, NotFound, TooLarge) as error:
            if not self._table:
                raise
            if str(error) != self._release_trouble:
                log.error("Release %s stays live: %s", self._table.catalog.release, error)
            self._release_trouble = str(error)
        else:
            self._release_trouble = ""
        self._refreshed = time.monotonic()

    def _take_over(self, bucket: Bucket) -> None:
        """Read the live catalog. If it has changed, fetch its first cards and switch to it."""
        catalog, generation = read_live(bucket)
        if live := self._table:
            if live.catalog == catalog:  # same content, even if rewritten: keep the cards
                with self._lock:
                    live.generation = generation
                    live.forget_missing()
                return
            if live.generation and not generation:  # don't fall back to listing every picture in the bucket
                raise NotFound(f"{POINTER} is gone from {bucket.url}: publish, or roll back.")
        table = Table(catalog, generation, self._budget)
        self._fill(table)
        if not len(table):
            raise NotFound(
                f"None of the first pictures of release {catalog.release} can be read: check the bucket, publish again."
            )
        with self._lock:
            self._table = table
            self._changed.notify_all()
        log.info("Release %s is live: %s pictures.", catalog.release, catalog.count)

    def _fill(self, table: Table) -> bool:
        """Fetch a round of cards. Return True if there is nothing more to do until one is dealt."""
        bucket = self._bucket
        assert bucket is not None
        with self._lock:
            rotating = table.full
            wanted = table.wanted(1 if rotating or self._storage_trouble else 2 * READERS)

        def make(place: tuple[str, int]) -> Card | GalleryError:
            try:
                return self._make(bucket, table.catalog, *place)
            except GalleryError as error:
                return error

        made = list(self._readers.map(make, wanted))
        refused = any(isinstance(card, Unavailable | Forbidden) for card in made)
        if refused and not any(isinstance(card, Card) for card in made):
            with suppress(NotFound):  # a folder without a release has no catalog
                bucket.read(POINTER)  # raises if storage failed, not just these pictures
        with self._lock:
            for (slug, number), card in zip(wanted, made, strict=True):
                if isinstance(card, Card):
                    table.add(card)
                else:
                    table.piles[slug].missing.add(number)
                    log.warning("A picture is left out: %s", card)
            self._changed.notify_all()
        return rotating or not wanted

    def _report(self, error: GalleryError) -> None:
        if not self._storage_trouble and self._table:
            log.error("Storage is in trouble, visitors get what is in memory: %s", error)
        elif not self._storage_trouble:
            log.error("Waiting for the first pictures: %s", error)
        with self._lock:
            self._storage_trouble = str(error)
            self._changed.notify_all()

    def _recovered(self) -> None:
        if self._storage_trouble:
            log.info("Storage works again.")
            self._storage_trouble = ""


def _read(bucket: Bucket, catalog: Catalog, slug: str, number: int) -> bytes:
    """A picture's bytes. Raises a BucketError, also if they are not a picture of the catalog's type."""
    name = catalog.object_name(slug, number)
    data = bucket.read(name)
    kind = sniff(data)
    if not kind or (not catalog.files and kind != catalog.type):  # in a plain folder a suffix may be wrong
        raise NotFound(f"{name} in {bucket.url} is not a picture of type {catalog.type}: publish again.")
    return data
