"""The bucket's promises, through the same functions for a folder and for Cloud Storage's emulator."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import google_crc32c
import pytest
import requests

from gallery.bucket import Bucket, BucketError, Conflict, Forbidden, NotFound, Unavailable, open_bucket
from gallery.folder import STALE_S
from tests.faulty_proxy import FaultyProxy


@pytest.fixture
def bucket(bucket_url) -> Bucket:
    return open_bucket(bucket_url)


def test_created_object_reads_back(bucket):
    assert bucket.create("a/b/0.jpg", b"picture", "image/jpeg") is True

    assert bucket.read("a/b/0.jpg") == b"picture"
    assert list(bucket.names()) == ["a/b/0.jpg"]


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


def test_listing_is_longer_than_a_page(cloud_url):
    bucket = open_bucket(cloud_url)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: bucket.create(f"{i:05d}.jpg", b"", "image/jpeg"), range(1005)))

    assert len(bucket.checksums("")) == 1005


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


def test_folder_is_not_left(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "bucket").mkdir()
    bucket = open_bucket(str(tmp_path / "bucket"))

    for name in ("../secret", "a/../../secret", str(tmp_path / "secret"), "a\0b"):
        with pytest.raises(NotFound):
            bucket.read(name)


def test_hidden_files_are_no_part_of_a_folder(tmp_path):
    bucket = open_bucket(str(tmp_path))
    bucket.create("0.jpg", b"", "image/jpeg")
    bucket.swap("site.json", b"", "application/json", 0)
    (tmp_path / ".DS_Store").write_text("")

    assert list(bucket.names()) == ["0.jpg", "site.json"]
    assert bucket.folders() == []


def test_folder_without_hard_links_works_too(tmp_path, monkeypatch):
    def no_links(*paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what Linux says on FAT

    monkeypatch.setattr(os, "link", no_links)
    bucket = open_bucket(str(tmp_path))

    assert bucket.create("0.jpg", b"first", "image/jpeg") is True
    assert bucket.create("0.jpg", b"first", "image/jpeg") is False
    with pytest.raises(Conflict):
        bucket.create("0.jpg", b"second", "image/jpeg")
    assert bucket.read("0.jpg") == b"first"


def test_what_a_killed_publisher_left_is_swept_a_day_later(tmp_path):
    bucket = open_bucket(str(tmp_path))
    (tmp_path / ".tmp").mkdir()
    for name, age_s in (("old", STALE_S + 60), ("new", 60)):
        (tmp_path / ".tmp" / name).write_bytes(b"half")
        os.utime(tmp_path / ".tmp" / name, (0, time.time() - age_s))

    bucket.swap("site.json", b"", "application/json", 0)

    assert [path.name for path in (tmp_path / ".tmp").iterdir()] == ["new"]


# Cloud Storage as it is on a bad day


@pytest.fixture
def proxy(emulator, monkeypatch):
    with FaultyProxy(emulator) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        yield proxy


@pytest.mark.parametrize("fault", ["503", "reset", "drop_reply"])
def test_faults_that_pass_are_waited_out(proxy, cloud_url, fault):
    bucket = open_bucket(cloud_url)
    proxy.fail(fault, match="0.jpg", times=2)
    assert bucket.create("0.jpg", b"picture", "image/jpeg") in (True, False)  # its reply may have been lost

    proxy.fail(fault, match="0.jpg", times=1)
    assert bucket.read("0.jpg") == b"picture"

    proxy.fail(fault, match="site.json", times=1)
    bucket.swap("site.json", b"1", "application/json", 0)
    assert bucket.read("site.json") == b"1"


@pytest.mark.parametrize("fault", ["truncate", "corrupt"])
def test_bad_answer_is_read_again_or_refused(proxy, cloud_url, fault):
    bucket = open_bucket(cloud_url, patience_s=1)
    bucket.create("0.jpg", b"picture" * 1000, "image/jpeg")

    proxy.fail(fault, match="GET")
    with pytest.raises(Unavailable, match="try again later"):
        bucket.read("0.jpg")

    proxy.heal()
    assert bucket.read("0.jpg") == b"picture" * 1000


@pytest.mark.parametrize("fault", ["portal", "empty"])
def test_an_answer_that_is_not_from_storage_is_unavailable(proxy, cloud_url, fault):
    bucket = open_bucket(cloud_url, patience_s=1)
    bucket.create("0.jpg", b"picture", "image/jpeg")
    proxy.fail(fault)

    for call in (
        lambda: bucket.read("0.jpg"),
        lambda: bucket.read_generation("0.jpg"),
        lambda: list(bucket.names()),
        lambda: bucket.folders(),
        lambda: bucket.checksums(""),
        lambda: bucket.create("1.jpg", b"", "image/jpeg"),
        lambda: open_bucket(cloud_url, patience_s=1),
    ):
        with pytest.raises(Unavailable):
            call()


def test_lost_reply_to_a_swap_does_not_hide_someone_elses(proxy, cloud_url):
    bucket = open_bucket(cloud_url)
    bucket.swap("site.json", b"old", "application/json", 0)
    _, generation = bucket.read_generation("site.json")
    bucket.swap("site.json", b"theirs", "application/json", generation)
    proxy.fail("drop_reply", match="POST", times=1)

    with pytest.raises(Conflict, match="someone else"):
        bucket.swap("site.json", b"ours", "application/json", generation)

    assert bucket.read("site.json") == b"theirs"


def test_storage_that_is_down_is_given_up_on(proxy, cloud_url):
    bucket = open_bucket(cloud_url, patience_s=1)
    proxy.die()

    for call in (lambda: bucket.read("0.jpg"), lambda: list(bucket.names()), lambda: bucket.create("0.jpg", b"", "")):
        with pytest.raises(Unavailable, match="does not answer"):
            call()
    with pytest.raises(Unavailable, match="does not answer"):
        open_bucket(cloud_url, patience_s=1)


def test_missing_permission_names_the_role(proxy, cloud_url):
    bucket = open_bucket(cloud_url)
    proxy.fail("403", match="POST")

    with pytest.raises(Forbidden, match=r"roles/storage\.objectUser"):
        bucket.create("0.jpg", b"", "image/jpeg")


def test_operations_are_counted_as_they_are_billed(proxy, cloud_url):
    bucket = open_bucket(cloud_url)  # lists one name: A
    bucket.create("a/0.jpg", b"0", "image/jpeg")  # A
    bucket.create("a/0.jpg", b"0", "image/jpeg")  # A, refused, and its checksum: B
    bucket.read("a/0.jpg")  # B
    bucket.folders()  # A
    bucket.delete("a/0.jpg")  # free
    proxy.fail("503", times=1)
    with pytest.raises(NotFound):
        bucket.read("a/0.jpg")  # B, twice

    assert dict(bucket.operations) == {"A": 4, "B": 4}
    assert len(proxy.requests) == 9  # and nothing behind our back


def test_objects_carry_what_browsers_and_caches_need(emulator, cloud_url):
    bucket = open_bucket(cloud_url)
    bucket.create("0.jpg", b"0", "image/jpeg")
    bucket.swap("site.json", b"{}", "application/json", 0)

    name = cloud_url.removeprefix("gs://").partition("/")[0]
    listed = requests.get(f"{emulator}/storage/v1/b/{name}/o", timeout=10).json()["items"]
    kept = {item["name"]: (item["contentType"], item.get("cacheControl")) for item in listed}
    assert kept == {
        "emoji/0.jpg": ("image/jpeg", "public, max-age=31536000, immutable"),
        "emoji/site.json": ("application/json", "no-store"),
    }
