"""/metrics: what every worker counted, added up; nothing of it without the setting."""

from __future__ import annotations

import re
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from gallery import GalleryError
from gallery.bucket import open_bucket
from gallery.release import POINTER
from main import create_app
from tests.conftest import LIVE, wait_until
from tests.faulty_proxy import FaultyProxy


def samples(text: str) -> dict[tuple[str, ...], float]:
    """The samples by name and values of labels, added up over the processes, without the buckets of histograms."""
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith("_bucket"):
                labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "pid")
                found[sample.name, *labels] = found.get((sample.name, *labels), 0) + sample.value
    return found


def read(url: str) -> dict[tuple[str, ...], float]:
    return samples(requests.get(f"{url}/metrics", timeout=60).text)


def test_every_worker_counts_and_any_of_them_shows_all(site, published):
    url = site(str(published), METRICS="1", WEB_CONCURRENCY="2", TRUSTED_HOSTS="127.0.0.1")
    wait_until(lambda: read(url)["site_cards",] == 48)  # each worker has its own 24

    started = time.monotonic()
    for path, times in (("/", 20), ("/c/food", 3), ("/nope", 2), (f"/i/{LIVE}/food/1.jpg", 5), ("/c/nope", 1)):
        for _ in range(times):  # each on a connection of its own, to either worker
            requests.get(url + path, timeout=60)
    counted = read(url)

    name = "site_request_seconds_count"
    assert counted[name, "/", "200"] == 20
    assert counted[name, "/c/<slug>", "200"] == 3
    assert counted[name, "/c/<slug>", "404"] == 1
    assert counted[name, "none", "404"] == 2
    assert counted[name, "/i/<release>/<slug>/<name>", "200"] == 5
    assert 0 < counted["site_request_seconds_sum", "/", "200"] < time.monotonic() - started
    assert counted["site_deck_alive",] == counted["site_storage_up",] == 2
    assert counted["site_pictures",] == 48
    assert counted["site_cache_bytes",] > 48_000


def test_storage_is_counted_and_its_trouble_is_shown(site, emulator, cloud_url, published, monkeypatch):
    bucket = open_bucket(cloud_url)
    for path in sorted((published / "releases" / LIVE).rglob("*.*")):
        bucket.create(path.relative_to(published).as_posix(), path.read_bytes(), "image/jpeg")
    bucket.swap(POINTER, (published / POINTER).read_bytes(), "application/json", 0)
    with FaultyProxy(emulator) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        url = site(cloud_url, METRICS="1", REFRESH_S="0.2")
        wait_until(lambda: read(url)["site_cards",] == 24)
        reads = sum(request.startswith("GET") for request in proxy.requests)
        counted = read(url)
        assert counted["site_storage_operations_total", "B"] >= 25  # the pictures and the catalog
        assert counted["site_storage_operations_total", "B"] >= reads - 2  # of two moments
        refreshed = counted["site_refresh_timestamp_seconds",]
        wait_until(lambda: read(url)["site_refresh_timestamp_seconds",] > refreshed)

        proxy.fail("503")
        wait_until(lambda: read(url)["site_storage_up",] == 0)
        proxy.heal()
        wait_until(lambda: read(url)["site_storage_up",] == 1)


def test_without_the_setting_there_is_nothing(client):
    assert client.get("/metrics").status_code == 404


def test_in_one_process_its_own_numbers_are_shown(make_client, published):
    clients = [make_client(published, METRICS="1") for _ in range(2)]  # two applications don't meet
    clients[0].get("/")
    counts = [samples(one.get("/metrics").text) for one in clients]
    assert [("site_request_seconds_count", "/", "200") in count for count in counts] == [True, False]


@pytest.mark.parametrize("name", ["METRICS", "PREFETCH"])
def test_a_switch_is_1_or_0(published, name):
    with pytest.raises(GalleryError, match=f"{name} is 'yes', expected 1 or 0"):
        create_app({"CLOUD_STORAGE_BUCKET": str(published), name: "yes"})


def test_pages_say_whether_the_next_picture_is_fetched(make_client, published):
    said = [make_client(published, PREFETCH=value).get("/").text for value in ("1", "0")]
    assert [bool(re.search(r"<main [^>]*data-prefetch>", page)) for page in said] == [True, False]
