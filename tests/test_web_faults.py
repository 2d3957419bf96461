"""The site under gunicorn while its storage misbehaves: visitors see pictures, machines see what is wrong."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from gallery.bucket import Bucket, open_bucket
from gallery.release import POINTER, parse
from tests.conftest import LIVE, OLD, card_in, picture_in, wait_until
from tests.faulty_proxy import FaultyProxy


@pytest.fixture
def proxy(emulator, monkeypatch):
    with FaultyProxy(emulator) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        yield proxy


@pytest.fixture
def bucket(cloud_url, published: Path) -> Bucket:
    """The two releases of `published`, in the emulator."""
    bucket = open_bucket(cloud_url)
    for path in sorted((published / "releases").rglob("*.*")):
        bucket.create(path.relative_to(published).as_posix(), path.read_bytes(), "image/jpeg")
    bucket.swap(POINTER, (published / POINTER).read_bytes(), "application/json", 0)
    return bucket


def get(url: str, path: str = "/") -> requests.Response:
    return requests.get(url + path, timeout=60)


def health(url: str) -> dict:
    return get(url, "/health").json()


def warm(url: str) -> None:
    wait_until(lambda: health(url)["cards"] == 24)


FAULTS = ["503", "reset", "truncate", "corrupt", "dead", "portal", "empty"]


def break_storage(proxy: FaultyProxy, fault: str) -> None:
    if fault == "dead":
        proxy.die()
    else:
        proxy.fail(fault)


def mend_storage(proxy: FaultyProxy, fault: str) -> None:
    proxy.heal()
    if fault == "dead":
        proxy.revive()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_warm_site_goes_on_and_recovers(site, proxy, bucket, fault):
    url = site(bucket.url, REFRESH_S="0.2")
    warm(url)
    break_storage(proxy, fault)
    wait_until(lambda: health(url)["status"] == "degraded")
    answers = [get(url) for _ in range(24)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({picture_in(answer.content) for answer in answers}) == 24
    assert "trouble" not in answers[0].text
    assert get(url, "/grid").status_code == get(url, "/categories").status_code == 200
    assert get(url, f"/i/{LIVE}/food/1").status_code == 200
    mend_storage(proxy, fault)
    wait_until(lambda: health(url)["status"] == "ok")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cold_site_says_so_at_once_and_recovers(site, proxy, bucket, fault):
    break_storage(proxy, fault)
    url = site(bucket.url)
    assert health(url)["status"] == "cold"
    before = len(proxy.requests)
    for path in ("/", "/c/food", "/grid", "/categories", "/about", f"/i/{LIVE}/food/1", "/random.json"):
        answer = get(url, path)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "Traceback" not in answer.text
    assert len(proxy.requests) - before < 30  # those of the background, not of seven visitors that wait
    mend_storage(proxy, fault)
    wait_until(lambda: get(url).status_code == 200)
    warm(url)


def test_storage_that_hangs_keeps_no_visitor_waiting(site, proxy, bucket):
    url = site(bucket.url, REFRESH_S="0.2")
    warm(url)
    proxy.slow(8)
    wait_until(lambda: health(url)["status"] == "degraded")
    assert {get(url).status_code for _ in range(24)} == {200}
    assert get(url, f"/i/{OLD}/food/1.jpg").status_code == 503  # not in memory, and not asked for
    proxy.heal()
    wait_until(lambda: health(url)["status"] == "ok")


def test_a_permalink_that_finds_storage_down_spares_the_next_visitor(site, proxy, bucket):
    url = site(bucket.url, REFRESH_S="3600")
    warm(url)
    assert get(url, f"/i/{OLD}/food/1.jpg").status_code == 200
    proxy.fail("reset")
    assert get(url, f"/i/{OLD}/food/2.jpg").status_code == 503
    assert health(url)["status"] == "degraded"
    assert get(url).status_code == 200
    proxy.heal()
    wait_until(lambda: get(url, f"/i/{OLD}/food/2.jpg").status_code == 200)


@pytest.mark.parametrize(
    ("answer", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nX-Goog-Generation: 7\r\nContent-Length: 300000000\r\n\r\n", b""),
    ],
    ids=["a head without end", "a login", "300 MB"],
)
def test_strange_answers_cost_visitors_nothing_and_pass(site, proxy, bucket, tmp_path, answer, drip):
    url = site(bucket.url, REFRESH_S="0.2")
    warm(url)
    proxy.say(answer, drip)
    wait_until(lambda: get(url, f"/i/{OLD}/food/3.jpg").status_code in (404, 503))
    wait_until(lambda: health(url)["status"] == "degraded")
    assert {get(url, path).status_code for path in ("/", "/grid", "/feed.xml", f"/i/{LIVE}/food/1.jpg")} == {200}
    proxy.heal()
    wait_until(lambda: health(url)["status"] == "ok" and get(url, f"/i/{OLD}/food/4.jpg").status_code == 200)
    (log,) = tmp_path.glob("gunicorn-*.log")
    assert "Traceback" not in log.read_text()


def test_lost_permission_is_said_and_storage_is_left_alone(site, proxy, bucket):
    url = site(bucket.url, REFRESH_S="0.2")
    warm(url)
    proxy.fail("403")
    wait_until(lambda: health(url)["status"] == "degraded")
    assert "roles/storage.objectViewer" in health(url)["error"]
    assert get(url).status_code == 200
    asked = len(proxy.requests)
    for number in range(12):
        assert get(url, f"/i/{OLD}/food/{number}.jpg").status_code == 503
    assert len(proxy.requests) - asked < 12  # permalinks that aren't in memory don't ask
    proxy.heal()
    wait_until(lambda: health(url)["status"] == "ok")


def test_slow_permalinks_leave_threads_for_everybody_else(site, proxy, bucket):
    url = site(bucket.url, REFRESH_S="3600")
    warm(url)
    assert get(url, f"/i/{OLD}/food/0.jpg").status_code == 200  # its catalog is known now
    asked = len(proxy.requests)
    proxy.slow(20)
    with ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(get, url, f"/i/{OLD}/food/{number}.jpg") for number in range(1, 9)]
        wait_until(lambda: len(proxy.requests) > asked)
        assert {get(url).status_code for _ in range(24)} == {200}
        assert {answer.result().status_code for answer in slow} == {503}
    assert len([name for name in proxy.requests[asked:] if f"releases/{OLD}/food" in name]) <= 2
    proxy.heal()


@pytest.mark.parametrize("fault", ["corrupt", "truncate"])
def test_a_damaged_picture_costs_nobody_a_page(site, proxy, bucket, fault, tmp_path):
    proxy.fail(fault, match="food/00003.jpg")
    url = site(bucket.url, REFRESH_S="0.2")
    wait_until(lambda: health(url)["cards"] == 23)
    pictures = {card_in(get(url).content)["image"] for _ in range(23)}
    assert len(pictures) == 23
    assert f"/i/{LIVE}/food/3.jpg" not in pictures
    tried = len([request for request in proxy.requests if "food/00003.jpg" in request])
    wait_until(lambda: get(url) and len([name for name in proxy.requests if "food/00003.jpg" in name]) > tried)
    (log,) = tmp_path.glob("gunicorn-*.log")
    assert "A picture is left out" in log.read_text()
    assert "in trouble" not in log.read_text()  # storage is not


def test_a_release_pruned_behind_the_sites_back_is_gone(site, bucket):
    url = site(bucket.url)
    assert get(url, f"/i/{OLD}/food/1").status_code == 200
    for name in list(bucket.names(f"releases/{OLD}/")):
        bucket.delete(name)
    answer = get(url, f"/i/{OLD}/food/2")
    assert answer.status_code == 410
    assert "does not exist any more" in answer.text


def test_wrong_settings_of_a_cloud_bucket_stop_the_start(site, emulator):
    with pytest.raises(RuntimeError, match="does not exist"):
        site("gs://there-is-no-such-bucket")


def test_swaps_under_load(site, bucket, published):
    """20 releases go live while 8 clients ask: each answer is whole, and its picture of the release it names."""
    url = site(bucket.url, REFRESH_S="0.1")
    pictures = {
        f"/i/{path.parts[-3]}/{path.parts[-2]}/{int(path.stem)}": path.read_bytes() for path in published.rglob("*.jpg")
    }
    catalogs = [bucket.read(f"releases/{release}/site.json") for release in (OLD, LIVE)]
    stop, seen, wrong = threading.Event(), set(), []

    def client() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                answer = session.get(url, timeout=60)
                card = card_in(answer.content)
                seen.add(card["release"])
                if (
                    answer.status_code != 200
                    or pictures[card["page"]] != picture_in(answer.content)
                    or set(re.findall(r"/i/([^/]+)/", answer.text)) != {card["release"]}
                    or not answer.text.rstrip().endswith("</html>")
                ):
                    wrong.append(answer.text)

    clients = [threading.Thread(target=client) for _ in range(8)]
    for thread in clients:
        thread.start()
    try:
        for swap in range(20):
            _, generation = bucket.read_generation(POINTER)
            bucket.swap(POINTER, catalogs[swap % 2], "application/json", generation)
            wait_until(lambda swap=swap: health(url)["release"] == parse(catalogs[swap % 2]).release)
    finally:
        stop.set()
        for thread in clients:
            thread.join()
    assert wrong == []
    assert seen == {OLD, LIVE}
