"""web/wall.py and web/packs.py: pages of thumbnails, and what is shown where there are none."""

from __future__ import annotations

import base64
import re
import shutil

import pytest
from PIL import Image

from tests.conftest import LARGE, wait_until

COUNT = sum(LARGE.values())


def links(page: str) -> list[str]:
    return re.findall(r'<li><a href="(/i/[^"]+)"><img', page)


def pictures(page: str) -> list[bytes]:
    return [base64.b64decode(data) for data in re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)]


def more(page: str) -> str:
    found = re.search(r'id="more"[^>]*href="([^"]+)"', page)
    return found[1].replace("&amp;", "&") if found else ""


@pytest.fixture
def large_client(make_client, large):
    return make_client(large)


@pytest.mark.parametrize(("category", "count"), [("", COUNT), ("food", 70), ("animals", 3)])
def test_more_leads_to_every_picture_once_and_back_to_the_first(large_client, category, count):
    address, seen = f"/grid?category={category}&page=1" if category else "/grid?page=1", []
    for _ in range(-(-count // 60)):
        page = large_client.get(address).text
        assert len(pictures(page)) == len(links(page)) <= 60
        assert all(data[8:12] == b"WEBP" for data in pictures(page))
        seen += links(page)
        address = more(page) or address
    assert len(seen) == len(set(seen)) == count
    assert address.endswith("page=1")
    assert large_client.get(seen[-1]).status_code == 200


def test_a_wall_without_a_number_is_any_of_its_pages(large_client):
    pages = {links(large_client.get("/grid").text)[0] for _ in range(40)}
    assert len(pages) == 2
    assert large_client.get("/grid").headers["Cache-Control"] == "no-store"
    assert "max-age" in large_client.get("/grid?page=2").headers["Cache-Control"]


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_a_page_takes_at_most_300_kb(large_client, encoding):
    answer = large_client.get("/grid?page=1", headers={"Accept-Encoding": encoding})
    assert answer.headers["Content-Encoding"] == encoding
    assert 50_000 < len(answer.data) < 300_000


@pytest.mark.parametrize("page", ["0", "3", "-1", "x", "1.5", "9" * 400, "\u0661", "%00"])
def test_a_page_that_is_not_there(large_client, page):
    assert large_client.get(f"/grid?page={page}").status_code == 404


def test_thumbnails_have_addresses_of_their_own(large_client):
    card = large_client.get("/random.json?category=food").json
    answer = large_client.get(card["thumbnail"])
    assert answer.mimetype == "image/webp"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    covers = re.findall(r'src="(/t/[^"]+/0)"', large_client.get("/categories").text)
    assert len(covers) == 3
    assert {large_client.get(cover).status_code for cover in covers} == {200}
    release = card["release"]
    for wrong in (f"{release}/food/70", f"{release}/nope/0", f"{release}/food/x", "folder-00000000/food/0"):
        assert large_client.get(f"/t/{wrong}").status_code in (404, 410)


def test_a_page_costs_one_read_and_none_the_second_time(large_client, monkeypatch):
    bucket = large_client.application.extensions["site"].deck.bucket
    read, names = bucket.read, []
    monkeypatch.setattr(bucket, "read", lambda name: names.append(name) or read(name))
    for _ in range(3):
        large_client.get("/grid?category=faces&page=1")
    assert [name.rpartition("/")[2] for name in names] == ["thumbnails-00000.zip"]


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_without_its_pack_a_page_shows_what_is_in_memory(make_client, large, tmp_path, harm):
    shutil.copytree(large, tmp_path / "bucket")
    for path in (tmp_path / "bucket").rglob("*.zip"):
        path.unlink() if harm == "lost" else path.write_bytes(path.read_bytes()[:-99])
    page = make_client(tmp_path / "bucket").get("/grid?category=food&page=1").text
    shown = pictures(page)
    assert 1 < len(shown) < 60
    assert sum(map(len, shown)) < 300_000
    assert {"/food/" in link for link in links(page)} == {True}


def test_a_release_without_thumbnails_shows_small_pictures_themselves(client):
    page = client.get("/grid").text
    assert len(pictures(page)) == 24
    assert not more(page)
    assert client.get(client.get("/random.json").json["thumbnail"]).mimetype == "image/jpeg"


def test_the_wall_of_a_bare_folder_of_photos_is_bounded(make_client, tmp_path):
    for number in range(30):
        Image.effect_noise((400, 400), 90).save(tmp_path / f"{number}.png")  # 150 kB
    client = make_client(tmp_path)
    answer = client.get("/grid", headers={"Accept-Encoding": "br"})
    assert len(answer.data) < 300_000
    page = client.get("/grid").text
    assert len(pictures(page)) >= 1
    assert more(page) == "/grid"


def test_photos_too_large_for_any_wall_are_shown_one_by_one(make_client, tmp_path):
    Image.effect_noise((800, 800), 90).save(tmp_path / "a.png")
    page = make_client(tmp_path).get("/grid")
    assert page.status_code == 200
    assert "too large to be shown side by side" in page.text


def test_many_categories_are_chosen_from_a_list(make_client, tmp_path, samples):
    for number in range(20):
        shutil.copytree(samples / "food", tmp_path / f"kind-{number}")
    client = make_client(tmp_path)
    page = client.get("/grid?category=kind-7").text
    assert '<option value="kind-7" selected>' in page
    assert len(links(page)) == 12
    assert client.get("/grid?category=").status_code == 200


def test_a_category_that_is_gone_when_the_release_changes(make_client, large, samples, tmp_path):
    from generate.publish import publish

    shutil.copytree(large, tmp_path / "bucket")
    client = make_client(tmp_path / "bucket", REFRESH_S="0.1")
    old = client.get("/random.json?category=faces").json
    publish(samples, str(tmp_path / "bucket"), yes=True)
    wait_until(lambda: client.get("/health").json["release"] != old["release"])
    assert client.get("/grid?category=faces&page=1").status_code == 404
    assert client.get(old["thumbnail"]).mimetype == "image/webp"
