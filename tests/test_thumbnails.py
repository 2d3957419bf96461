"""Thumbnails: what is in which pack, how small they are, and that publishing keeps its promises with them."""

from __future__ import annotations

import io
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gallery import GalleryError
from gallery.bucket import crc32c, open_bucket
from gallery.history import prune, roll_back
from gallery.release import Catalog, Category, parse, read_live
from gallery.thumbnails import interleaved, pack, pack_name, packs, page_count, page_with, unpack
from generate.publish import publish
from generate.releasing.drafting import draft_release
from generate.releasing.refilling import _live_groups
from generate.releasing.thumbnails import LARGEST, shrink
from tests.conftest import LARGE

RELEASE = "20260101T000000Z-00000000"


def catalog(counts: list[int], thumbnails: int = 60) -> Catalog:
    categories = tuple(Category(f"c{i}", "C", count) for i, count in enumerate(counts))
    return Catalog(RELEASE, "", "Title", categories, "image/jpeg", thumbnails=thumbnails)


def in_turn(counts: list[int]) -> list[tuple[str, int]]:
    """One picture of each category in turn, the plain way."""
    return [(f"c{i}", turn) for turn in range(max(counts)) for i, count in enumerate(counts) if turn < count]


COUNTS = st.lists(st.integers(1, 50), min_size=1, max_size=8)


@given(COUNTS, st.integers(0, 400), st.integers(0, 100))
def test_the_mixed_order_can_be_entered_anywhere(counts, start, count):
    categories = catalog(counts).categories
    assert interleaved(categories, start, count) == in_turn(counts)[start : start + count]


@given(COUNTS, st.integers(1, 20))
def test_every_picture_is_on_one_page_of_its_category_and_on_one_of_all(counts, per_pack):
    there = catalog(counts, per_pack)
    contents = dict(packs(there))
    slugs = [category.slug for category in there.categories]
    for slug in [*slugs, ""] if len(slugs) > 1 else slugs:
        pages = [contents[pack_name(slug, page)] for page in range(page_count(there, slug))]
        assert all(len(page) == per_pack for page in pages[:-1])
        wanted = [place for place in in_turn(counts) if slug in ("", place[0])]
        assert sorted(place for page in pages for place in page) == sorted(wanted)
    for slug, number in in_turn(counts):
        assert (slug, number) in contents[pack_name(*page_with(there, slug, number))]
    names = [name for name, _ in packs(there)]
    assert (
        len(names)
        == len(set(names))
        == sum(page_count(there, c.slug) for c in there.categories) + (page_count(there) if len(counts) > 1 else 0)
    )


def test_a_million_pictures_make_few_more_objects_and_covers_are_together():
    there = catalog([1000] * 1000)
    assert sum(1 for _ in packs(there)) == 33_667
    assert {page_with(there, f"c{i}", 0) for i in range(1000)} == {("", page) for page in range(17)}


def test_a_pack_is_read_as_it_was_written():
    thumbnails = {("food", 12): b"one", ("animals", 3): b"", ("food", 100_000): os.urandom(5000)}
    data = pack(thumbnails)
    assert list(unpack(data).items()) == list(thumbnails.items())
    assert pack(thumbnails) == data


@given(st.data())
def test_a_damaged_pack_is_one_kind_of_error(data):
    whole = pack({("food", number): bytes([number]) * 50 for number in range(3)})
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for broken in (bytes(damaged), whole[: data.draw(st.integers(0, len(whole) - 1))]):
        try:
            unpack(broken)
        except GalleryError as error:
            assert "publish again" in str(error)  # noqa: PT017


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("size", [(512, 512), (2000, 300), (64, 64)])
def test_a_thumbnail_is_small_whatever_is_in_the_picture(mode, size):
    random.seed(0)
    noise = Image.frombytes(mode, size, random.randbytes(size[0] * size[1] * len(mode)))
    file = io.BytesIO()
    noise.save(file, "PNG")
    data = shrink(file.getvalue())
    small = Image.open(io.BytesIO(data))
    assert len(data) <= LARGEST
    assert max(small.size) <= 160
    assert small.width / small.height == pytest.approx(size[0] / size[1], rel=0.1)
    assert (small.mode == "RGBA") == (mode == "RGBA")


