"""The cards of one release that are in memory, by category. Never reads from storage or waits.

Each card is dealt once before any repeats. If memory can't hold all, dealt cards are evicted for new ones, fetched in a
random order that needs no memory.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gallery.release import Catalog
from web.sniff import sniff

PLENTY = 8  # undealt cards that each category gets before large categories get more


@dataclass(frozen=True)
class Card:
    """A picture in memory and the page that shows it, both of one release."""

    catalog: Catalog
    slug: str
    number: int
    data: bytes
    page: Any  # what `render` returned
    size: int  # bytes, of the picture and the page

    @property
    def type(self) -> str:
        """The picture's content type, as in image/jpeg."""
        return sniff(self.data)

    @property
    def names(self) -> str:
        """What the picture was recognised as; "" if it wasn't recognised."""
        return str(getattr(self.page, "names", ""))


class Shuffle:
    """The numbers below `count` in a random order that is computed, not stored: a cycle-walking Feistel network.

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


class Pile:
    """One category: cards to deal, cards already dealt, and the position in the order of pictures to fetch."""

    def __init__(self, slug: str, count: int) -> None:
        self.slug = slug
        self.count = count
        self.cards: dict[int, Card] = {}
        self.ready: deque[Card] = deque()
        self.dealt: deque[Card] = deque()  # oldest first
        self.order = Shuffle(count)
        self.position = 0  # in the order; earlier pictures were fetched or are unreadable
        self.missing: set[int] = set()  # unreadable; not retried until `forget_missing`

    @property
    def left(self) -> int:
        """The number of pictures to deal before one repeats."""
        return len(self.ready) + self.count - self.position

    def need(self, coming: int = 0) -> tuple[float, float]:
        """Sort key: the pile with the smallest key gets the next card. `coming` cards are already being fetched for it."""
        ready = len(self.ready) + coming
        return min(1.0, ready / min(self.count, PLENTY)), ready / self.count

    def restart(self) -> None:
        """Start a new round: deal what is in memory first, in a new order, and fetch the rest again."""
        self.order = Shuffle(self.count)
        self.position = self.count if len(self.cards) + len(self.missing) >= self.count else 0
        again = list(self.dealt)
        random.shuffle(again)
        self.ready = deque(again)
        self.dealt.clear()

    def deal(self) -> Card | None:
        """The next card; an already dealt one if none is new; None if no card is in memory."""
        if not self.ready and self.position >= self.count:
            self.restart()
        if self.ready:
            card = self.ready.popleft()
        elif self.dealt:
            card = self.dealt.popleft()
        else:
            return None
        self.dealt.append(card)
        return card

    def next_number(self) -> int | None:
        """The next picture to fetch; None at the end of this order."""
        while self.position < self.count:
            number = self.order[self.position]
            self.position += 1
            if number not in self.cards and number not in self.missing:
                return number
        return None

    def add(self, card: Card) -> None:
        """Add a card, to be dealt from now on."""
        self.cards[card.number] = card
        self.ready.append(card)


class Table:
    """The cards of one release, at most `budget` bytes."""

    def __init__(self, catalog: Catalog, generation: int, budget: int) -> None:
        self.catalog = catalog
        self.generation = generation  # of the catalog in the bucket
        self.budget = budget
        self.piles = {category.slug: Pile(category.slug, category.count) for category in catalog.categories}
        self.size = 0  # bytes of all cards
        self.full = False  # True once a card was refused or replaced another

    def __len__(self) -> int:
        """Cards in memory."""
        return sum(len(pile.cards) for pile in self.piles.values())

    def deal(self, slug: str | None) -> Card | None:
        """The next card of a category, or of all, weighted by the pictures each category has left."""
        if slug is not None:
            return self.piles[slug].deal()
        piles = list(self.piles.values())
        if not any(pile.left for pile in piles):
            for pile in piles:
                pile.restart()
        fresh = [pile for pile in piles if pile.ready] or [pile for pile in piles if pile.dealt]
        return random.choices(fresh, [pile.left or 1 for pile in fresh])[0].deal() if fresh else None

    def left(self, slug: str | None) -> int:
        """Pictures of a category, or of all, still to be dealt before one repeats."""
        return sum(pile.left for pile in self.piles.values() if slug in (None, pile.slug))

    def peek(self, count: int, slug: str | None) -> list[Card]:
        """Up to `count` different random cards, without dealing them."""
        piles = [pile for pile in self.piles.values() if slug in (None, pile.slug)]
        total = sum(len(pile.cards) for pile in piles)
        cards = list(_at(sorted(random.sample(range(total), min(count, total))), piles))
        random.shuffle(cards)
        return cards

    def wanted(self, count: int) -> list[tuple[str, int]]:
        """Up to `count` pictures (slug, number) to fetch next, for the neediest piles first."""
        if self.full and not any(pile.dealt for pile in self.piles.values()):
            return []  # undealt cards are never evicted
        found: list[tuple[str, int]] = []
        heap = [(pile.need(), slug, 0) for slug, pile in self.piles.items() if pile.position < pile.count]
        heapq.heapify(heap)
        while heap and len(found) < count:
            _, slug, coming = heapq.heappop(heap)
            if (number := self.piles[slug].next_number()) is not None:
                found.append((slug, number))
                heapq.heappush(heap, (self.piles[slug].need(coming + 1), slug, coming + 1))
        return found

    def add(self, card: Card) -> None:
        """Add a fetched card if there is room, or if dropping dealt cards makes room."""
        pile = self.piles[card.slug]
        while self.size + card.size > self.budget and self._make_room(pile):
            self.full = True
        if self.size + card.size > self.budget and self.size:
            self.full = True
            return
        pile.add(card)
        self.size += card.size

    def forget_missing(self) -> None:
        """Forget which pictures were unreadable, so that they are fetched again."""
        for pile in self.piles.values():
            pile.missing.clear()

    def _make_room(self, pile: Pile) -> bool:
        """Evict this pile's oldest dealt card, else one of the pile with the most. Return False if none was dealt."""
        victims = pile if pile.dealt else max(self.piles.values(), key=lambda other: len(other.dealt))
        if not victims.dealt:
            return False
        card = victims.dealt.popleft()
        del victims.cards[card.number]
        self.size -= card.size
        return True


def _at(places: list[int], piles: list[Pile]) -> Iterator[Card]:
    """The cards at these sorted indices into all piles in sequence."""
    for pile in piles:
        if places and places[0] < len(pile.cards):
            cards = list(pile.cards.values())
            yield from (cards[place] for place in places if place < len(cards))
        places = [place - len(pile.cards) for place in places if place >= len(pile.cards)]
