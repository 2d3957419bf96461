"""gallery/cloud.py: Cloud Storage's emulator behind a proxy with faults."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import brotli
import pytest
import requests

from gallery.bucket import BucketError, Conflict, Forbidden, NotFound, TooLarge, Unavailable, crc32c, open_bucket
from tests.faulty_proxy import FaultyProxy


def test_listing_is_longer_than_a_page(cloud_url):
    bucket = open_bucket(cloud_url)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: bucket.create(f"{i:05d}.jpg", b"", "image/jpeg"), range(1005)))

    assert len(bucket.checksums("")) == 1005


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
        with pytest.raises(Unavailable, match="can't be used"):
            call()
    with pytest.raises(Unavailable, match=r"can't be used \(Connection refused\): try again later\."):
        open_bucket(cloud_url, patience_s=1)


def test_missing_permission_names_the_role(proxy, cloud_url):
    bucket = open_bucket(cloud_url)
    proxy.fail("403", match="POST")

    with pytest.raises(Forbidden, match=r"roles/storage\.objectUser"):
        bucket.create("0.jpg", b"", "image/jpeg")


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, '{"error": {"message": "The billing account is disabled."}}', Forbidden, "billing account is disabled"),
        (403, "<Error><Details>Quota of this project exceeded</Details></Error>", Forbidden, "Quota of this project"),
        (400, '{"error": {"message": "Bucket is a requester pays bucket"}}', Unavailable, "requester pays bucket"),
        (400, '{"error": "invalid_grant"}', Unavailable, "invalid_grant"),
        (418, "[1]", Unavailable, r"\[1\]"),
        (407, '"proxy"', Unavailable, "proxy"),
        (451, "<html><h1>Blocked by your company</h1></html>", Unavailable, "Blocked by your company"),
        (511, "<style>a{b}</style><script>c()</script><p>Log in &amp; go on", Unavailable, r"\(511 Log in & go on\)"),
        (418, '[{"error": {"errors": [{"message": "Teapot"}]}}]', Unavailable, r"\(418 Teapot\)"),
        (400, '{"error": "invalid_grant", "error_description": "The key has expired"}', Unavailable, "key has expired"),
        (400, '{"detail": {"message": "Zu viele Objekte"}}', Unavailable, r"\(400 Zu viele Objekte\)"),
        (
            400,
            "<e:Message xmlns:e='x'><![CDATA[Vous \u00eates bloqu\u00e9]]></e:Message>",
            Unavailable,
            "Vous \u00eates bloqu\u00e9",
        ),
        (400, "x" * 3_000_000, Unavailable, r"\(400 x{300}\)"),
    ],
)
def test_storages_own_reason_is_given_and_no_advice_that_can_not_help(proxy, cloud_url, status, body, kind, words):
    bucket = open_bucket(cloud_url, patience_s=1)
    proxy.refuse(status, body)

    for call in (
        lambda: bucket.read("0.jpg"),
        lambda: list(bucket.names()),
        lambda: bucket.create("0.jpg", b"", "image/jpeg"),
        lambda: bucket.delete("0.jpg"),
    ):
        with pytest.raises(kind, match=words) as caught:
            call()
        assert "try again later" not in str(caught.value)
        assert "roles/" not in str(caught.value)


@pytest.mark.parametrize("body", ['{"error": {"message": "Said."}}', "[1]", '{"error": "x"}', "", "<p>", "null", "\0"])
def test_any_answer_is_a_sentence(proxy, cloud_url, body):
    bucket = open_bucket(cloud_url, patience_s=0.1)

    for status in (204, 301, 304, 401, 402, 409, 413, 416, 500, 501, 511, 599):
        proxy.refuse(status, body)
        for call in (
            lambda: bucket.read("0.jpg"),
            lambda: list(bucket.names()),
            lambda: bucket.create("0.jpg", b"", "image/jpeg"),
        ):
            with pytest.raises(BucketError, match=r"^.*[.)]$"):
                call()


def said(data: bytes, *lines: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """An answer with the headers that Cloud Storage gives an object with this content."""
    checksum = b64encode(crc32c(data).to_bytes(4, "big"))
    theirs = [
        b"Connection: close",
        b"X-Goog-Generation: 7",
        b"X-Goog-Hash: crc32c=" + checksum,
        b"Content-Length: %d" % (length or len(data)),
    ]
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, *theirs, b"", data])


PAGE = gzip.compress(b"<html>Log in")
LAST = b"\r\nConnection: close\r\n"
STRANGE = {
    "compressed HTML": b"HTTP/1.1 200 OK%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
    % (LAST, len(PAGE), PAGE),
    "not compressed": said(b"hello", b"Content-Encoding: gzip"),
    "no checksum": b"HTTP/1.1 200 OK%sX-Goog-Generation: 7\r\nContent-Length: 5\r\n\r\nother" % LAST,
    "a part": said(b"hel", status=b"206 Partial Content"),
    "too short": said(b"hello", length=3),
    "too long": said(b"hello", length=9),
    "not a generation": said(b"hello").replace(b": 7", b": seven"),
    "a login": b"HTTP/1.1 302 Found%sLocation: /login\r\nContent-Length: 0\r\n\r\n" % LAST,
    "unchanged": b"HTTP/1.1 304 Not Modified%s\r\n" % LAST,
    "a precondition": b"HTTP/1.1 412 Precondition Failed%sContent-Length: 0\r\n\r\n" % LAST,
    "too many": b"HTTP/1.1 429 Too Many Requests%sRetry-After: 3600\r\nContent-Length: 0\r\n\r\n" % LAST,
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.mark.parametrize("strange", STRANGE)
def test_no_answer_of_somebody_else_is_taken_for_an_object(proxy, cloud_url, strange):
    bucket = open_bucket(cloud_url, patience_s=0.2)
    bucket.create("0.jpg", b"hello", "image/jpeg")
    proxy.say(STRANGE[strange])

    writing = [lambda: bucket.create("1.jpg", b"", "image/jpeg")] if strange == "a login" else []
    for call in (lambda: bucket.read("0.jpg"), lambda: list(bucket.names()), *writing):
        with pytest.raises(Unavailable, match=r"^.*(the network.*|try again later)\.$") as caught:
            call()
        assert "its message" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"error": {"code": 500}}',
        '{"kind": "storage#object"}',
        '{"kind": "storage#objects", "nextPageToken": "again"}',
        '{"kind": "storage#objects", "items": 3}',
        '{"kind": "storage#objects", "prefixes": 3}',
    ],
)
def test_a_listing_of_somebody_else_is_not_an_empty_bucket(proxy, cloud_url, body):
    bucket = open_bucket(cloud_url, patience_s=0.2)
    head = b"HTTP/1.1 200 OK%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    proxy.say(head % (LAST, len(body)) + body.encode())

    calls = [lambda: list(bucket.names()), lambda: bucket.folders(), lambda: open_bucket(cloud_url, patience_s=0.2)]
    for call in calls[1:2] if "prefixes" in body else calls[:2] if "again" in body else calls:
        with pytest.raises(Unavailable, match=r"the network\.$"):
            call()


@pytest.mark.parametrize(
    ("answer", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n"),
        (said(b"", b"Content-Type: application/json", length=1000), b"a"),
        (b"HTTP/1.1 500 Oh\r\n\r\n", b"a"),
    ],
    ids=["a line", "headers", "continue", "chunks", "a body", "an error"],
)
def test_an_answer_without_end_ends(proxy, cloud_url, monkeypatch, answer, drip):
    monkeypatch.setattr("gallery.bounded.MAX_TIMEOUTS", 1)
    bucket = open_bucket(cloud_url, patience_s=0.2)
    proxy.say(answer, drip)

    for call in (lambda: bucket.read("0.jpg"), lambda: list(bucket.names())):
        with pytest.raises(Unavailable, match="can't be used"):
            call()


@pytest.mark.parametrize("length", [b"Content-Length: 300000", b"Transfer-Encoding: chunked"])
def test_what_is_too_large_is_not_read(proxy, cloud_url, length):
    bucket = open_bucket(cloud_url, patience_s=1, largest=200_000)
    proxy.say(b"HTTP/1.1 200 OK%s%s\r\n\r\n%s" % (LAST, length, b"1000\r\n%s\r\n" % (b"x" * 4096) * 73))

    with pytest.raises(TooLarge, match=r"0\.jpg in gs://.* is larger than the limit of 200,000 bytes\.$"):
        bucket.read("0.jpg")


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": partial(brotli.compress, quality=1),
    "gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
}


@cache
def bomb_of(encoding: str) -> bytes:
    """100 MB of zeros, compressed."""
    return PACKERS[encoding](bytes(100_000_000))


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_what_is_too_large_when_decompressed_is_not_read(proxy, cloud_url, encoding, chunked):
    bomb = bomb_of(encoding)
    bucket = open_bucket(cloud_url, patience_s=1, largest=1_000_000)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(bomb), bomb) if chunked else bomb
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(bomb)
    head = (
        b"HTTP/1.1 200 OK%sContent-Type: application/json\r\nX-Goog-Generation: 7\r\nContent-Encoding: %s\r\n%s\r\n\r\n"
    )
    proxy.say(head % (LAST, encoding.encode(), length) + body)
    tracemalloc.start()

    try:
        for call in (lambda: bucket.read("0.jpg"), lambda: list(bucket.names())):
            with pytest.raises(TooLarge, match="is larger than the limit of 1,000,000 bytes"):
                call()
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_an_object_stored_compressed_is_read(proxy, cloud_url):
    bucket = open_bucket(cloud_url, patience_s=1, largest=1_000_000)
    packed = gzip.compress(b"hello" * 1000)
    for lines in ([b"Content-Encoding: gzip"], []):
        proxy.say(said(packed, *lines))
        assert bucket.read("0.jpg") == (b"hello" * 1000 if lines else packed)


def test_a_login_that_is_not_accepted_comes_with_its_cure(proxy, cloud_url):
    bucket = open_bucket(cloud_url, patience_s=1)
    proxy.refuse(401, '{"error": {"message": "Invalid Credentials"}}')

    for call in (lambda: bucket.read("0.jpg"), lambda: list(bucket.names())):
        with pytest.raises(
            Forbidden, match=r"The credentials for .* don't work .*: run `gcloud auth application-default login`"
        ):
            call()


@pytest.mark.parametrize("status", [429, 503])
def test_a_reason_that_passes_comes_with_the_advice_to_try_again(proxy, cloud_url, status):
    bucket = open_bucket(cloud_url, patience_s=1)
    proxy.refuse(status, '{"error": {"message": "Slow down"}}')

    with pytest.raises(Unavailable, match=r"Slow down\): try again later"):
        bucket.read("0.jpg")


def test_a_missing_permission_is_told_from_other_refusals(proxy, cloud_url):
    bucket = open_bucket(cloud_url, patience_s=1)
    proxy.refuse(403, '{"error": {"message": "bob@x does not have storage.objects.get access to the object."}}')

    with pytest.raises(Forbidden, match=r"bob@x does not have .* roles/storage\.objectViewer"):
        bucket.read("0.jpg")


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
    listed = requests.get(f"{emulator}/storage/v1/b/{name}/o", timeout=60).json()["items"]
    kept = {item["name"]: (item["contentType"], item.get("cacheControl")) for item in listed}
    assert kept == {
        "emoji/0.jpg": ("image/jpeg", "public, max-age=31536000, immutable"),
        "emoji/site.json": ("application/json", "no-store"),
    }
