"""web/pages.py: the routes, their headers, and what is said of a wrong setting."""

from __future__ import annotations

import base64
import gzip
import html
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import brotli
import pytest
import requests
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gallery import GalleryError
from main import create_app
from tests.conftest import LIVE, OLD, ROOT, free_port, wait_until
from web.logs import CloudFormatter


@pytest.fixture
def make_client(request):
    """make_client(bucket, NAME="value", ...): a client of a new application, stopped after the test."""

    def make(bucket: Path, **settings: str) -> FlaskClient:
        app = create_app({"CLOUD_STORAGE_BUCKET": str(bucket)} | settings)
        deck = app.extensions["site"].deck
        request.addfinalizer(deck.stop)
        wait_until(lambda: deck.fill[0] == deck.catalog.count)
        return app.test_client()

    return make


@pytest.fixture
def client(make_client, published) -> FlaskClient:
    return make_client(published)


def picture_in(page: bytes) -> bytes:
    """The inlined picture."""
    (found,) = re.findall(rb'src="data:image/jpeg;base64,([^"]+)"', page)
    return base64.b64decode(found)


def card_in(page: bytes) -> dict:
    """What the page tells its own script."""
    (found,) = re.findall(rb"data-card='([^']+)'", page)
    return json.loads(html.unescape(found.decode()))


def test_the_picture_is_on_one_line_of_the_page(client):
    lines = client.get("/").data.splitlines()
    assert sum(b"data:image/" in line for line in lines) == 1


def test_every_picture_is_shown_once_before_any_is_shown_again(client):
    pages = [client.get("/").data for _ in range(48)]
    first, second = ({picture_in(page) for page in half} for half in (pages[:24], pages[24:]))
    assert len(first) == 24
    assert first == second


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


def test_a_bare_folder_is_a_site_whose_pictures_are_asked_for_again(make_client, samples):
    client = make_client(samples)
    card = card_in(client.get("/c/food").data)
    assert card["release"].startswith("folder-")
    assert client.get(card["image"]).headers["Cache-Control"] == "no-cache"
    assert "Nobody made this food" in card["text"]


