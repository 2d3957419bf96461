"""web/deck.py: dealing without repeats, rotation within the budget, new releases, storage that fails."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

import pytest

from gallery import GalleryError
from gallery.bucket import Forbidden, Unavailable
from gallery.folder import FolderBucket
from tests.conftest import PATIENCE_S, wait_until
from web.deck import Deck

OLD, NEW = "20260101T000000Z-00000000", "20260202T000000Z-00000001"
PAGE_BYTES = 900  # what a card counts here, beside its picture of 100


class CountedBucket(FolderBucket):
    """A folder that can be out of order, and remembers what was read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.down = False
        self.reads: list[str] = []
        self.locks: list[threading.Condition] = []

    def read_generation(self, name: str) -> tuple[bytes, int]:  # `read` comes through here too
        for lock in self.locks:
            assert not lock._is_owned(), "a lock is held while storage is read"
        self.reads.append(name)
        if self.down:
            raise Unavailable("Storage is down.")
        return super().read_generation(name)


def replace(path: Path, text: str) -> None:
    """Write a file at once: a deck reads whenever it likes."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def publish(folder: Path, release: str, missing: bool = False, **counts: int) -> None:
    """A release of numbered pictures that say where they belong; with `missing`, its catalog alone."""
    for slug, count in counts.items() if not missing else ():
        (folder / "releases" / release / slug).mkdir(parents=True)
        for number in range(count):
            text = f"{release}/{slug}/{number}".encode()
            path = folder / "releases" / release / slug / f"{number:05d}.jpg"
            path.write_bytes((b"\xff\xd8\xff" + text).ljust(100))
    catalog = {
        "format": 1,
        "release": release,
        "created": "",
        "title": "T",
        "image": {"type": "image/jpeg"},
        "categories": [{"slug": slug, "name": slug.title(), "count": count} for slug, count in counts.items()],
    }
    replace(folder / "site.json", json.dumps(catalog))


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


@pytest.fixture
def make_deck(folder, request):
    """make_deck(cards=...): a started deck of the folder with room for so many cards, and its bucket."""

    def make(cards: int = 1000, refresh_s: float = 0.05) -> tuple[Deck, CountedBucket]:
        bucket = CountedBucket(folder)

        def render(catalog, slug, number, data):
            return f"{catalog.release}/{slug}/{number}", PAGE_BYTES + len(data)

        deck = Deck(lambda: bucket, render, cards * (PAGE_BYTES + 100), refresh_s)
        bucket.locks.append(deck._changed)
        request.addfinalizer(deck.stop)
        deck.start()
        return deck, bucket

    return make


def filled(deck: Deck, cards: int) -> None:
    wait_until(lambda: deck.fill[0] == cards)


def test_every_card_is_dealt_once_before_any_again(make_deck, folder):
    publish(folder, OLD, food=30, animals=5, faces=1)
    deck, bucket = make_deck()
    filled(deck, 36)
    reads = len([name for name in bucket.reads if name.endswith(".jpg")])
    rounds = [[deck.deal().page for _ in range(36)] for _ in range(3)]
    assert all(len(set(pages)) == 36 for pages in rounds)
    assert rounds[0] != rounds[1]
    assert len([name for name in bucket.reads if name.endswith(".jpg")]) == reads == 36


def test_a_category_deals_its_own(make_deck, folder):
    publish(folder, OLD, food=30, animals=5)
    deck, _ = make_deck()
    filled(deck, 35)
    for _ in range(3):
        assert {deck.deal("animals").page for _ in range(5)} == {f"{OLD}/animals/{number}" for number in range(5)}
    assert deck.deal("nothing") is None


def test_a_bucket_larger_than_the_budget_rotates(make_deck, folder, monkeypatch):
    monkeypatch.setattr("web.deck.ROTATE_PER_S", 1000)
    publish(folder, OLD, food=60, animals=2)
    deck, _ = make_deck(cards=10)
    seen = Counter()

    def deal() -> bool:
        seen[deck.deal(wait_s=PATIENCE_S).page] += 1
        assert deck.fill[0] <= 10
        assert deck.fill[1] <= 10 * (PAGE_BYTES + 100)
        return len(seen) == 62

    wait_until(deal)
    wait_until(lambda: deck.deal("animals", wait_s=PATIENCE_S).page == f"{OLD}/animals/1")


def test_many_threads_share_without_repeats(make_deck, folder):
    publish(folder, OLD, food=200, animals=40)
    deck, _ = make_deck()
    filled(deck, 240)
    dealt: list[str] = []
    threads = [threading.Thread(target=lambda: dealt.extend(deck.deal().page for _ in range(30))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(dealt) == len(set(dealt)) == 240


def test_a_new_release_takes_over_whole(make_deck, folder):
    publish(folder, OLD, food=20)
    deck, _ = make_deck()
    filled(deck, 20)
    publish(folder, NEW, animals=20)
    wait_until(lambda: deck.catalog.release == NEW)
    assert {deck.deal().page.partition("/")[0] for _ in range(40)} == {NEW}
    assert deck.find(OLD, "food", 1) is None


def test_going_back_to_an_older_release(make_deck, folder):
    publish(folder, OLD, food=20)
    before = (folder / "site.json").read_text()
    publish(folder, NEW, animals=20)
    deck, _ = make_deck()
    assert deck.catalog.release == NEW
    replace(folder / "site.json", before)
    wait_until(lambda: deck.deal().page.startswith(OLD))


def test_a_damaged_new_catalog_leaves_the_old_release_live(make_deck, folder):
    publish(folder, OLD, food=20)
    deck, _ = make_deck()
    filled(deck, 20)
    whole = (folder / "site.json").read_text()
    replace(folder / "site.json", "{")
    wait_until(lambda: deck.trouble)
    assert deck.deal().page.startswith(OLD)
    replace(folder / "site.json", whole)
    wait_until(lambda: not deck.trouble)


def test_a_new_release_without_readable_pictures_stays_in_the_wings(make_deck, folder):
    publish(folder, OLD, food=20)
    deck, _ = make_deck()
    publish(folder, NEW, missing=True, food=20)
    wait_until(lambda: deck.trouble or deck.catalog.release == NEW)
    assert deck.catalog.release == OLD
    assert deck.deal().page.startswith(OLD)


def test_a_catalog_that_is_taken_away_leaves_its_release_live(make_deck, folder):
    publish(folder, OLD, food=20)
    deck, _ = make_deck()
    (folder / "site.json").unlink()
    wait_until(lambda: deck.trouble)
    assert "site.json" in deck.trouble
    assert deck.deal().page.startswith(OLD)


def test_a_category_without_a_readable_picture_is_tried_again(make_deck, folder):
    publish(folder, OLD, food=20, animals=3)
    pictures = folder / "releases" / OLD / "animals"
    pictures.rename(folder / "away")
    deck, _ = make_deck()
    filled(deck, 20)
    assert deck.deal("animals") is None
    assert len({deck.deal().page for _ in range(20)}) == 20
    (folder / "away").rename(pictures)
    wait_until(lambda: deck.deal("animals"))


def test_missing_and_damaged_pictures_cost_nobody_a_page(make_deck, folder):
    publish(folder, OLD, food=20)
    (folder / "releases" / OLD / "food" / "00003.jpg").unlink()
    (folder / "releases" / OLD / "food" / "00004.jpg").write_bytes(b"")
    (folder / "releases" / OLD / "food" / "00005.jpg").write_bytes(b"<html>not a picture</html>")
    deck, _ = make_deck()
    filled(deck, 17)
    dealt = Counter(deck.deal().page for _ in range(34))
    assert len(dealt) == 17
    assert set(dealt.values()) == {2}


def test_storage_that_fails_is_noticed_and_outlived(make_deck, folder):
    publish(folder, OLD, food=20)
    deck, bucket = make_deck()
    filled(deck, 20)
    bucket.down = True
    wait_until(lambda: deck.trouble)
    assert len({deck.deal().page for _ in range(20)}) == 20
    bucket.down = False
    wait_until(lambda: not deck.trouble)


def test_a_cold_deck_does_not_wait_for_storage_that_is_down(folder, request):
    publish(folder, OLD, food=20)
    bucket = CountedBucket(folder)
    bucket.down = True
    deck = Deck(lambda: bucket, lambda *picture: ("page", 10), 1_000_000, 0.05)
    request.addfinalizer(deck.stop)
    deck.start()
    assert deck.deal(wait_s=3600) is None
    bucket.down = False
    wait_until(lambda: deck.deal() is not None)
    filled(deck, 20)


def test_a_bucket_that_cannot_be_opened_yet_is_tried_again(folder, request):
    publish(folder, OLD, food=3)
    attempts = []

    def open_bucket() -> FolderBucket:
        attempts.append(1)
        if len(attempts) < 3:
            raise Unavailable("Not yet.")
        return FolderBucket(folder)

    deck = Deck(open_bucket, lambda *picture: ("page", 10), 1_000_000, 0.05)
    request.addfinalizer(deck.stop)
    deck.start()
    filled(deck, 3)


def test_what_waiting_does_not_mend_stops_the_start(tmp_path, request):
    deck = Deck(lambda: FolderBucket(tmp_path / "nowhere"), lambda *picture: ("page", 10), 1_000_000)
    request.addfinalizer(deck.stop)
    with pytest.raises(GalleryError, match="does not exist"):
        deck.start()


def test_an_empty_bucket_is_waited_for(make_deck, folder):
    deck, _ = make_deck()
    assert deck.deal(wait_s=3600) is None
    assert "no pictures" in deck.trouble
    publish(folder, OLD, food=3)
    filled(deck, 3)
    wait_until(lambda: not deck.trouble)


def test_a_permalink_reads_a_picture_and_renders_nothing(folder, request):
    publish(folder, OLD, food=20)
    rendered = []

    def render(catalog, slug, number, data):
        rendered.append(number)
        return "page", 1000

    deck = Deck(lambda: FolderBucket(folder), render, 5000)
    request.addfinalizer(deck.stop)
    deck.start()
    filled(deck, 5)
    before = len(rendered)
    (number,) = sorted(set(range(20)) - {card.number for card in deck.peek(5)})[:1]
    assert deck.read(deck.catalog, "food", number).rstrip().endswith(f"/{number}".encode())
    assert len(rendered) == before


def test_the_same_release_written_again_keeps_its_cards(make_deck, folder):
    publish(folder, OLD, food=20)
    deck, bucket = make_deck()
    filled(deck, 20)
    cards = {id(card) for card in deck.peek(20)}
    replace(folder / "site.json", (folder / "site.json").read_text())
    _, generation = bucket.read_generation("site.json")
    wait_until(lambda: deck._table.generation == generation)
    assert {id(card) for card in deck.peek(20)} == cards
    assert len([name for name in bucket.reads if name.endswith(".jpg")]) == 20


def test_permission_lost_while_cards_come_in_is_trouble(folder, request):
    publish(folder, OLD, food=2000)
    bucket = CountedBucket(folder)
    read = bucket.read_generation

    def refuse(name: str) -> tuple[bytes, int]:
        if len(bucket.reads) > 50:
            bucket.reads.append(name)
            raise Forbidden("No permission.")
        return read(name)

    bucket.read_generation = refuse
    deck = Deck(lambda: bucket, lambda *picture: ("page", 10), 1_000_000, 3600)
    request.addfinalizer(deck.stop)
    deck.start()
    wait_until(lambda: deck.trouble == "No permission.")
    assert len(bucket.reads) < 200


@pytest.mark.parametrize("catalog", ["{", '{"format": 2}', "null"])
def test_a_catalog_that_cannot_be_read_is_not_storage_that_is_down(make_deck, folder, catalog):
    publish(folder, OLD, food=500)
    deck, _ = make_deck()
    replace(folder / "site.json", catalog)
    wait_until(lambda: "site.json" in deck.trouble)
    assert not deck.storage_is_down
    filled(deck, 500)  # the release that is live goes on coming in


def test_a_thread_that_hangs_is_late(make_deck, folder, monkeypatch, request):
    monkeypatch.setattr("web.deck.LATE_S", 0.2)
    publish(folder, OLD, food=3)
    deck, bucket = make_deck()
    filled(deck, 3)
    let_go = threading.Event()
    request.addfinalizer(let_go.set)
    monkeypatch.setattr(bucket, "read_generation", lambda name: let_go.wait() and (b"", 1))
    wait_until(lambda: deck.is_late)
    assert deck.is_alive
    assert not deck.trouble
    assert deck.refresh_age_s > 0.2


def test_a_thread_that_ended_is_late(make_deck, folder):
    publish(folder, OLD, food=3)
    deck, _ = make_deck()
    assert not deck.is_late
    deck.stop()
    assert deck.is_late
    assert not deck.is_alive


def test_in_a_bare_folder_a_wrong_suffix_matters_as_little_as_in_a_browser(folder, make_deck):
    (folder / "cats").mkdir()
    (folder / "cats" / "a.jpg").write_bytes(b"RIFF\0\0\0\0WEBPVP8 ")
    (folder / "cats" / "b.png").write_bytes(b"\xff\xd8\xff")
    (folder / "cats" / "c.gif").write_bytes(b"GIF89a")
    deck, _ = make_deck()
    filled(deck, 3)
    assert {card.type for card in deck.peek(3)} == {"image/webp", "image/jpeg", "image/gif"}


def test_a_mistake_of_ours_does_not_end_the_deck(folder, request, caplog):
    publish(folder, OLD, food=3)
    mistakes = []

    def render(catalog: object, slug: str, number: int, data: bytes) -> tuple[str, int]:
        if number == 0 and mistakes:  # others are made at the same time
            raise mistakes.pop()
        return "page", 10

    deck = Deck(lambda: FolderBucket(folder), render, 1_000_000, 0.05)
    request.addfinalizer(deck.stop)
    deck.start()
    mistakes.append(ZeroDivisionError("ours"))
    publish(folder, NEW, food=3)
    wait_until(lambda: deck.catalog.release == NEW)
    assert "ZeroDivisionError: ours" in caplog.text


def test_peek_shows_different_cards_and_deals_none(make_deck, folder):
    publish(folder, OLD, food=20, animals=4)
    deck, _ = make_deck()
    filled(deck, 24)
    assert len({card.page for card in deck.peek(10)}) == 10
    assert len({card.page for card in deck.peek(100)}) == 24
    assert {card.slug for card in deck.peek(100, "animals")} == {"animals"}
    assert len({deck.deal().page for _ in range(24)}) == 24


def test_thousands_of_categories(make_deck, folder):
    publish(folder, OLD, **{f"c{number}": 1 for number in range(500)})
    deck, _ = make_deck(cards=100)
    assert deck.deal() is not None
    wait_until(lambda: deck.fill[0] == 100)
