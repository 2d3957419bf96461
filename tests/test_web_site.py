"""web/site.py: where the site is reached, what it reads for a request, and what names can't break."""

from __future__ import annotations

import gzip
import html
import json
import shutil
from xml.dom import minidom

import pytest

from main import create_app
from tests.conftest import LIVE, OLD, card_in, picture_in, wait_until


@pytest.mark.parametrize("name", ["data:picture", "https://origin.invalid", "{{ 7 * 7 }}", "data:image/png;base64,AA"])
def test_no_name_breaks_the_page(make_client, tmp_path, samples, name):
    folder = tmp_path / name.replace("/", "_")
    shutil.copytree(samples / "food", folder)
    client = make_client(tmp_path)
    assert picture_in(client.get("/").data).startswith(b"\xff\xd8")
    for path in tmp_path.iterdir():
        shutil.rmtree(path)
    counts = [{"slug": "food", "name": name, "count": 12}]
    shutil.copytree(samples / "food", tmp_path / "releases" / LIVE / "food")
    for number, path in enumerate(sorted((tmp_path / "releases" / LIVE / "food").iterdir())):
        path.rename(path.with_name(f"{number:05d}.jpg"))
    catalog = {"format": 1, "release": LIVE, "created": "", "title": name, "image": {"type": "image/jpeg"}}
    (tmp_path / "site.json").write_text(json.dumps(catalog | {"categories": counts, "developers": [name]}))
    page = make_client(tmp_path).get("/").data
    assert picture_in(page).startswith(b"\xff\xd8")
    assert f"This {html.escape(name)} Does Not Exist" in page.decode()


def test_share_tags_have_the_address_that_the_visitor_used(client):
    for host in ("one.example", "two.example"):
        for accept in ("gzip", ""):
            for _ in range(24):
                answer = client.get("/", base_url=f"https://{host}", headers={"Accept-Encoding": accept})
                packed = answer.headers.get("Content-Encoding")
                page = gzip.decompress(answer.data) if packed else answer.data
                image = f'property="og:image" content="https://{host}{card_in(page)["image"]}"'
                assert image.encode() in page


def test_share_tags_have_the_sites_own_address_where_it_is_known(make_client, published):
    client = make_client(published, SITE_URL="https://emoji.example/")
    assert b'<meta property="og:image" content="https://emoji.example/i/' in client.get("/").data


def test_markup_in_a_host_name_stays_text(client):
    answer = client.get("/", headers={"Host": 'x"><script>alert(1)</script>'})
    assert b"<script>alert" not in answer.data


def test_only_trusted_hosts_are_answered(make_client, published):
    client = make_client(published, TRUSTED_HOSTS="Emoji.example., .more.example")
    assert client.get("/", base_url="http://emoji.example").status_code == 200
    assert client.get("/", base_url="http://a.more.example").status_code == 200
    for host in ("EMOJI.Example", "emoji.example.", "emoji.example.:8080", "A.more.example:80"):
        assert client.get("/", headers={"Host": host}).status_code == 200
    for host in ("emoji.example..", "xemoji.example", "emoji.example.evil.example", "emoji.example@evil.example"):
        assert client.get("/", headers={"Host": host}).status_code == 400
    for path in ("/", "/grid", "/random.json", f"/i/{LIVE}/food/1.jpg", "/robots.txt"):
        answer = client.get(path, base_url="http://evil.example")
        assert answer.status_code == 400
        assert b"Traceback" not in answer.data


