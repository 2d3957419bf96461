"""Publishing when things go wrong: killed at any moment, raced, or with storage on a bad day.

After each of these a visitor sees the old release whole or the new one whole.
"""

from __future__ import annotations

import json
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from gallery.bucket import Bucket, BucketError, Conflict, open_bucket
from gallery.commit import read_pointer
from gallery.release import read_live
from generate.__main__ import main
from generate.releasing.publishing import Published, publish_pictures, read_folder
from tests.conftest import ROOT
from tests.faulty_proxy import FaultyProxy

OLD, NEW = "This Animal Does Not Exist", "This Stuff Does Not Exist"


def seen_by_a_visitor(bucket_url: str) -> tuple[str, list[str]]:
    """The live title, and the hashes of all pictures under it."""
    bucket = open_bucket(bucket_url)
    catalog, _ = read_live(bucket)
    names = (catalog.object_name(*catalog.picture(index)) for index in range(catalog.count))
    return catalog.title, [sha256(bucket.read(name)).hexdigest() for name in names]


def hashes(folder: Path) -> list[str]:
    return [sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.jpg"))]


@pytest.fixture
def whole(samples) -> dict[str, list[str]]:
    """What a visitor may see: the old release or the new one."""
    return {OLD: hashes(samples / "animals"), NEW: hashes(samples)}


# Killed


@pytest.fixture(scope="module")
def publisher(emulator) -> Iterator[Callable[..., tuple[int, int]]]:
    """publisher(samples, bucket_url, title, die_at=0) -> (exit status, number of things it did)"""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.publisher"], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def publish(samples: Path, bucket_url: str, title: str, die_at: int = 0) -> tuple[int, int]:
        order = {"samples": str(samples), "bucket": bucket_url, "title": title, "die_at": die_at}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        return tuple(json.loads(process.stdout.readline()))

    with process:
        yield publish
        process.stdin.close()


def timeless(bucket: Bucket) -> dict[str, bytes]:
    """Every object by its name, without the moment at which the release before was replaced."""
    return {name: re.sub(rb'": "\d{8}T\d{6}Z"', b'"', bucket.read(name)) for name in bucket.names()}


@pytest.mark.slow
def test_killed_at_any_moment(publisher, new_bucket, samples, whole):
    undisturbed = new_bucket()
    publisher(samples / "animals", undisturbed, OLD)
    status, things = publisher(samples, undisturbed, NEW)
    assert status == 0
    assert things > 50
    expected = timeless(open_bucket(undisturbed))

    outcomes, killed = set(), 0
    for seed in range(30):
        bucket_url = new_bucket()
        publisher(samples / "animals", bucket_url, OLD)
        # the last few are the verification and the swap: a third of the kills go there
        moment = random.Random(seed).randint(1 if seed % 3 else things - 30, things)
        status, _ = publisher(samples, bucket_url, NEW, die_at=moment)
        killed += status == -signal.SIGKILL

        title, pictures = seen_by_a_visitor(bucket_url)
        assert pictures == whole[title]
        outcomes.add(title)

        assert publisher(samples, bucket_url, NEW)[0] == 0
        bucket = open_bucket(bucket_url)
        assert timeless(bucket) == expected
    assert OLD in outcomes
    assert killed >= 25  # how often threads look for a folder varies, so the last moments are not always reached


# Raced


def test_of_two_publishers_one_wins_fifty_times(bucket_url, samples):
    contenders = [read_folder(samples / folder, f"This {folder} Does Not Exist") for folder in ("animals", "food")]
    with ThreadPoolExecutor(2) as pool:
        for round_ in range(50):
            buckets = [open_bucket(bucket_url) for _ in contenders]
            pointers = [read_pointer(bucket) for bucket in buckets]

            def race(
                i: int, buckets: list = buckets, pointers: list = pointers, round_: int = round_
            ) -> Published | Conflict:
                groups, title = contenders[i]
                try:
                    return publish_pictures(buckets[i], pointers[i], groups, title, description=f"Round {round_}.")
                except Conflict as conflict:
                    return conflict

            results = list(pool.map(race, range(2)))

            (winner,) = (i for i, result in enumerate(results) if isinstance(result, Published))
            assert "Someone else" in str(results[1 - winner])
            title, pictures = seen_by_a_visitor(bucket_url)
            assert title == contenders[winner][1]
            assert pictures == hashes(samples / ("animals", "food")[winner])
            # nothing is lost: the loser's pictures are all there, and a second try sends none of them
            bucket = buckets[1 - winner]
            groups, title = contenders[1 - winner]
            assert publish_pictures(bucket, read_pointer(bucket), groups, title, f"Round {round_}.").sent == 0


# Storage on a bad day


@pytest.fixture
def proxy(emulator, monkeypatch) -> Iterator[FaultyProxy]:
    with FaultyProxy(emulator) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        yield proxy


@pytest.fixture
def old_bucket(cloud_url, samples) -> str:
    result = CliRunner().invoke(main, ["publish", str(samples / "animals"), cloud_url, "--title", OLD])
    assert result.exit_code == 0, result.output
    return cloud_url


@pytest.mark.parametrize(
    ("fault", "match", "times"),
    [
        ("503", "", 2),
        ("503", "POST", 2),
        ("reset", "food/00003.jpg", 1),  # in the middle of the body
        ("reset", "emoji/site.json", 1),
        ("drop_reply", "food/00003.jpg", 1),  # the picture was written
        ("drop_reply", "POST", 3),
        ("drop_reply", "emoji/site.json", 3),  # of reading it, writing it and reading it back
        ("truncate", "site.json", 1),
        ("truncate", "GET", 2),
        ("spoil", "food/00003.jpg", 1),  # on its way: the checksum tells
        ("corrupt", "alt=media", 1),
    ],
)
def test_storage_recovers_and_the_new_release_is_live(proxy, old_bucket, samples, whole, fault, match, times):
    proxy.fail(fault, match, times)

    result = CliRunner().invoke(
        main, ["publish", str(samples), old_bucket, "--title", NEW, "--yes"], catch_exceptions=False
    )

    assert result.exit_code == 0, result.output
    proxy.heal()
    assert seen_by_a_visitor(old_bucket) == (NEW, whole[NEW])


def test_slow_storage_is_waited_for(proxy, old_bucket, samples, whole):
    proxy.slow(0.1)

    assert CliRunner().invoke(main, ["publish", str(samples), old_bucket, "--title", NEW, "--yes"]).exit_code == 0

    proxy.heal()
    assert seen_by_a_visitor(old_bucket) == (NEW, whole[NEW])


@pytest.mark.parametrize(
    ("fault", "match", "words"),
    [
        ("503", "POST", "can't be used"),
        ("reset", "food/00003.jpg", "can't be used"),
        ("403", "POST", "roles/storage.objectUser"),
        ("403", "food/00003.jpg", "roles/storage.objectUser"),
        ("spoil", "food/00003.jpg", "to continue"),
        ("503", "POST /upload/storage/v1/b/BUCKET/o?uploadType=multipart&ifGenerationMatch=1", "can't be used"),
    ],
)
def test_storage_stays_broken_and_the_old_release_is_live(proxy, old_bucket, samples, whole, fault, match, words):
    bucket = open_bucket(old_bucket, patience_s=1)
    pointer = read_pointer(bucket)
    groups, title = read_folder(samples, NEW)
    proxy.fail(fault, match.replace("BUCKET", old_bucket.split("/")[2]))

    with pytest.raises(BucketError, match=words) as error:
        publish_pictures(bucket, pointer, groups, title)

    assert len(str(error.value)) < 400
    proxy.heal()
    assert seen_by_a_visitor(old_bucket) == (OLD, whole[OLD])
    publish_pictures(bucket, pointer, groups, title)
    assert seen_by_a_visitor(old_bucket) == (NEW, whole[NEW])


def test_storage_dies_in_the_middle(proxy, old_bucket, samples, whole):
    bucket = open_bucket(old_bucket, patience_s=1)
    pointer = read_pointer(bucket)
    groups, title = read_folder(samples, NEW)
    honest_create, sent = bucket.create, []

    def create(name: str, data: bytes, content_type: str) -> bool:
        sent.append(name)
        if len(sent) == 10:
            proxy.die()
        return honest_create(name, data, content_type)

    bucket.create = create
    with pytest.raises(BucketError, match="to continue"):
        publish_pictures(bucket, pointer, groups, title)

    proxy.revive()
    assert seen_by_a_visitor(old_bucket) == (OLD, whole[OLD])


def test_disk_that_is_full(tmp_path, samples, whole, monkeypatch):
    (tmp_path / "bucket").mkdir()
    bucket: Bucket = open_bucket(str(tmp_path / "bucket"))
    publish_pictures(bucket, read_pointer(bucket), *read_folder(samples / "animals", OLD))
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    groups, title = read_folder(samples, NEW)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))  # no file may grow beyond 500 bytes
    try:
        with pytest.raises(BucketError, match="File too large"):
            publish_pictures(bucket, read_pointer(bucket), groups, title)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert seen_by_a_visitor(bucket.url) == (OLD, whole[OLD])


@pytest.fixture(params=["folder", "cloud"])
def new_bucket(request, tmp_path, emulator) -> Callable[[], str]:
    """new_bucket(): the URL of another empty bucket."""
    made = 0

    def make() -> str:
        nonlocal made
        made += 1
        if request.param == "cloud":
            return f"{base}/{made}"
        (tmp_path / str(made)).mkdir()
        return str(tmp_path / str(made))

    base = request.getfixturevalue("cloud_url") if request.param == "cloud" else ""
    return make


def test_a_picture_changed_while_it_is_published(bucket_url, samples, tmp_path):
    folder = Path(shutil.copytree(samples, tmp_path / "changing"))
    groups, title = read_folder(folder, NEW)
    (folder / "food" / "0000003.jpg").write_bytes(b"changed")
    bucket = open_bucket(bucket_url)

    with pytest.raises(Exception, match="has changed since it was checked"):
        publish_pictures(bucket, read_pointer(bucket), groups, title)

    assert read_pointer(bucket).live is None
