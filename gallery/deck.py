"""Pictures ready to be sent: in bounded memory, each dealt once before any again, refilled in the background.

    deck = Deck(lambda: open_bucket("gs://my-pictures", patience_s=3), render, budget=128 << 20)
    deck.start()
    card = deck.deal("food")

One background thread does everything that touches storage: it opens the bucket, brings cards in, and looks for
a new release. A request only takes from what is in memory, so it is as fast when storage is slow or down.
"""

from __future__ import annotations

import heapq
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gallery import GalleryError
from gallery.bucket import Bucket, NotFound, Unavailable
from gallery.release import Catalog, read_live

log = logging.getLogger(__name__)

READERS = 8  # pictures fetched at the same time
PLENTY = 8  # undealt cards that a category gets before its size counts
ROTATE_PER_S = 10.0  # of a bucket larger than the budget: pictures fetched per second once the budget is full
RETRY_S = (0.5, 15.0)  # pause between attempts while storage is down: doubles from the first to the second
SIGNATURES = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/gif": (b"GIF8",),
    "image/webp": (b"RIFF",),
}


@dataclass(frozen=True)
class Card:
    """A picture in memory and the page that shows it. All of it is of one release."""

    catalog: Catalog
    slug: str
    number: int
    data: bytes
    page: Any  # whatever `render` made of it
    size: int  # bytes, all counted

    @property
    def type(self) -> str:
        """As in image/jpeg."""
        return self.catalog.content_type(self.slug, self.number)


Render = Callable[[Catalog, str, int, bytes], tuple[Any, int]]


class Shuffle:
    """The numbers below `count` in a random order, in no memory: a Feistel network that walks its cycles.

    Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._half = max(1, ((count - 1).bit_length() + 1) // 2)
        self._keys = [random.getrandbits(64) for _ in range(4)]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self._count:
            raise IndexError(index)
        while True:
            left, right = index >> self._half, index & ((1 << self._half) - 1)
            for key in self._keys:
                left, right = right, left ^ (hash((key, right)) & ((1 << self._half) - 1))
            index = left << self._half | right
            if index < self._count:
                return index


class _Pile:
    """One category's cards: those to be dealt, those dealt, and where in the order the next ones come from."""

    def __init__(self, slug: str, count: int) -> None:
        self.slug = slug
        self.count = count
        self.cards: dict[int, Card] = {}
        self.ready: deque[Card] = deque()
        self.dealt: deque[Card] = deque()  # oldest first
        self.order = Shuffle(count)
        self.position = 0  # in the order; before it everything was fetched, or couldn't be

    @property
    def left(self) -> int:
        """Pictures still to come before any comes again."""
        return len(self.ready) + self.count - self.position

    @property
    def need(self) -> tuple[float, float]:
        """The smaller, the sooner this pile is to get a card."""
        return min(1.0, len(self.ready) / min(self.count, PLENTY)), len(self.ready) / self.count

    def restart(self) -> None:
        """Everything was dealt: what is in memory goes first in a new order, the rest is fetched again."""
        self.order = Shuffle(self.count)
        self.position = self.count if len(self.cards) == self.count else 0
        again = list(self.dealt)
        random.shuffle(again)
        self.ready = deque(again)
        self.dealt.clear()

    def deal(self) -> Card | None:
        if not self.ready and self.position >= self.count:
            self.restart()
        if self.ready:
            card = self.ready.popleft()
        elif self.dealt:  # visitors are faster than storage
            card = self.dealt.popleft()
        else:
            return None
        self.dealt.append(card)
        return card

    def next_number(self) -> int | None:
        """The next picture to fetch; None where none is left in this order."""
        if not self.cards and self.position >= self.count:  # not one could be read: try them all again
            self.restart()
        while self.position < self.count:
            number = self.order[self.position]
            self.position += 1
            if number not in self.cards:
                return number
        return None

    def add(self, card: Card) -> None:
        self.cards[card.number] = card
        self.ready.append(card)


