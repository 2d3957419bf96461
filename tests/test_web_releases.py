"""web/releases.py: catalogs of earlier releases, and ids that were invented."""

from __future__ import annotations

import pytest

from gallery.bucket import NotFound
from gallery.folder import FolderBucket
from tests.conftest import LIVE, OLD
from web.releases import CATALOGS, Releases


class CountedBucket(FolderBucket):
    """A folder that counts what is asked of it."""

    asked = 0

    def read_generation(self, name):  # `read` comes through here too
        self.asked += 1
        return super().read_generation(name)

    def folders(self, prefix=""):
        self.asked += 1
        return super().folders(prefix)


@pytest.fixture(autouse=True)
def a_listing_is_trusted_as_long_as_a_test_takes(monkeypatch):
    monkeypatch.setattr("web.releases.LISTED_S", 3600.0)


@pytest.fixture
def bucket(published) -> CountedBucket:
    return CountedBucket(published)


def test_a_catalog_is_read_once(bucket):
    releases = Releases()
    for _ in range(3):
        assert releases.get(bucket, OLD).release == OLD
        assert releases.get(bucket, LIVE).count == 24
    assert bucket.asked == 3  # with the listing


def test_invented_ids_cost_one_listing(bucket):
    releases = Releases()
    for number in range(500):
        with pytest.raises(NotFound):
            releases.get(bucket, f"20250101T000000Z-{number:08x}")
    assert bucket.asked == 1


def test_a_release_without_its_catalog_is_asked_for_once(tmp_path):
    (tmp_path / "releases" / OLD / "food").mkdir(parents=True)
    bucket, releases = CountedBucket(tmp_path), Releases()
    for _ in range(10):
        with pytest.raises(NotFound):
            releases.get(bucket, OLD)
    assert bucket.asked == 2


def test_a_release_that_is_published_later_is_found(bucket, monkeypatch):
    monkeypatch.setattr("web.releases.LISTED_S", 0)
    releases = Releases()
    with pytest.raises(NotFound):
        releases.get(bucket, "20250101T000000Z-00000000")
    assert releases.get(bucket, OLD).release == OLD


def test_memory_is_bounded(tmp_path, published):
    names = [f"20260101T000000Z-{number:08x}" for number in range(2 * CATALOGS)]
    for name in names:
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "site.json").write_bytes((published / "site.json").read_bytes())
    releases = Releases()
    for name in names:
        releases.get(FolderBucket(tmp_path), name)
    assert len(releases._catalogs) == CATALOGS