@pytest.mark.parametrize(("accept", "encoding"), [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0", None)])
def test_pages_are_compressed(client, accept, encoding):
    answer = client.get("/", headers={"Accept-Encoding": accept})
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert picture_in(unpack(answer.data)).startswith(b"\xff\xd8")


def test_a_strangers_host_name_takes_compression_from_nobody(client):
    browser = {"Accept-Encoding": "gzip"}
    for _ in range(24):
        client.get("/", base_url="http://scanner.example", headers=browser)
    for _ in range(48):
        assert client.get("/", base_url="http://emoji.example", headers=browser).headers["Content-Encoding"] == "gzip"


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


def below(site: str, prefix: str, headers: dict[str, str]) -> None:
    """Check every address that the site at `site` (with a proxy that strips the prefix, or without) writes."""
    base, visible = (site, "") if headers else (site.removesuffix(prefix), prefix)

    def get(path: str, **options) -> requests.Response:
        return requests.get(base + path.replace(prefix, visible, 1), headers=headers, timeout=10, **options)

    for path in ("/", "/c/food", "/categories", "/grid", "/about", "/nope"):
        page = get(prefix + path).text
        links = re.findall(r'(?:href|src|data-random)="([^"]*)"', page)
        assert len(links) > 5
        for link in {link for link in links if link and not link.startswith("data:")}:
            assert re.match(rf"(http://127\.0\.0\.1:\d+)?{prefix}/", link), link
            answer = get(re.sub(r"^http://[^/]+", "", html.unescape(link)))
            assert answer.status_code == 200, link
    permalink = card_in(get(f"{prefix}/").content)["page"]
    share = re.findall(r'property="og:(?:url|image)" content="http://127\.0\.0\.1:\d+([^"]+)"', get(permalink).text)
    assert [get(address).status_code for address in share] == [200, 200]
    entry = get(f"{prefix}/random.json").json()
    for name in ("page", "image", "category_page"):
        assert entry[name].startswith(f"{prefix}/")
        assert get(entry[name]).status_code == 200
    moved = get(f"{prefix}//c//food", allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"][-len(prefix) - 7 :]) == (308, f"{prefix}/c/food")


def test_mounted_below_a_path_by_the_server(site, published):
    below(site(str(published), SCRIPT_NAME="/a/b"), "/a/b", {})


def test_mounted_below_a_path_by_a_proxy(site, published):
    url = site(str(published), TRUSTED_PROXIES="1")
    below(url, "/a/b", {"X-Forwarded-Prefix": "/a/b"})
    shared = requests.get(
        url, headers={"X-Forwarded-Host": "emoji.example", "X-Forwarded-Proto": "https"}, timeout=10
    ).text
    assert 'property="og:image" content="https://emoji.example/i/' in shared


def test_headers_of_a_proxy_that_is_not_trusted_change_nothing(client):
    headers = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.example"}
    assert b"evil" not in client.get("/", headers=headers).data + client.get("/about", headers=headers).data


@pytest.mark.parametrize("prefix", ["//evil.example", "/<script>", "evil", "/ä", "/a//b"])
def test_a_prefix_that_is_not_a_path_is_refused(make_client, published, prefix):
    client = make_client(published, TRUSTED_PROXIES="1")
    for path in ("/", "/grid", "/random.json"):
        answer = client.get(path, environ_overrides={"HTTP_X_FORWARDED_PREFIX": prefix})
        assert answer.status_code == 400
        assert b"<script>" not in answer.data


def test_markup_in_a_host_name_stays_text(client):
    answer = client.get("/", headers={"Host": 'x"><script>alert(1)</script>'})
    assert b"<script>alert" not in answer.data


def test_only_trusted_hosts_are_answered(make_client, published):
    client = make_client(published, TRUSTED_HOSTS="emoji.example, .more.example")
    assert client.get("/", base_url="http://emoji.example").status_code == 200
    assert client.get("/", base_url="http://a.more.example").status_code == 200
    for path in ("/", "/grid", "/random.json", f"/i/{LIVE}/food/1.jpg", "/robots.txt"):
        answer = client.get(path, base_url="http://evil.example")
        assert answer.status_code == 400
        assert b"Traceback" not in answer.data


def test_probes_use_addresses_and_are_answered_all_the_same(make_client, published):
    client = make_client(published, TRUSTED_HOSTS="emoji.example")
    for host in ("10.0.0.7:8080", "my_site:8080", "[::1]"):
        for path in ("/health", "/_ah/warmup"):
            assert client.get(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["my_site:8080", "a b", "emoji.example:99999", "/", "ä.example"])
def test_a_host_that_links_cannot_name_is_refused(client, host):
    for path in ("/", "/c/food", "/about", "/random.json", "//c//food"):
        answer = client.get(path, environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == 400
        assert "Location" not in answer.headers


def test_without_a_host_header_the_servers_own_address_is_used(client):
    answer = client.get("/", environ_overrides={"HTTP_HOST": "", "SERVER_NAME": "10.0.0.7", "SERVER_PORT": "8080"})
    assert b'content="http://10.0.0.7:8080/i/' in answer.data


@pytest.mark.parametrize("path", ["/", "/grid", "/about", "/health", "/nope", "/random.json", "/static/style.css"])
def test_every_answer_is_protected(client, path):
    for method in ("GET", "HEAD", "POST"):
        headers = client.open(path, method=method, buffered=True).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in headers
        assert "Strict-Transport-Security" not in headers
    assert "Strict-Transport-Security" in client.get(path, base_url="https://localhost", buffered=True).headers


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


def test_permalinks_go_on_while_the_catalog_is_damaged(make_client, published, tmp_path):
    folder = tmp_path / "bucket"
    shutil.copytree(published, folder)
    client = make_client(folder, REFRESH_S="0.1")
    (folder / "site.json").write_text('{"format": 2}')
    wait_until(lambda: client.get("/health").json["status"] == "degraded")
    assert "format 2" in client.get("/health").json["error"]
    for path in ("/", f"/i/{LIVE}/food/1.jpg", f"/i/{OLD}/food/1", f"/i/{OLD}/food/1.jpg"):
        assert client.get(path).status_code == 200


def test_invented_releases_are_gone_without_asking_storage(client, monkeypatch):
    bucket, asked = client.application.extensions["site"].deck.bucket, []
    read = bucket.read_generation
    monkeypatch.setattr(bucket, "read_generation", lambda name: asked.append(name) or read(name))
    for number in range(500):
        assert client.get(f"/i/20250101T000000Z-{number:08x}/food/1.jpg").status_code == 410
    assert asked == []


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


def test_log_lines_are_json_on_google_cloud(published):
    script = "import main, logging; main.app; logging.getLogger('x').warning('a\\nb')"
    environment = os.environ | {"CLOUD_STORAGE_BUCKET": str(published), "K_SERVICE": "site"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert entries[-1]["severity"] == "WARNING"
    assert entries[-1]["message"] == "a\nb"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("CLOUD_STORAGE_BUCKET=/does/not/exist", "'/does/not/exist' does not exist"),
        ("CLOUD_STORAGE_BUCKET=http://example.com", "'http://example.com' is not a bucket"),
        ("CACHE_MB=lots", "CACHE_MB is 'lots'"),
        ("CACHE_MB=nan", "CACHE_MB is 'nan'"),
        ("REFRESH_S=0", "REFRESH_S is '0'"),
        ("SITE_URL=example.com/x", "SITE_URL is 'example.com/x'"),
        ("SITE_URL=https://example.com/x", "SITE_URL is 'https://example.com/x'"),
        ("TRUSTED_PROXIES=all", "TRUSTED_PROXIES is 'all'"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(setting, sentence, published):
    name, _, value = setting.partition("=")
    command = (ROOT / "Procfile").read_text().removeprefix("web:").replace("$PORT", str(free_port()))
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=ROOT,
        env=os.environ | {"CLOUD_STORAGE_BUCKET": str(published)} | {name: value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert sum(sentence in line for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1}'])
def test_a_damaged_catalog_stops_the_start(tmp_path, content):
    (tmp_path / "site.json").write_text(content)
    with pytest.raises(GalleryError, match=r"site\.json"):
        create_app({"CLOUD_STORAGE_BUCKET": str(tmp_path)})


def test_an_empty_folder_is_waited_for(site, tmp_path, published):
    folder = tmp_path / "bucket"
    folder.mkdir()
    url = site(str(folder), REFRESH_S="0.2")
    answer = requests.get(f"{url}/health", timeout=10)
    assert (answer.status_code, answer.json()["status"]) == (503, "cold")
    assert "no pictures" in answer.json()["error"]
    assert requests.get(url, timeout=10).status_code == 503
    shutil.copytree(published / "releases", folder / "releases")
    shutil.copy(published / "site.json", folder)
    wait_until(lambda: requests.get(url, timeout=10).status_code == 200, 60)


def test_the_site_imports_nothing_of_the_offline_half():
    script = (
        "import sys, main; main.create_app; "
        "assert not {'torch', 'lightweight_gan', 'numpy', 'generate', 'faker', 'click_option_group'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=True)


def test_every_line_of_gunicorn_is_json_on_google_cloud(site, published, tmp_path):
    site(str(published), K_SERVICE="site")
    (log,) = tmp_path.glob("gunicorn-*.log")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["severity"] for line in lines} == {"INFO"}
    assert {line["logger"] for line in lines} >= {"gunicorn.error", "web.deck"}


def test_what_is_deployed_is_the_site_and_its_pictures():
    listed = (ROOT / ".gcloudignore").read_text().splitlines()
    assert {"/generate/", "/tests/", "/benchmarks/", "/docs/", "/demo/*", "!/demo/bucket", ".venv/"} <= set(listed)
    folders = ("web", "gallery", "static", "templates", "demo/bucket")
    needed = [path for folder in folders for path in (ROOT / folder).rglob("*.*") if "__pycache__" not in path.parts]
    check = f"git -c core.excludesFile={ROOT / '.gcloudignore'} check-ignore --no-index".split()
    done = subprocess.run([*check, "main.py", *map(str, needed)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 1)


def test_gunicorn_as_deployed(site, published):
    url = site(str(published))
    pictures = {picture_in(requests.get(url, timeout=10).content) for _ in range(10)}
    assert len(pictures) >= 9


def test_app_yaml_starts_the_site_as_the_procfile_does():
    entrypoint = re.search(r"^entrypoint: (.*)$", (ROOT / "app.yaml").read_text(), re.MULTILINE)
    assert entrypoint is not None
    assert entrypoint[1].replace("$PORT", "") == (ROOT / "Procfile").read_text().removeprefix("web: ").strip().replace(
        "$PORT", ""
    )


LATIN = st.text(st.characters(max_codepoint=255), max_size=40)  # what WSGI can carry
PART = st.one_of(
    st.sampled_from(
        ["", "c", "i", "food", "animals", "grid", "static", "..", ".", LIVE, OLD, "folder-00000000", "1.jpg"]
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
        st.sampled_from(["/", "/grid", "/random.json", "/categories", "/about", "/health", "/favicon.ico"]),
    ),
    query=st.one_of(PART.map(lambda part: f"category={part}"), LATIN),
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


def test_a_log_line_names_the_request_that_it_belongs_to(client, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "emoji")
    client.get("/about", headers={"X-Cloud-Trace-Context": "105445aa7843bc8bf206b12000100000/1;o=1"})
    record = logging.LogRecord("web.deck", logging.INFO, "deck.py", 1, "Storage works again.", None, None)
    entry = json.loads(CloudFormatter().format(record))
    assert entry["logging.googleapis.com/trace"] == "projects/emoji/traces/105445aa7843bc8bf206b12000100000"
    assert (entry["severity"], entry["message"]) == ("INFO", "Storage works again.")
