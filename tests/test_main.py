"""main.py: settings, proxies, and the site as it is deployed."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys

import pytest
import requests

from gallery import GalleryError
from main import create_app
from tests.conftest import ROOT, card_in, free_port, picture_in, wait_until


def below(site: str, prefix: str, headers: dict[str, str]) -> None:
    """Check every address that the site at `site` (with a proxy that strips the prefix, or without) writes."""
    base, visible = (site, "") if headers else (site.removesuffix(prefix), prefix)

    def get(path: str, **options) -> requests.Response:
        return requests.get(base + path.replace(prefix, visible, 1), headers=headers, timeout=60, **options)

    for path in ("/", "/c/food", "/categories", "/grid", "/about", "/nope"):
        page = get(prefix + path).text
        links = re.findall(r'(?:href|src|data-random)="([^"]*)"', page)
        assert len(links) > 5
        for link in {link for link in links if link and not link.startswith("data:")}:
            assert re.match(rf"(http://127\.0\.0\.1:\d+)?{prefix}/", link), link
            answer = get(re.sub(r"^http://[^/]+", "", html.unescape(link)), allow_redirects=False)
            if answer.is_redirect:  # no browser is here to go through the proxy
                answer = get(answer.headers["Location"])
            assert answer.status_code == 200, link
    permalink = card_in(get(f"{prefix}/").content)["page"]
    share = re.findall(r'property="og:(?:url|image)" content="http://127\.0\.0\.1:\d+([^"]+)"', get(permalink).text)
    assert [get(address).status_code for address in share] == [200, 200]
    entry = get(f"{prefix}/random.json").json()
    for name in ("page", "image", "category_page"):
        assert entry[name].startswith(f"{prefix}/")
        assert get(entry[name]).status_code == 200
    assert f"Disallow: {prefix}/random.json\n" in get(f"{prefix}/robots.txt").text
    moved = get(f"{prefix}//c//food", allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"][-len(prefix) - 7 :]) == (308, f"{prefix}/c/food")


def test_mounted_below_a_path_by_the_server(site, published):
    below(site(str(published), SCRIPT_NAME="/a/b"), "/a/b", {})


def test_mounted_below_a_path_by_a_proxy(site, published):
    url = site(str(published), TRUSTED_PROXIES="1")
    below(url, "/a/b", {"X-Forwarded-Prefix": "/a/b"})
    shared = requests.get(
        url, headers={"X-Forwarded-Host": "emoji.example", "X-Forwarded-Proto": "https"}, timeout=60
    ).text
    assert 'property="og:image" content="https://emoji.example/i/' in shared


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "http, https"])
def test_a_proxy_may_write_the_scheme_as_it_likes(make_client, published, scheme):
    client = make_client(published, TRUSTED_PROXIES="1")
    for path in ("/", "/about"):
        answer = client.get(path, headers={"X-Forwarded-Proto": scheme, "X-Forwarded-Host": "emoji.example"})
        assert answer.status_code == 200
        assert "https://emoji.example/" in answer.text
        assert "Strict-Transport-Security" in answer.headers


def test_headers_of_a_proxy_that_is_not_trusted_change_nothing(client):
    headers = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.example"}
    assert b"evil" not in client.get("/", headers=headers).data + client.get("/about", headers=headers).data


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "/<script>", "evil", "/ä", "/a//b", "/..", "/a/../b", "/.", "/a%2fb", "/a\\b"]
)
def test_a_prefix_that_is_not_a_path_is_refused(make_client, published, prefix):
    client = make_client(published, TRUSTED_PROXIES="1")
    for path in ("/", "/grid", "/random.json"):
        answer = client.get(path, environ_overrides={"HTTP_X_FORWARDED_PREFIX": prefix})
        assert answer.status_code == 400
        assert prefix.encode() not in answer.data


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
        ("SCRIPT_NAME=emoji", "SCRIPT_NAME is 'emoji'"),
        ("SCRIPT_NAME=/emoji/", "SCRIPT_NAME is '/emoji/'"),
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
        timeout=300,
    )
    assert done.returncode != 0
    assert sum(sentence in line for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "setting",
    [
        *("SITE_URL=https://[::1", "SITE_URL=https://a b", "SITE_URL=https://a:99999", "SITE_URL=javascript:x"),
        *("TRUSTED_HOSTS=https://a.example", "TRUSTED_HOSTS=*", "TRUSTED_HOSTS=a b", "TRUSTED_HOSTS=a,[::1"),
        *("TRUSTED_PROXIES=1.5", "TRUSTED_PROXIES=-1", "CACHE_MB=128MB", "CACHE_MB=inf", "REFRESH_S=-1"),
        *("CLOUD_STORAGE_BUCKET=" + "x" * 300, "CLOUD_STORAGE_BUCKET=/etc/passwd", "CLOUD_STORAGE_BUCKET=a\udcffb"),
    ],
)
def test_settings_of_rubbish_are_refused_by_name(setting, published):
    name, _, value = setting.partition("=")
    with pytest.raises(
        GalleryError, match=r"^The bucket '" if name == "CLOUD_STORAGE_BUCKET" else rf"^{name} (is|has) '"
    ):
        create_app({"CLOUD_STORAGE_BUCKET": str(published)} | {name: value})


def test_a_bucket_of_links_in_a_circle_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(GalleryError, match="The bucket"):
        create_app({"CLOUD_STORAGE_BUCKET": str(tmp_path / "a")})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1}'])
def test_a_damaged_catalog_stops_the_start(tmp_path, content):
    (tmp_path / "site.json").write_text(content)
    with pytest.raises(GalleryError, match=r"site\.json"):
        create_app({"CLOUD_STORAGE_BUCKET": str(tmp_path)})


def test_an_empty_folder_is_waited_for(site, tmp_path, published):
    folder = tmp_path / "bucket"
    folder.mkdir()
    url = site(str(folder), REFRESH_S="0.2")
    answer = requests.get(f"{url}/health", timeout=60)
    assert (answer.status_code, answer.json()["status"]) == (503, "cold")
    assert "no pictures" in answer.json()["error"]
    assert requests.get(url, timeout=60).status_code == 503
    shutil.copytree(published / "releases", folder / "releases")
    shutil.copy(published / "site.json", folder)
    wait_until(lambda: requests.get(url, timeout=60).status_code == 200)


def test_the_site_imports_nothing_of_the_offline_half():
    script = (
        "import sys, main; main.create_app; "
        "assert not {'torch', 'lightweight_gan', 'numpy', 'generate', 'faker', 'click_option_group'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=300, check=True)


def test_what_is_deployed_is_the_site_and_its_pictures():
    listed = (ROOT / ".gcloudignore").read_text().splitlines()
    assert {"/generate/", "/tests/", "/benchmarks/", "/docs/", "/demo/*", "!/demo/bucket", ".venv/"} <= set(listed)
    folders = ("web", "gallery", "static", "templates", "demo/bucket")
    needed = [
        path for folder in folders for path in (ROOT / folder).rglob("[!.]*.*") if "__pycache__" not in path.parts
    ]
    check = f"git -c core.excludesFile={ROOT / '.gcloudignore'} check-ignore --no-index".split()
    done = subprocess.run([*check, "main.py", *map(str, needed)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 1)


def test_gunicorn_as_deployed(site, published):
    url = site(str(published))
    pictures = {picture_in(requests.get(url, timeout=60).content) for _ in range(10)}
    assert len(pictures) >= 9


def test_app_yaml_starts_the_site_as_the_procfile_does():
    entrypoint = re.search(r"^entrypoint: (.*)$", (ROOT / "app.yaml").read_text(), re.MULTILINE)
    assert entrypoint is not None
    assert entrypoint[1].replace("$PORT", "") == (ROOT / "Procfile").read_text().removeprefix("web: ").strip().replace(
        "$PORT", ""
    )