def test_probes_use_addresses_and_are_answered_all_the_same(make_client, published):
    client = make_client(published, TRUSTED_HOSTS="emoji.example")
    for host in ("10.0.0.7:8080", "my_site:8080", "[::1]"):
        for path in ("/health", "/_ah/warmup"):
            assert client.get(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["my_site:8080", "a b", "emoji.example:99999", "/", "ä.example", ".", "a..b", "x" * 64]
)
def test_a_host_that_links_cannot_name_is_refused(client, host):
    for path in ("/", "/c/food", "/about", "/random.json", "//c//food"):
        answer = client.get(path, environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == 400
        assert "Location" not in answer.headers


def test_without_a_host_header_the_servers_own_address_is_used(client):
    answer = client.get("/", environ_overrides={"HTTP_HOST": "", "SERVER_NAME": "10.0.0.7", "SERVER_PORT": "8080"})
    assert b'content="http://10.0.0.7:8080/i/' in answer.data


def test_permalinks_go_on_while_the_catalog_is_damaged(make_client, published, tmp_path):
    folder = tmp_path / "bucket"
    shutil.copytree(published, folder)
    client = make_client(folder, REFRESH_S="0.1")
    (folder / "site.json").write_text('{"format": 2}')
    wait_until(lambda: client.get("/health").json["status"] == "degraded")
    assert "format 2" in client.get("/health").json["error"]
    for path in ("/", f"/i/{LIVE}/food/1.jpg", f"/i/{OLD}/food/1", f"/i/{OLD}/food/1.jpg"):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("empty", [False, True])
def test_while_the_folder_is_away_nothing_is_called_gone_for_good(make_client, published, tmp_path, empty):
    bucket, away = tmp_path / "bucket", tmp_path / "away"
    shutil.copytree(published, bucket)
    client = make_client(bucket, REFRESH_S="0.1")
    bucket.rename(away)
    if empty:  # as the folder that a drive is mounted at
        bucket.mkdir()

    wait_until(lambda: client.get("/health").json["status"] == "degraded")
    assert client.get("/").status_code == 200
    assert client.get(f"/i/{OLD}/food/1.jpg").status_code == 503  # not in memory
    if empty:
        bucket.rmdir()
    away.rename(bucket)
    wait_until(lambda: client.get("/health").json["status"] == "ok")
    wait_until(lambda: client.get(f"/i/{OLD}/food/1.jpg").status_code == 200)


def test_invented_releases_are_gone_without_asking_storage(make_client, published, monkeypatch):
    client = make_client(published, REFRESH_S="3600")
    bucket, asked = client.application.extensions["site"].deck.bucket, []
    read = bucket.read_generation
    monkeypatch.setattr(bucket, "read_generation", lambda name: asked.append(name) or read(name))
    for number in range(500):
        assert client.get(f"/i/20250101T000000Z-{number:08x}/food/1.jpg").status_code == 410
    assert asked == []


def test_a_damaged_catalog_of_an_earlier_release_is_read_once(make_client, published, tmp_path, monkeypatch):
    folder = tmp_path / "bucket"
    shutil.copytree(published, folder)
    (folder / "releases" / OLD / "site.json").write_text('{"format": 9}')
    monkeypatch.setattr("web.releases.LISTED_S", 3600.0)  # for this test
    client = make_client(folder)
    bucket, asked = client.application.extensions["site"].deck.bucket, []
    read = bucket.read_generation
    monkeypatch.setattr(bucket, "read_generation", lambda name: asked.append(name) or read(name))
    for number in range(100):
        assert client.get(f"/i/{OLD}/food/{number % 12}.jpg").status_code == 503
    assert asked.count(f"releases/{OLD}/site.json") == 1
    assert client.get("/health").json["status"] == "ok"


def test_a_picture_that_no_memory_holds_is_left_out(make_client, samples, tmp_path):
    folder = tmp_path / "food"
    shutil.copytree(samples / "food", folder)
    with (folder / "0000006.jpg").open("r+b") as file:
        file.truncate(200_000_000)
    client = create_app({"CLOUD_STORAGE_BUCKET": str(tmp_path)}).test_client()
    deck = client.application.extensions["site"].deck
    try:
        wait_until(lambda: deck.fill[0] == 11)
        images = {client.get("/random.json").json["image"] for _ in range(11)}
        assert len(images) == 11
        name = deck.catalog.permanent_id("food", 6)
        assert client.get(f"/i/{name}/food/6.jpg").status_code == 404
        assert client.get("/health").json["status"] == "ok"  # storage is not to blame
    finally:
        deck.stop()


def test_names_that_no_page_can_hold_are_made_readable(make_client, samples, tmp_path):
    for folder in ("a\x1b\u202eb", "c\nd", "\u200d", "<b>&\"'"):
        shutil.copytree(samples / "food", tmp_path / folder)
    (tmp_path / "categories.json").write_text(
        '{"c\\nd": "\\ud800Con\\u0000", "\u200d": {"name": "", "article": "\\udfff"}}'
    )
    client = make_client(tmp_path)
    for path in ("/", "/grid", "/categories", "/about", "/random.json", "/nope"):
        assert client.get(path).status_code in (200, 404)
    assert len(minidom.parseString(client.get("/feed.xml").data).getElementsByTagName("item")) == 7
