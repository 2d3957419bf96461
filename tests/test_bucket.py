"""The bucket's promises, through the same functions for a folder and for Cloud Storage's emulator."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import google_crc32c
import pytest

from gallery.bucket import Bucket, BucketError, Conflict, NotFound, open_bucket


@pytest.fixture
def bucket(bucket_url) -> Bucket:
    return open_bucket(bucket_url)


def test_created_object_reads_back(bucket):
    assert bucket.create("a/b/0.jpg", b"picture", "image/jpeg") is True

    assert bucket.read("a/b/0.jpg") == b"picture"
    assert list(bucket.names()) == ["a/b/0.jpg"]


def test_parts_of_an_object_are_read_alone(bucket):
    bucket.create("a/large", b"0123456789", "application/octet-stream")

    assert [bucket.read_part("a/large", start, 4) for start in (0, 4, 8)] == [b"0123", b"4567", b"89"]
    with pytest.raises(NotFound, match="a/small"):
        bucket.read_part("a/small", 0, 4)


def test_create_never_replaces(bucket):
    bucket.create("0.jpg", b"first", "image/jpeg")

    assert bucket.create("0.jpg", b"first", "image/jpeg") is False
    with pytest.raises(Conflict, match=r"0\.jpg"):
        bucket.create("0.jpg", b"second", "image/jpeg")
    assert bucket.read("0.jpg") == b"first"


def test_of_many_creators_one_wins(bucket):
    def create(content: bytes) -> bool:
        try:
            return bucket.create("0.jpg", content, "image/jpeg")
        except Conflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, [b"%d" % i for i in range(8)]))

    assert won.count(True) == 1
    assert bucket.read("0.jpg") == b"%d" % won.index(True)


def test_swap_replaces_only_what_was_read(bucket):
    bucket.swap("site.json", b"1", "application/json", 0)
    data, generation = bucket.read_generation("site.json")
    assert data == b"1"

    bucket.swap("site.json", b"2", "application/json", generation)

    with pytest.raises(Conflict, match=r"site\.json"):
        bucket.swap("site.json", b"3", "application/json", generation)
    with pytest.raises(Conflict, match=r"site\.json"):
        bucket.swap("site.json", b"3", "application/json", 0)
    assert bucket.read("site.json") == b"2"


def test_of_many_swaps_one_wins(bucket):
    bucket.swap("site.json", b"old", "application/json", 0)
    _, generation = bucket.read_generation("site.json")

    def swap(content: bytes) -> bool:
        try:
            bucket.swap("site.json", content, "application/json", generation)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(swap, [b"%d" % i for i in range(8)]))

    assert won.count(True) == 1
    assert bucket.read("site.json") == b"%d" % won.index(True)


def test_listing(bucket):
    for name in ("b/1.jpg", "a/2.jpg", "a/c/3.jpg", "a-b/4.jpg", "5.jpg"):
        bucket.create(name, name.encode(), "image/jpeg")

    assert list(bucket.names()) == ["5.jpg", "a-b/4.jpg", "a/2.jpg", "a/c/3.jpg", "b/1.jpg"]
    assert list(bucket.names("a/")) == ["a/2.jpg", "a/c/3.jpg"]
    assert list(bucket.names("none/")) == []
    assert bucket.folders() == ["a", "a-b", "b"]
    assert bucket.folders("a") == ["c"]
    assert bucket.folders("none") == []
    assert bucket.checksums("a/") == {name: google_crc32c.value(name.encode()) for name in ("a/2.jpg", "a/c/3.jpg")}


def test_deleting_is_repeatable_and_leaves_no_empty_folder(bucket):
    bucket.create("releases/a/0.jpg", b"", "image/jpeg")
    bucket.create("releases/b/0.jpg", b"", "image/jpeg")

    bucket.delete("releases/a/0.jpg")
    bucket.delete("releases/a/0.jpg")

    assert bucket.folders("releases") == ["b"]


def test_what_is_not_there(bucket):
    with pytest.raises(NotFound, match=r"nothing\.jpg"):
        bucket.read("nothing.jpg")
    with pytest.raises(NotFound, match=r"nothing\.jpg"):
        bucket.read_generation("nothing.jpg")


@pytest.mark.parametrize("url", ["no/such/folder", "gs://no-such-bucket-anywhere/emoji"])
def test_bucket_that_does_not_exist(emulator, url):
    with pytest.raises(NotFound, match="does not exist"):
        open_bucket(url)


@pytest.mark.parametrize("url", ["s3://bucket", "https://storage.googleapis.com/bucket", "gs://", "gs://-/emoji"])
def test_url_that_is_no_bucket(emulator, url):
    with pytest.raises(BucketError, match="gs://bucket"):
        open_bucket(url)
