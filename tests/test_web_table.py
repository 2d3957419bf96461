"""web/table.py: orders without memory, and what is fetched first."""

from __future__ import annotations

import pytest

from gallery.release import Catalog, Category
from web.table import Card, Shuffle, Table


def table(budget: int = 1_000_000, **counts: int) -> Table:
    categories = tuple(Category(slug, slug.title(), count) for slug, count in counts.items())
    return Table(Catalog("20260101T000000Z-00000000", "", "T", categories, "image/jpeg"), 1, budget)


def fetch(table: Table, count: int, size: int = 10) -> list[str]:
    """Do as a deck would: fetch what is wanted. Returns the categories of it."""
    wanted = table.wanted(count)
    for slug, number in wanted:
        table.add(Card(table.catalog, slug, number, b"", None, size))
    return [slug for slug, _ in wanted]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000])
def test_a_shuffle_has_every_number_once(count):
    order = Shuffle(count)
    assert sorted(order[index] for index in range(count)) == list(range(count))


def test_shuffles_differ():
    assert [Shuffle(1000)[index] for index in range(20)] != [Shuffle(1000)[index] for index in range(20)]


def test_a_large_shuffle_is_made_at_once_and_random():
    order = Shuffle(10**12)
    numbers = [order[index] for index in range(1000)]
    assert len(set(numbers)) == 1000
    assert 0.4e12 < sum(numbers) / 1000 < 0.6e12


def test_each_category_gets_some_cards_before_the_large_ones_get_more():
    table_ = table(food=1000, animals=100, faces=2)
    first = fetch(table_, 18)
    assert (first.count("food"), first.count("animals"), first.count("faces")) == (8, 8, 2)
    more = fetch(table_, 55)
    assert more.count("food") > 40


def test_a_card_that_was_not_dealt_makes_no_room():
    table_ = table(budget=50, food=100)
    fetch(table_, 10)
    assert (len(table_), table_.size, table_.full) == (5, 50, True)
    assert table_.wanted(10) == []
    dealt = table_.deal(None)
    assert len(fetch(table_, 1)) == 1
    assert dealt.number not in table_.piles["food"].cards
    assert len(table_) == 5


def test_a_picture_larger_than_the_budget_is_shown_all_the_same():
    table_ = table(budget=50, food=2)
    fetch(table_, 2, size=70)
    assert table_.deal("food") is not None


def test_what_could_not_be_read_is_not_asked_for_in_every_round():
    table_ = table(food=3)
    table_.piles["food"].missing.add(1)
    assert len(fetch(table_, 10)) == 2
    for _ in range(10):
        assert table_.deal(None).number != 1
        assert table_.wanted(10) == []
    table_.forget_missing()
    while not (wanted := table_.wanted(10)):
        table_.deal(None)
    assert wanted == [("food", 1)]