class _Table:
    """One release on the table."""

    def __init__(self, catalog: Catalog, generation: int) -> None:
        self.catalog = catalog
        self.generation = generation
        self.piles = {category.slug: _Pile(category.slug, category.count) for category in catalog.categories}
        self.size = 0  # bytes of all cards
        self.full = False  # a card was refused, or another had to go for it

    def deal(self, slug: str | None) -> Card | None:
        """The next card of a category; of all, by how many each has still to come, so each picture is dealt once."""
        if slug is not None:
            return self.piles[slug].deal()
        piles = list(self.piles.values())
        if not any(pile.left for pile in piles):
            for pile in piles:
                pile.restart()
        fresh = [pile for pile in piles if pile.ready] or [pile for pile in piles if pile.dealt]
        return random.choices(fresh, [pile.left or 1 for pile in fresh])[0].deal() if fresh else None

    def make_room(self, pile: _Pile) -> bool:
        """Throw away the oldest dealt card of this pile, else of the one that has most. False if there is none."""
        victims = pile if pile.dealt else max(self.piles.values(), key=lambda other: len(other.dealt))
        if not victims.dealt:
            return False
        card = victims.dealt.popleft()
        del victims.cards[card.number]
        self.size -= card.size
        return True


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
        self._table: _Table | None = None
        self._changed = threading.Condition()  # guards the table; nobody holds it while reading from storage
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
        with self._changed:
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
        with self._changed:
            if not (table := self._table):
                return 0, 0
            return sum(len(pile.cards) for pile in table.piles.values()), table.size

    def deal(self, slug: str | None = None, wait_s: float = 0.0) -> Card | None:
        """The next card, of one category or of all; None if none is in memory, or there is no such category.

        Waits up to `wait_s` for the first cards to come in, but not for storage that is down.
        """
        deadline = time.monotonic() + wait_s
        with self._changed:
            while True:
                if table := self._table:
                    if slug is not None and slug not in table.piles:
                        return None
                    if card := table.deal(slug):
                        if table.piles[card.slug].position < table.piles[card.slug].count:
                            self._wake.set()
                        return card
                left = deadline - time.monotonic()
                if self._trouble or self._stop.is_set() or left <= 0:
                    return None
                self._changed.wait(left)

    def find(self, release: str, slug: str, number: int) -> Card | None:
        """A certain card, if it is in memory."""
        with self._changed:
            if not (table := self._table) or table.catalog.release != release or slug not in table.piles:
                return None
            return table.piles[slug].cards.get(number)

    def peek(self, count: int, slug: str | None = None) -> list[Card]:
        """Up to `count` different cards in memory, chosen at random and not counted as dealt."""
        with self._changed:
            if not (table := self._table):
                return []
            piles = [pile for pile in table.piles.values() if slug in (None, pile.slug)]
            total = sum(len(pile.cards) for pile in piles)
            chosen = sorted(random.sample(range(total), min(count, total)))
            cards = list(_at(chosen, piles))
        random.shuffle(cards)
        return cards

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
                full = self._fill()
                self._recovered()
                pause = RETRY_S[0]
            except GalleryError as error:
                self._report(error)
                self._stop.wait(random.uniform(0.5, 1) * pause)
                pause = min(2 * pause, RETRY_S[1])
            except Exception:  # a mistake of ours must not end the only thread that brings cards
                log.exception("The deck's thread failed and goes on.")
                self._stop.wait(RETRY_S[1])
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
        if self._table and (self._table.generation, self._table.catalog.release) == (generation, catalog.release):
            return
        table = _Table(catalog, generation)
        self._fill_from(table)
        if not any(pile.cards for pile in table.piles.values()) and self._table:
            raise Unavailable(f"None of the first pictures of release {catalog.release} can be read: see the bucket.")
        with self._changed:
            self._table = table
            self._changed.notify_all()
        log.info("Release %s is live: %s pictures.", catalog.release, catalog.count)

    def _fill(self) -> bool:
        """One round of fetching. True if there is nothing to do until a card is dealt."""
        table = self._table
        return table is None or self._fill_from(table)

    def _fill_from(self, table: _Table) -> bool:
        bucket = self._bucket
        assert bucket is not None
        with self._changed:
            rotating = table.full
            wanted = self._wanted(table, 1 if rotating or self._trouble else 2 * READERS)
        if not wanted:
            return True
        unavailable: list[Unavailable] = []

        def make(place: tuple[str, int]) -> Card | None:
            try:
                return self._make(bucket, table.catalog, *place)
            except Unavailable as error:
                unavailable.append(error)
            except GalleryError as error:
                log.warning("A picture is left out: %s", error)
            return None

        cards = [card for card in self._readers.map(make, wanted) if card]
        if unavailable and not cards:
            raise unavailable[0]
        for error in unavailable:
            log.warning("A picture is left out: %s", error)
        with self._changed:
            for card in cards:
                pile = table.piles[card.slug]
                while table.size + card.size > self._budget and table.make_room(pile):
                    table.full = True
                if table.size + card.size <= self._budget or not table.size:
                    pile.add(card)
                    table.size += card.size
                else:
                    table.full = True
            self._changed.notify_all()
        return rotating

    def _wanted(self, table: _Table, count: int) -> list[tuple[str, int]]:
        """The pictures to fetch next, from the neediest piles."""
        wanted: list[tuple[str, int]] = []
        if table.full and not any(pile.dealt for pile in table.piles.values()):
            return wanted  # no card may go before it was dealt
        heap = [(pile.need, index, pile) for index, pile in enumerate(table.piles.values()) if pile.left]
        heapq.heapify(heap)
        taken: dict[str, int] = {}
        while heap and len(wanted) < count:
            _, index, pile = heapq.heappop(heap)
            if (number := pile.next_number()) is None:
                continue
            wanted.append((pile.slug, number))
            taken[pile.slug] = more = taken.get(pile.slug, 0) + 1
            ready = len(pile.ready) + more
            need = (min(1.0, ready / min(pile.count, PLENTY)), ready / pile.count)
            heapq.heappush(heap, (need, index, pile))
        return wanted

    def _report(self, error: GalleryError) -> None:
        if not self._trouble:
            log.error("Storage is in trouble, going on with what is in memory: %s", error)
        with self._changed:
            self._trouble = str(error)
            self._changed.notify_all()

    def _recovered(self) -> None:
        if self._trouble:
            log.info("Storage works again.")
            self._trouble = ""


def _at(places: list[int], piles: list[_Pile]) -> Iterator[Card]:
    """The cards at these sorted places, counted through all piles."""
    for pile in piles:
        inside = [place for place in places if 0 <= place < len(pile.cards)]
        if inside:
            cards = list(pile.cards.values())
            yield from (cards[place] for place in inside)
        places = [place - len(pile.cards) for place in places if place >= len(pile.cards)]
