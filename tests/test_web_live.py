"""/live: the generator reaches browsers whole, once per server, and the page is there only where a release has one."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import os
import re
import shutil

import brotli
import pytest
import requests

from gallery.bucket import open_bucket
from gallery.live import LiveModel, live_name
from tests.conftest import LIVE, OLD, wait_until

DATA = os.urandom(1_500_000) + bytes(1_500_000)  # of more than one part; a half of it compresses
MODEL = f"/live/{LIVE}/generator.onnx"


def live_object(data: bytes, **changes: object) -> dict:
    described = LiveModel(
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        size=32,
        channels=3,
        latent_dim=16,
        noises=(8, 16, 32),
        categories=({"slug": "food", "name": "Snack"},),
    )
    return described.to_json() | changes


def fetch(client, path: str, **headers: str):
    """The whole response; its file is closed."""
    with client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}) as response:
        assert response.data is not None
    return response


def with_model(bucket, described: dict, data: bytes = DATA):
    """The bucket with a generator in its live release; any bytes do, since the site doesn't look into it."""
    for path in (bucket / "site.json", bucket / "releases" / LIVE / "site.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"live": described}))
    (bucket / live_name(LIVE)).write_bytes(data)
    return bucket


@pytest.fixture
def bucket(published, tmp_path):
    shutil.copytree(published, tmp_path / "bucket")
    return with_model(tmp_path / "bucket", live_object(DATA))


@pytest.fixture
def drawing(make_client, bucket):
    return make_client(bucket)


def test_without_a_generator_there_is_no_page_and_no_link(client):
    assert client.get("/live").status_code == 404
    assert client.get(MODEL).status_code == 404
    assert b'href="/live"' not in client.get("/about").data


def test_the_page_tells_its_script_all_it_needs(drawing):
    page = drawing.get("/live")

    assert page.status_code == 200
    assert f"/live/{LIVE}/generator.onnx".encode() in page.data
    assert b'href="/live"' in drawing.get("/about").data


@pytest.mark.parametrize("accept", ["br", "gzip", ""])
def test_the_page_says_how_large_the_runtime_is_for_each_browser(drawing, accept):
    page = fetch(drawing, "/live", Accept_Encoding=accept)
    text = {"br": brotli.decompress, "gzip": gzip.decompress, "": bytes}[accept](page.data).decode()
    told = json.loads(html.unescape(re.search('data-live="([^"]+)"', text)[1]))

    runtime = fetch(drawing, told["runtime"], Accept_Encoding=accept)

    assert told["runtime_bytes"] == runtime.content_length == len(runtime.data)


def test_only_this_page_and_its_scripts_may_run_webassembly(drawing):
    policy = drawing.get("/live").headers.getlist("Content-Security-Policy")

    assert len(policy) == 1
    assert "'wasm-unsafe-eval'" in policy[0]
    assert "unsafe-eval" not in policy[0].replace("'wasm-unsafe-eval'", "")
    assert "blob:" not in policy[0]
    for other in ("/", "/about", "/static/script.js", MODEL):
        with drawing.get(other) as response:
            (others,) = response.headers.getlist("Content-Security-Policy")
        assert "wasm" not in others


@pytest.mark.parametrize(
    ("accept", "encoding", "decode"),
    [("", None, bytes), ("gzip, br", "br", brotli.decompress), ("gzip", "gzip", gzip.decompress)],
)
def test_the_generator_is_sent_whole_and_compressed_as_the_browser_likes(drawing, accept, encoding, decode):
    response = fetch(drawing, MODEL, Accept_Encoding=accept)

    assert response.headers.get("Content-Encoding") == encoding
    assert decode(response.data) == DATA
    assert int(response.headers["Content-Length"]) == len(response.data) <= len(DATA)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Accept-Encoding" in response.headers["Vary"]
    again = fetch(drawing, MODEL, Accept_Encoding=accept, If_None_Match=response.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")


def test_head_tells_the_size_and_reads_nothing(drawing, bucket):
    (bucket / live_name(LIVE)).unlink()

    response = drawing.head(MODEL)

    assert (response.status_code, response.content_length, response.data) == (200, len(DATA), b"")


def test_storage_is_asked_once(drawing, bucket):
    assert fetch(drawing, MODEL).data == DATA
    (bucket / live_name(LIVE)).unlink()

    assert fetch(drawing, MODEL).data == DATA


@pytest.mark.parametrize(
    "path",
    [
        "/live/nonsense/generator.onnx",
        "/live/..%2f..%2fsite/generator.onnx",
        f"/live/{OLD}/generator.onnx",
        f"/live/app/0/{'a' * 300}.js",
    ],
)
def test_other_addresses_are_not_there(drawing, path):
    assert drawing.get(path).status_code == 404


def test_a_release_that_is_gone_says_so(drawing):
    assert drawing.get("/live/20200101T000000Z-00000000/generator.onnx").status_code == 410


@pytest.mark.parametrize("there", [DATA[:-1], DATA[:-1] + b"\1", DATA[: len(DATA) // 2]])
def test_damaged_bytes_are_never_sent(drawing, bucket, there):
    (bucket / live_name(LIVE)).write_bytes(there)

    assert drawing.get(MODEL).status_code == 503
    (bucket / live_name(LIVE)).write_bytes(DATA)  # mended
    deck = drawing.application.extensions["site"].deck
    wait_until(lambda: not deck.storage_is_down)
    assert fetch(drawing, MODEL).data == DATA


def test_a_lost_generator_is_not_there(drawing, bucket):
    (bucket / live_name(LIVE)).unlink()

    assert drawing.get(MODEL).status_code == 404


def test_a_later_format_has_a_page_that_can_say_so_and_no_file(make_client, bucket):
    client = make_client(with_model(bucket, {"format": 2}))

    assert client.get("/live").status_code == 200
    assert client.get(MODEL).status_code == 404


def test_slow_readers_leave_the_site_to_others_and_storage_in_the_cloud_is_read_in_parts(site, bucket, cloud_url):
    data = os.urandom(16_000_000)  # more than a socket's buffers hold
    with_model(bucket, live_object(data), data)
    cloud = open_bucket(cloud_url)
    for path in sorted(bucket.rglob("*.*")):
        cloud.create(path.relative_to(bucket).as_posix(), path.read_bytes(), "application/octet-stream")
    url = site(cloud_url)

    slow = [requests.get(url + MODEL, stream=True, timeout=60) for _ in range(8)]  # and nobody reads on

    assert requests.get(url + "/about", timeout=60).status_code == 200
    assert requests.get(url + "/", timeout=60).status_code == 200
    assert {hashlib.sha256(response.content).hexdigest() for response in slow} == {hashlib.sha256(data).hexdigest()}
