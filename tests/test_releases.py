"""Listing, going back and pruning, on both kinds of bucket, through the commands."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gallery import history
from gallery.bucket import Bucket, Conflict, open_bucket
from gallery.commit import ID_TIME
from gallery.release import POINTER, Catalog, Category, parse, picture_name, read_live, release_name
from generate.__main__ import main
from tests.faulty_proxy import FaultyProxy

HOUR = 3600


def releases(bucket_url: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["releases", bucket_url, *options], catch_exceptions=False)


def publish_as_of(bucket: Bucket, hours_ago: float, live: bool = False, whole: bool = True) -> str:
    """A release of two pictures as if published then."""
    then = datetime.fromtimestamp(time.time() - hours_ago * HOUR, UTC)
    release = f"{then.strftime(ID_TIME)}-{abs(int(hours_ago * 60)):08x}"
    catalog = Catalog(
        release,
        then.isoformat(),
        "This Cat Does Not Exist",
        (Category("cat", "Cat", 2),),
        "image/jpeg",
        total_bytes=2_100_000,
    )
    for number in range(2):
        bucket.create(picture_name(release, "cat", number, "image/jpeg"), b"%d" % number, "image/jpeg")
    if whole:
        bucket.create(release_name(release), catalog.to_json(), "application/json")
    if live:
        generation = bucket.read_generation(POINTER)[1] if POINTER in bucket.names(POINTER) else 0
        bucket.swap(POINTER, catalog.to_json(), "application/json", generation)
    return release


@pytest.fixture
def bucket(bucket_url) -> Bucket:
    return open_bucket(bucket_url)


def live(bucket: Bucket) -> str:
    return read_live(bucket)[0].release


def test_list(bucket, bucket_url):
    old = publish_as_of(bucket, 72)
    now = publish_as_of(bucket, 48, live=True)
    half = publish_as_of(bucket, 1, whole=False)

    lines = releases(bucket_url).output.splitlines()

    assert [line.split()[0] for line in lines[:3]] == [half, now, old]
    assert lines[0].split()[1:] == ["unfinished"]
    assert lines[1].split()[1] == "live"
    assert "2.1 MB  This Cat Does Not Exist (Cat 2)" in lines[2]


def test_list_of_an_empty_bucket(bucket_url):
    output = releases(bucket_url).output

    assert "keeps no releases: fill it with refill or publish" in output
    assert "Next" not in output
    assert "rollback" not in output


def test_list_of_one_release_suggests_no_rollback(bucket, bucket_url):
    publish_as_of(bucket, 72, live=True)

    assert "Next" not in releases(bucket_url).output


def test_rollback_and_forth(bucket, bucket_url):
    old = publish_as_of(bucket, 72)
    publish_as_of(bucket, 60, whole=False)
    new = publish_as_of(bucket, 48, live=True)

    assert f"Release {old} is live" in releases(bucket_url, "--rollback").output
    assert live(bucket) == old
    assert parse(bucket.read(POINTER)) == parse(bucket.read(release_name(old)))

    assert releases(bucket_url, "--rollback", new).exit_code == 0
    assert live(bucket) == new


def test_rollback_to_what_is_not_there(bucket, bucket_url):
    half = publish_as_of(bucket, 60, whole=False)
    now = publish_as_of(bucket, 48, live=True)

    for options, words in (
        ([], "older than the live one to roll back to"),
        ([half], "holds no complete release"),
        (["20200101T000000Z-00000000"], "holds no complete release"),
        (["../secret"], "holds no complete release"),
    ):
        result = releases(bucket_url, "--rollback", *options)
        assert result.exit_code == 1
        assert words in result.output
    assert live(bucket) == now


def test_rollback_to_a_release_that_has_lost_a_picture(bucket, bucket_url):
    old = publish_as_of(bucket, 72)
    now = publish_as_of(bucket, 48, live=True)
    bucket.delete(picture_name(old, "cat", 1, "image/jpeg"))

    result = releases(bucket_url, "--rollback")

    assert result.exit_code == 1
    assert "lost 1 objects" in result.output
    assert live(bucket) == now


def test_prune_spares_the_newest_the_live_and_the_young(bucket, bucket_url):
    unneeded = publish_as_of(bucket, 24 * 9)
    rolled_back_to = publish_as_of(bucket, 24 * 8, live=True)
    abandoned = publish_as_of(bucket, 24 * 7, whole=False)
    doomed_too = publish_as_of(bucket, 24 * 6)
    replaced_lately = publish_as_of(bucket, 24 * 5)
    at_work = publish_as_of(bucket, 2, whole=False)
    newest = publish_as_of(bucket, 1)

    result = releases(bucket_url, "--prune", "1")

    assert result.output.startswith("3 releases deleted")
    assert all(release in result.output for release in (unneeded, doomed_too, abandoned))
    left = {rolled_back_to, replaced_lately, at_work, newest}
    assert set(bucket.folders("releases")) == left
    assert {name.split("/")[1] for name in bucket.names("releases/")} == left
    assert live(bucket) == rolled_back_to


def test_prune_with_a_shorter_grace(bucket, bucket_url):
    publish_as_of(bucket, 5)
    publish_as_of(bucket, 3)
    newest = publish_as_of(bucket, 1, live=True)

    assert "2 releases deleted" in releases(bucket_url, "--prune", "1", "--grace", "30m").output
    assert bucket.folders("releases") == [newest]


def test_prune_of_little_deletes_nothing(bucket, bucket_url):
    publish_as_of(bucket, 72, live=True)

    assert "0 releases deleted: 1 is live." in releases(bucket_url, "--prune", "3").output


def test_prune_that_deletes_nothing_says_why_and_grace_0_deletes(bucket, bucket_url):
    for hours in (5, 4, 3):
        publish_as_of(bucket, hours)
    newest = publish_as_of(bucket, 2, live=True)

    output = releases(bucket_url, "--prune", "1").output
    assert (
        "0 releases deleted: 1 is live, 3 replaced or begun less than 1d ago (--grace 0 deletes those now)." in output
    )

    assert "3 releases deleted" in releases(bucket_url, "--prune", "1", "--grace", "0").output
    assert bucket.folders("releases") == [newest]


@pytest.mark.parametrize("damage", [b"{", b'{"format": 2}', b"", b"[]", b'{"format": 1, "release": "x"}'])
def test_prune_with_a_damaged_site_json_deletes_nothing(bucket, bucket_url, damage):
    publish_as_of(bucket, 24 * 9)
    publish_as_of(bucket, 24 * 8)
    publish_as_of(bucket, 24 * 7, live=True)
    bucket.swap(POINTER, damage, "application/json", bucket.read_generation(POINTER)[1])
    before = list(bucket.names())

    result = releases(bucket_url, "--prune", "1", "--grace", "0")

    assert result.exit_code == 1
    assert "Nothing was deleted" in result.output
    assert list(bucket.names()) == before
    listed = releases(bucket_url).output
    assert "None of them is known to be live" in listed
    assert "--prune" not in listed
    releases(bucket_url, "--rollback")  # the cure
    assert "2 releases deleted" in releases(bucket_url, "--prune", "1", "--grace", "0").output


def test_prune_spares_what_a_rollback_replaced_a_moment_ago(bucket, bucket_url):
    first = publish_as_of(bucket, 24 * 9)
    second = publish_as_of(bucket, 24 * 8)
    third = publish_as_of(bucket, 24 * 7, live=True)
    newest = publish_as_of(bucket, 24 * 6)

    for release in (second, first):  # second was live for a moment
        releases(bucket_url, "--rollback", release)
    assert "0 releases deleted" in releases(bucket_url, "--prune", "1").output
    assert bucket.folders("releases") == [first, second, third, newest]

    assert f"2 releases deleted: {third}, {second}" in releases(bucket_url, "--prune", "1", "--grace", "0").output


def test_prune_spares_the_release_a_publish_replaced_after_a_rollback(bucket, bucket_url, samples):
    old = publish_as_of(bucket, 24 * 9)
    publish_as_of(bucket, 24 * 8, live=True)
    releases(bucket_url, "--rollback", old)
    for title in ("One", "Two"):
        CliRunner().invoke(main, ["publish", str(samples), bucket_url, "--title", title, "--yes"])

    releases(bucket_url, "--prune", "1")

    assert old in bucket.folders("releases")


def test_releases_published_within_a_second_keep_their_order(bucket, bucket_url, samples):
    published = []
    for title in ("One", "Two", "Three", "Four"):
        CliRunner().invoke(main, ["publish", str(samples), bucket_url, "--title", title])
        published.append(live(bucket))

    assert [kept.release for kept in history.list_releases(bucket)] == published[::-1]
    releases(bucket_url, "--rollback")
    assert live(bucket) == published[2]


def test_a_release_from_the_future_is_older_than_what_is_published_now(bucket, bucket_url, samples):
    """The clock of whoever published it was wrong."""
    ahead = publish_as_of(bucket, -24 * 365, live=True)

    CliRunner().invoke(main, ["publish", str(samples), bucket_url, "--yes"])

    new = live(bucket)
    assert [kept.release for kept in history.list_releases(bucket)] == [new, ahead]
    assert "0 releases deleted" in releases(bucket_url, "--prune", "1").output
    assert f"1 release deleted: {ahead}" in releases(bucket_url, "--prune", "1", "--grace", "0").output
    assert live(bucket) == new


@pytest.mark.parametrize("catalog", ['{"format": 2}', '{"format": 1, "rel', "", "[]"])
def test_a_release_whose_catalog_can_not_be_read_is_not_pruned(bucket, bucket_url, catalog):
    """A newer version may have written it."""
    publish_as_of(bucket, 24 * 9)
    published = publish_as_of(bucket, 24 * 8, live=True)
    newer = publish_as_of(bucket, 24 * 7)
    bucket.delete(f"releases/{newer}/site.json")
    bucket.create(f"releases/{newer}/site.json", catalog.encode(), "application/json")

    assert "1 release deleted" in releases(bucket_url, "--prune", "1", "--grace", "0").output
    assert "1 unreadable" in releases(bucket_url, "--prune", "1", "--grace", "0").output
    assert bucket.folders("releases") == [published, newer]
    assert f"{newer:26} unreadable " in releases(bucket_url).output
    result = releases(bucket_url, "--rollback", newer)
    assert result.exit_code == 1
    assert "can't be read" in result.output


def test_rollback_to_a_release_that_is_being_pruned(bucket, monkeypatch):
    """Whoever has chosen a release just before it is pruned does not get to publish it."""
    old = publish_as_of(bucket, 24 * 9)
    new = publish_as_of(bucket, 24 * 8, live=True)
    honest_swap = bucket.swap

    def prune_first(name: str, data: bytes, content_type: str, generation: int) -> None:
        monkeypatch.undo()
        assert history.prune(bucket, keep=1) == [old]
        honest_swap(name, data, content_type, generation)

    monkeypatch.setattr(bucket, "swap", prune_first)
    with pytest.raises(Conflict):
        history.roll_back(bucket)

    assert live(bucket) == new


def test_publish_keeps_as_many_as_asked(bucket, bucket_url, samples):
    oldest = publish_as_of(bucket, 24 * 9)
    older = publish_as_of(bucket, 24 * 8)
    before = publish_as_of(bucket, 24 * 7, live=True)

    result = CliRunner().invoke(main, ["publish", str(samples), bucket_url, "--keep", "1", "--yes"])

    assert f"Deleted 2 old releases: {older}, {oldest}" in result.output
    assert bucket.folders("releases") == [before, live(bucket)]  # visitors have only just left that one


def test_publish_that_may_not_delete_says_that_the_release_is_live(emulator, cloud_url, samples, monkeypatch):
    bucket = open_bucket(cloud_url)
    old = publish_as_of(bucket, 24 * 9)
    publish_as_of(bucket, 24 * 7, live=True)
    with FaultyProxy(emulator) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        proxy.fail("403", match="DELETE")
        result = CliRunner().invoke(main, ["publish", str(samples), cloud_url, "--keep", "1", "--yes"])

    assert result.exit_code == 1
    assert f"Release {live(bucket)} is live, but old ones could not be deleted: No permission" in result.output
    assert old in bucket.folders("releases")


def test_options_that_make_no_sense(bucket_url):
    for options in (["--prune", "0"], ["--prune", "1", "--grace", "soon"]):
        assert releases(bucket_url, *options).exit_code == 2


def test_releases_of_no_bucket(tmp_path: Path):
    result = releases(str(tmp_path / "nothing"))
    assert result.exit_code == 1
    assert "does not exist" in result.output


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\x00", b"[]", b'{"format": 99}', b'{"format": 1, "release": "../x"}']
)
def test_prune_and_list_where_the_catalog_of_an_old_release_is_damaged_or_newer(bucket, bucket_url, damage):
    old = publish_as_of(bucket, 24 * 9)
    now = publish_as_of(bucket, 24 * 7, live=True)
    name = release_name(old)
    bucket.swap(name, damage, "application/json", bucket.read_generation(name)[1])

    listed = releases(bucket_url)
    pruned = releases(bucket_url, "--prune", "1", "--grace", "0")

    assert listed.exit_code == 0, listed.output
    assert pruned.exit_code == 0, pruned.output
    assert now in bucket.folders("releases")
    assert live(bucket) == now


def test_list_and_prune_where_the_live_release_is_gone(bucket, bucket_url):
    old = publish_as_of(bucket, 24 * 9)
    gone = publish_as_of(bucket, 24 * 7, live=True)
    for name in list(bucket.names(f"releases/{gone}/")):
        bucket.delete(name)

    listed = releases(bucket_url)
    pruned = releases(bucket_url, "--prune", "1", "--grace", "0")

    assert (listed.exit_code, pruned.exit_code) == (0, 0), listed.output + pruned.output
    assert f"The live release {gone} is not in the bucket" in listed.output
    assert bucket.folders("releases") == [old]
    assert f"--rollback {old}" in listed.output
