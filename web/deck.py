"""Pictures ready to be sent: in bounded memory, each dealt once before any again, refilled in the background.

    deck = Deck(lambda: open_bucket("gs://my-pictures", patience_s=3), render, budget=128 << 20)
    deck.start()
    card = deck.deal("food")

One background thread does everything that touches storage: it opens the bucket, brings cards in, and looks for
a new release. A request only takes from what is in memory, so it is as fast when storage is slow or down.
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
from gallery.bucket import Bucket, NotFound, Unavailable
from gallery.release import POINTER, Catalog, read_live
from web.table import Card, Table

log = logging.getLogger(__name__)

READERS = 8  # pictures fetched at the same time
ROTATE_PER_S = 10.0  # of a bucket larger than the budget: pictures fetched per second once the budget is full
RETRY_S = (0.5, 15.0)  # pause between attempts while storage is down: doubles from the first to the second
SIGNATURES = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/gif": (b"GIF8",),
    "image/webp": (b"RIFF",),
}

Render = Callable[[Catalog, str, int, bytes], tuple[Any, int]]


class Deck:
    """Deals cards of the live release; see the module's text.

    `open_bucket` is called in the background until it succeeds. `render` makes a page of a picture and says how
    many bytes it takes. `budget` bounds the bytes of all cards. `refresh_s` is how often a new release is looked for.
    """

    def __init__(self, open_bucket: Callable[[], Bucket], render: Render, budget: int, refresh_s: float = 60.0) -> None:
        self._open_bucket = open_bucket
        self._render = render
        self._budget = budget
        self._refresh_s = refresh_s
        self._bucket: Bucket | None = None
        self._table: Table | None = None
        self._lock = threading.RLock()  # guards the table; nobody holds it while reading from storage
        self._changed = threading.Condition(self._lock)
        self._wake = threading.Event()  # there is something to fetch, or to end for
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deck", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="deck-reader")
        self._trouble = ""

    def start(self) -> None:
        """Look at the bucket once and go on in the background.

        Raises a GalleryError where waiting would not help: no such bucket, no permission, a damaged catalog.
        Storage that doesn't answer is no such case.
        """
        try:
            self._refresh()
        except Unavailable as error:
            self._report(error)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread, and wait for it."""
        self._stop.set()
        self._wake.set()
        with self._lock:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._readers.shutdown(cancel_futures=True)

    @property
    def catalog(self) -> Catalog | None:
        """The live release's; None while there has been none yet."""
        table = self._table
        return table.catalog if table else None

    @property
    def bucket(self) -> Bucket | None:
        """None until it could be opened."""
        return self._bucket

    @property
    def trouble(self) -> str:
        """What is wrong with storage, as a sentence; "" if nothing is."""
        return self._trouble

    @property
    def fill(self) -> tuple[int, int]:
        """Cards in memory and their bytes."""
        with self._lock:
            if not (table := self._table):
                return 0, 0
            return len(table), table.size

    def deal(self, slug: str | None = None, wait_s: float = 0.0) -> Card | None:
        """The next card, of one category or of all; None if none is in memory, or there is no such category.

        Waits up to `wait_s` for the first cards to come in, but not for storage that is down.
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
                if self._trouble or self._stop.is_set() or left <= 0:
                    return None
                self._changed.wait(left)

    def find(self, release: str, slug: str, number: int) -> Card | None:
        """A certain card, if it is in memory."""
        with self._lock:
            if not (table := self._table) or table.catalog.release != release or slug not in table.piles:
                return None
            return table.piles[slug].cards.get(number)

    def peek(self, count: int, slug: str | None = None) -> list[Card]:
        """Up to `count` different cards in memory, chosen at random and not counted as dealt."""
        with self._lock:
            return table.peek(count, slug) if (table := self._table) else []

    def fetch(self, catalog: Catalog, slug: str, number: int) -> Card:
        """A card that need not be in memory; reads storage. Raises a BucketError."""
        if card := self.find(catalog.release, slug, number):
            return card
        if not self._bucket:
            raise Unavailable("The bucket could not be opened yet.")
        try:
            return self._make(self._bucket, catalog, slug, number)
        except Unavailable as error:
            self._report(error)  # so that the next visitor need not find out as slowly
            self._wake.set()
            raise

    def _make(self, bucket: Bucket, catalog: Catalog, slug: str, number: int) -> Card:
        name = catalog.object_name(slug, number)
        data = bucket.read(name)
        if not data.startswith(SIGNATURES[catalog.content_type(slug, number)]):
            raise NotFound(f"{name} in {bucket.url} is no {catalog.content_type(slug, number)}: publish again.")
        page, size = self._render(catalog, slug, number, data)
        return Card(catalog, slug, number, data, page, size)

    def _run(self) -> None:
        pause, refreshed = RETRY_S[0], time.monotonic()
        while not self._stop.is_set():
            try:
                if self._trouble or time.monotonic() - refreshed >= self._refresh_s:
                    self._refresh()
                    refreshed = time.monotonic()
                full = self._table is None or self._fill(self._table)
                self._recovered()
                pause = RETRY_S[0]
            except GalleryError as error:
                self._report(error)
                self._stop.wait(random.uniform(0.5, 1) * pause)
                pause = min(2 * pause, RETRY_S[1])
            except Exception:  # a mistake of ours must not end the only thread that brings cards
                if self._stop.wait(1.0):  # and if it is none, the process ends meanwhile: it starts no more readers
                    return
                log.exception("The deck's thread failed and goes on.")
            else:
                if full:
                    self._stop.wait(1 / ROTATE_PER_S)
                    self._wake.wait(max(0.0, refreshed + self._refresh_s - time.monotonic()))
                    self._wake.clear()

    def _refresh(self) -> None:
        """See whether another release is live; if so, put it on the table with its first cards."""
        if not self._bucket:
            self._bucket = self._open_bucket()
        catalog, generation = read_live(self._bucket)
        if live := self._table:
            if (live.generation, live.catalog.release) == (generation, catalog.release):
                with self._lock:
                    live.forget_missing()
                return
            if live.generation and not generation:  # and not: everything there is as one bare folder
                raise NotFound(f"{POINTER} is gone from {self._bucket.url}: publish, or roll back.")
        table = Table(catalog, generation, self._budget)
        self._fill(table)
        if not len(table):
            raise Unavailable(f"None of the first pictures of release {catalog.release} can be read: see the bucket.")
        with self._lock:
            self._table = table
            self._changed.notify_all()
        log.info("Release %s is live: %s pictures.", catalog.release, catalog.count)

    def _fill(self, table: Table) -> bool:
        """One round of fetching. True if there is nothing to do until a card is dealt."""
        bucket = self._bucket
        assert bucket is not None
        with self._lock:
            rotating = table.full
            wanted = table.wanted(1 if rotating or self._trouble else 2 * READERS)

        def make(place: tuple[str, int]) -> Card | GalleryError:
            try:
                return self._make(bucket, table.catalog, *place)
            except GalleryError as error:
                return error

        made = list(self._readers.map(make, wanted))
        if any(isinstance(card, Unavailable) for card in made) and not any(isinstance(card, Card) for card in made):
            with suppress(NotFound):  # a bare folder has no catalog
                bucket.read(POINTER)  # raises if it is storage that is at fault, and not these pictures
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
        if not self._trouble:
            log.error("Storage is in trouble, going on with what is in memory: %s", error)
        with self._lock:
            self._trouble = str(error)
            self._changed.notify_all()

    def _recovered(self) -> None:
        if self._trouble:
            log.info("Storage works again.")
            self._trouble = ""
