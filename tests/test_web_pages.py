"""web/pages.py: the routes, their headers, and their errors."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import LIVE, OLD, card_in, picture_in, wait_until


def test_the_picture_is_on_one_line_of_the_page(client):
    lines = client.get("/").data.splitlines()
    assert sum(b"data:image/" in line for line in lines) == 1


def test_a_page_shows_the_picture_that_its_permalink_names(client):
    page = client.get("/").data
    card = card_in(page)
    assert client.get(card["image"]).data == picture_in(page)
    assert picture_in(client.get(card["page"]).data) == picture_in(page)


def test_category(client, published):
    page = client.get("/c/food").data
    assert b'<h1 id="title">This Snack Does Not Exist</h1>' in page
    assert card_in(page)["category"] == "food"
    assert client.get("/c/animals").data.count(b"An animal that does not exist") >= 1


def test_markup_in_a_developers_name_stays_text(client):
    pages = b"".join(client.get("/").data for _ in range(24))
    assert b"<b>rush</b>" not in pages
    assert b"&lt;b&gt;rush" in pages


def test_categories_and_grid_link_to_everything(client):
    categories, grid = client.get("/categories").text, client.get("/grid").text
    assert 'href="/c/food"' in categories
    assert "12 pictures" in categories
    assert len(set(re.findall(rf'href="/i/{LIVE}/(?:food|animals)/\d+"', grid))) == 24
    assert "food" not in re.findall(r'href="/i/[^/]+/([a-z]+)', client.get("/grid?category=animals").text)
    for image in re.findall(r'src="(/i/[^"]+)"', categories + grid):
        assert client.get(image).status_code == 200, image


def test_an_older_release_keeps_its_permalinks(client):
    assert client.get(f"/i/{OLD}/food/3").status_code == 200
    assert client.get(f"/i/{OLD}/food/3.jpg").data == client.get(f"/i/{LIVE}/food/3.jpg").data
    assert client.get(f"/i/{OLD}/animals/3").status_code == 404


def test_a_pruned_release_is_gone(client):
    for address in ("/i/20250101T000000Z-00000000/food/1", "/i/folder-00000000/food/1.jpg"):
        answer = client.get(address)
        assert answer.status_code == 410
        assert "gone" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/c/",
        "/c/nope",
        "/c/..%2f..%2fetc",
        f"/i/{LIVE}/food/12",
        f"/i/{LIVE}/food/-1",
        f"/i/{LIVE}/food/1.png",
        f"/i/{LIVE}/food/{'9' * 5000}",
        f"/i/{LIVE}/food/٣",
        f"/i/{LIVE}/../food/1",
        "/i/..%2f..%2f../food/1.jpg",
        "/i/folder-/food/1.jpg",
        "/grid?category=nope",
        "/static/../main.py",
        "/static/%2e%2e/main.py",
    ],
)
def test_what_is_not_there_offers_a_picture(client, path):
    answer = client.get(path)
    assert answer.status_code == client.head(path).status_code == 404
    if not path.startswith("/static"):
        assert re.search(r'<img src="/i/[^"]+\.jpg"', answer.text)


def test_random_json(client):
    answer = client.get("/random.json?category=food")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["title"] == "This Snack Does Not Exist"
    assert answer.json["developer"] in answer.json["text"]
    assert client.get(answer.json["image"]).headers["Content-Type"] == answer.json["type"]
    missing = client.get("/random.json?category=nope")
    assert (missing.status_code, missing.json["status"]) == (404, 404)


def test_random_jpg_leads_to_every_picture_before_any_comes_again(client):
    answers = [client.get("/random.jpg") for _ in range(24)]
    assert {answer.status_code for answer in answers} == {302}
    assert len({answer.headers["Location"] for answer in answers}) == 24
    for answer in answers[:3]:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        picture = client.get(answer.headers["Location"])
        assert (picture.status_code, picture.mimetype) == (200, "image/jpeg")
        assert "immutable" in picture.headers["Cache-Control"]


def test_random_jpg_of_a_category(client, make_client, tmp_path):
    addresses = {client.get("/random.jpg?category=food").headers["Location"] for _ in range(12)}
    assert len(addresses) == 12
    assert all(re.fullmatch(rf"/i/{LIVE}/food/\d+\.jpg", address) for address in addresses)
    assert client.get("/random.jpg?category=nope").status_code == 404
    assert client.head("/random.jpg").status_code == 302
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert make_client(tmp_path).get("/random.jpg").headers["Location"].endswith("/picture/0.png")


def test_random_jpg_stays_below_the_prefix(client):
    address = client.get("/random.jpg", environ_overrides={"SCRIPT_NAME": "/below"}).headers["Location"]
    assert address.startswith("/below/i/")


def test_the_feed_has_a_picture_a_day_and_the_same_for_everybody(client, make_client, published):
    answer = client.get("/feed.xml", base_url="https://emoji.example")
    assert answer.mimetype == "application/rss+xml"
    assert "max-age" in answer.headers["Cache-Control"]
    channel = ElementTree.fromstring(answer.data).find("channel")
    assert channel.findtext("title") == "This Emoji Does Not Exist"
    assert channel.findtext("link") == "https://emoji.example/"
    items = channel.findall("item")
    dates = [parsedate_to_datetime(item.findtext("pubDate")) for item in items]
    assert [dates[0] - date for date in dates] == [timedelta(days=age) for age in range(7)]
    assert abs(dates[0] - datetime.now(UTC)) < timedelta(days=2)
    assert len({item.findtext("guid") for item in items}) == len({item.findtext("link") for item in items}) == 7
    for item in items:
        page = client.get(item.findtext("link").removeprefix("https://emoji.example")).text
        (image,) = re.findall(r'src="https://emoji.example([^"]+)"', item.findtext("description"))
        assert picture_in(page.encode()) == client.get(image).data
        assert item.findtext("title") in page
    assert make_client(published).get("/feed.xml", base_url="https://emoji.example").data == answer.data


def test_markup_in_a_title_leaves_the_feed_whole(make_client, tmp_path, samples):
    shutil.copytree(samples / "food", tmp_path / "<i>&amp; R&B")
    channel = ElementTree.fromstring(make_client(tmp_path).get("/feed.xml").data).find("channel")
    assert "<i>&amp; R&B" in channel.findtext("title")


@pytest.mark.parametrize("path", ["/", "/c/food"])
def test_a_page_with_a_random_picture_is_its_own_canonical_address(client, path):
    for host in ("one.example", "two.example"):
        answer = client.get(path, base_url=f"https://{host}")
        assert answer.headers["Link"] == f'<https://{host}{path}>; rel="canonical"'
        assert "canonical" not in answer.text
        assert 'property="og:url"' not in answer.text


def test_a_permalink_is_its_own_canonical_address(client):
    page = client.get(f"/i/{LIVE}/food/3", base_url="https://one.example").text
    assert f'<link rel="canonical" href="https://one.example/i/{LIVE}/food/3">' in page
    assert f'<meta property="og:url" content="https://one.example/i/{LIVE}/food/3">' in page


@pytest.mark.parametrize(("size", "card"), [((64, 64), "summary"), ((640, 480), "summary_large_image")])
def test_the_share_card_is_as_large_as_the_picture_allows(make_client, tmp_path, size, card):
    Image.new("RGB", size, "red").save(tmp_path / "a.jpg")
    page = make_client(tmp_path).get("/").text
    assert f'<meta name="twitter:card" content="{card}">' in page
    assert f'<meta property="og:image:width" content="{size[0]}">' in page
    assert f'<meta property="og:image:height" content="{size[1]}">' in page


def test_with_one_category_nothing_speaks_of_categories(make_client, tmp_path, samples):
    shutil.copytree(samples / "food", tmp_path / "food")
    client = make_client(tmp_path)
    for path in ("/", "/grid", "/about", "/favourites", card_in(client.get("/").data)["page"]):
        page = client.get(path).text
        assert "/categories" not in page
        assert "More like this" not in page
        assert "category=" not in page.replace("random.json?category=", "")
    assert client.get("/categories").headers["Location"] == "/"
    words = re.sub(r"<head>.*?</head>|<[^>]*>", "", client.get("/").text, flags=re.DOTALL)
    assert words.count("This Food Does Not Exist") == 1


def test_favourites_say_what_they_need(client):
    assert "<noscript><p>Favourites need JavaScript" in client.get("/favourites").text


def test_a_permalink_does_not_link_to_itself(client):
    address = f"/i/{LIVE}/food/3"
    assert f'href="{address}"' not in re.sub(r"<link[^>]*>", "", client.get(address).text)


def test_the_page_without_pictures_tries_again_without_javascript_too(tmp_path):
    from main import create_app

    app = create_app({"CLOUD_STORAGE_BUCKET": str(tmp_path)})
    try:
        answer = app.test_client().get("/")
    finally:
        app.extensions["site"].deck.stop()
    assert answer.status_code == 503
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in answer.text
    assert "style.css" in answer.text
    assert 'aria-label="Site"' in answer.text


def test_pictures_are_cached_for_good_and_answered_with_304(client):
    answer = client.get(f"/i/{LIVE}/food/3.jpg")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    again = client.get(f"/i/{LIVE}/food/3.jpg", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_webp_picture_that_is_called_jpg_is_served_as_what_it_is(make_client, tmp_path):
    (tmp_path / "cats").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "cats" / "a.jpg", "webp")
    client = make_client(tmp_path)
    page = client.get("/").data
    assert b'src="data:image/webp;base64,' in page
    card = card_in(page)
    assert card["type"] == "image/webp"
    assert client.get(card["image"]).headers["Content-Type"] == "image/webp"
    assert b'src="data:image/webp;base64,' in client.get(card["page"]).data


def test_a_bare_folder_is_a_site_whose_pictures_are_asked_for_again(make_client, samples):
    client = make_client(samples)
    card = card_in(client.get("/c/food").data)
    assert card["release"].startswith("folder-")
    assert client.get(card["image"]).headers["Cache-Control"] == "no-cache"
    assert "Nobody made this food" in card["text"]


@pytest.mark.parametrize("path", ["/", "/grid", f"/i/{LIVE}/food/1", f"/i/{LIVE}/food/1.jpg", "/random.json"])
def test_head_says_the_same_without_the_body(client, path):
    answer = client.head(path)
    assert answer.status_code == 200
    assert answer.data == b""
    assert int(answer.headers["Content-Length"]) > 100


def test_other_methods_are_refused_with_a_page(client):
    answer = client.post("/", data=b"x" * 100_000)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_health_says_how_it_is_for_machines(client):
    said = client.get("/health").json
    assert (said["status"], said["cards"], said["pictures"], said["release"]) == ("ok", 24, 24, LIVE)
    assert (said["error"], said["thread_alive"]) == (None, True)
    assert said["refresh_age_s"] >= 0


def test_folders_of_every_script_have_pages_of_their_own(make_client, tmp_path, samples):
    for number, folder in enumerate(["寿司", "ラーメン", "кошки", "Picture", "Cats", "cats", "🍍"]):
        (tmp_path / folder).mkdir()
        shutil.copy(samples / "food" / f"{number:07d}.jpg", tmp_path / folder / "a.jpg")
    shutil.copy(samples / "food" / "0000009.jpg", tmp_path / "loose.jpg")

    client = make_client(tmp_path)

    for slug in ("shou-si", "ramen", "koshki", "picture", "picture-2", "cats", "cats-2", "pineapple"):
        assert client.get(f"/c/{slug}").status_code == 200


def test_names_that_are_not_utf8_are_skipped(make_client, tmp_path, samples, caplog):
    shutil.copytree(samples / "food", tmp_path / "food")
    bad = os.fsencode(tmp_path / "food") + b"/caf\xe9.jpg"
    try:
        shutil.copy(os.fsencode(samples / "food" / "0000000.jpg"), bad)
    except OSError:
        pytest.skip("this file system takes no such names")
    client = make_client(tmp_path, REFRESH_S="0.1")
    assert client.get("/health").json["cards"] == 12
    assert client.get("/").status_code == client.get("/grid").status_code == 200
    assert caplog.text.count("not in UTF-8") == 1
    assert "caf\\udce9.jpg" in caplog.text


def test_small_routes(client):
    assert client.get("/_ah/warmup").status_code == 200
    assert client.get("/robots.txt").text.startswith("User-agent")
    assert client.get("/favicon.ico", buffered=True).data.startswith(b"\0\0\1\0")
    assert f"{24} pictures" in client.get("/about").text


def test_pages_have_no_inline_script_or_style(client):
    for path in ("/", "/grid", "/categories", "/about", "/nope"):
        page = client.get(path).text
        assert "<style" not in page
        assert " style=" not in page
        assert not re.search(r"<script(?![^>]* src=)", page)
        assert not re.search(r"\son\w+=", page)


LATIN = st.text(st.characters(max_codepoint=255), max_size=40)  # what WSGI can carry
PART = st.one_of(
    st.sampled_from(
        [
            "",
            "c",
            "i",
            "t",
            "game",
            "food",
            "animals",
            "grid",
            "static",
            "..",
            ".",
            LIVE,
            OLD,
            "folder-00000000",
            "1.jpg",
        ]
    ),
    st.integers().map(str),
    LATIN,
)


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.one_of(
        st.lists(PART, max_size=6).map(lambda parts: "/" + "/".join(parts)),
        st.tuples(st.sampled_from([LIVE, OLD]), PART, PART).map(lambda parts: "/i/" + "/".join(parts)),
        PART.map(lambda part: f"/c/{part}"),
        st.tuples(st.sampled_from(["t", "game"]), st.sampled_from([LIVE, OLD]), PART, PART)
        .map("/".join)
        .map("/{}".format),
        st.sampled_from(["/", "/grid", "/random.json", "/categories", "/about", "/health", "/favicon.ico"]),
    ),
    query=st.one_of(PART.map(lambda part: f"category={part}&page={part}&guess={part}"), LATIN),
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE"]),
    headers=st.dictionaries(
        st.sampled_from(
            [
                "HOST",
                "ACCEPT_ENCODING",
                "IF_NONE_MATCH",
                "IF_MODIFIED_SINCE",
                "RANGE",
                "X_CLOUD_TRACE_CONTEXT",
                "COOKIE",
            ]
        ).map("HTTP_{}".format),
        LATIN,
    ),
)
def test_nothing_that_is_asked_for_breaks_it(client, path, query, method, headers):
    overrides = {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": method} | headers
    answer = client.open("/", environ_overrides=overrides, buffered=True)
    assert answer.status_code in (200, 206, 304, 308, 400, 404, 405, 410, 416)
    assert b"Traceback" not in answer.data
    assert "Content-Security-Policy" in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_permalinks_of_a_bare_folder_outlast_other_pictures_and_a_restart(make_client, samples, tmp_path):
    shutil.copytree(samples, tmp_path / "bare")
    client = make_client(tmp_path / "bare", REFRESH_S="0.1")
    deck = client.application.extensions["site"].deck
    card = card_in(client.get("/c/food").data)
    before, release = client.get(card["image"]).data, deck.catalog.release
    first, last = sorted((tmp_path / "bare" / "food").iterdir())[
        :: len(list((tmp_path / "bare" / "food").iterdir())) - 1
    ]
    shutil.copy(first, first.with_name("!.jpg"))
    shutil.copy(last, last.with_name("zzz.jpg"))
    (tmp_path / "bare" / "aaa").mkdir()
    shutil.copy(last, tmp_path / "bare" / "aaa" / "0.jpg")
    wait_until(lambda: deck.catalog.release != release)

    for now in (client, make_client(tmp_path / "bare")):
        assert now.get(card["image"]).data == before
        assert picture_in(now.get(card["page"]).data) == before
        assert now.get(card["page"] + ".json").json["page"].rpartition("/")[0] == card["page"].rpartition("/")[0]
    (tmp_path / "bare" / "food" / f"{card['number']:07d}.jpg").unlink()
    wait_until(lambda: client.get(card["page"]).status_code == 410)
    assert make_client(tmp_path / "bare").get(card["image"]).status_code == 410


def test_a_file_that_is_replaced_in_a_bare_folder_is_shown(make_client, samples, tmp_path):
    (tmp_path / "bare").mkdir()
    old, new, *_ = sorted((samples / "food").iterdir())
    shutil.copy(old, tmp_path / "bare" / "0.jpg")
    client = make_client(tmp_path / "bare", REFRESH_S="0.1")
    card = card_in(client.get("/").data)
    shutil.copy(new, tmp_path / "bare" / "0.jpg")

    wait_until(lambda: picture_in(client.get("/").data) == new.read_bytes())

    assert client.get(card["image"]).data == new.read_bytes()