def test_a_small_picture_is_its_own_thumbnail(samples):
    data = (samples / "food" / "0000000.jpg").read_bytes()
    assert shrink(data) is data


def test_publishing_large_pictures_makes_packs_that_show_them(bucket_url, photos):
    publish(photos, bucket_url)

    bucket = open_bucket(bucket_url)
    live, _ = read_live(bucket)
    folder = f"releases/{live.release}/"
    assert live.thumbnails == 60
    assert parse(bucket.read(f"{folder}site.json")) == live
    there = bucket.checksums(folder)
    seen = []
    for name, places in packs(live):
        data = bucket.read(folder + name)
        assert there[folder + name] == crc32c(data)
        for (slug, number), small in unpack(data).items():
            picture = Image.open(io.BytesIO(bucket.read(live.object_name(slug, number)))).convert("RGB")
            shown = Image.open(io.BytesIO(small))
            assert shown.size == (160, 160)
            difference = [abs(a - b) for a, b in zip(colours(picture), colours(shown), strict=True)]
            assert max(difference) < 8
            seen.append((slug, number))
        assert [*unpack(data)] == places
    assert len(seen) == 2 * sum(LARGE.values())
    assert publish(photos, bucket_url).sent == 0


def colours(picture: Image.Image) -> list[float]:
    """The mean of each channel."""
    small = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(small, tuple)
    return list(small)


def test_small_pictures_get_none_and_their_release_is_as_before(bucket_url, samples):
    publish(samples, bucket_url)

    bucket = open_bucket(bucket_url)
    assert read_live(bucket)[0].thumbnails == 0
    assert b"thumbnails" not in bucket.read("site.json")
    assert not [name for name in bucket.names() if name.endswith(".zip")]


def test_an_interrupted_publish_sends_a_pack_again_that_is_missing_or_damaged(tmp_path, photos):
    published = publish(photos, str(tmp_path))
    folder = tmp_path / "releases" / published.release
    whole = {path: path.read_bytes() for path in folder.rglob("*.zip")}
    first, second, *_ = whole
    first.unlink()
    second.write_bytes(b"damaged")

    assert publish(photos, str(tmp_path)).sent == 2

    assert {path: path.read_bytes() for path in folder.rglob("*.zip")} == whole


def test_rolling_back_and_pruning_take_packs_along(tmp_path, photos, samples, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        first = publish(photos, str(tmp_path)).release
    second = publish(samples, str(tmp_path), yes=True).release
    bucket = open_bucket(str(tmp_path))
    assert roll_back(bucket, first).release == first
    assert read_live(bucket)[0].thumbnails == 60
    roll_back(bucket, second)

    assert prune(bucket, keep=1, grace_s=0) == [first]

    assert not (tmp_path / "releases" / first).exists()


def test_what_is_added_to_a_live_release_keeps_its_thumbnails(tmp_path, photos, monkeypatch):
    publish(photos, str(tmp_path))
    bucket = open_bucket(str(tmp_path))
    live, _ = read_live(bucket)
    lost = tmp_path / "releases" / live.release / "food" / "thumbnails-00001.zip"
    lost.unlink()
    reads: list[str] = []
    read = bucket.read
    monkeypatch.setattr(bucket, "read", lambda name: reads.append(name) or read(name))
    groups = _live_groups(bucket, live)
    reads.clear()

    draft = draft_release(groups, live.title, "", {})

    data = draft.load("thumbnails-00000.zip")
    assert data == read(f"releases/{live.release}/thumbnails-00000.zip")
    assert len({name for name in reads if name.endswith(".jpg")}) == 10  # those of the lost pack
    assert len(unpack(draft.load("food/thumbnails-00001.zip"))) == 10


def test_a_release_is_a_folder_of_pictures_again(tmp_path, large):
    (release,) = (large / "releases").iterdir()

    publish(release, str(tmp_path))

    assert read_live(open_bucket(str(tmp_path)))[0].count == sum(LARGE.values())
