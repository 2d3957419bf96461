"""web/front.py: ready pages, compressed, and the headers of every response."""

from __future__ import annotations

import gzip

import brotli
import pytest

from tests.conftest import picture_in


def test_every_picture_is_shown_once_before_any_is_shown_again(client):
    pages = [client.get("/").data for _ in range(48)]
    first, second = ({picture_in(page) for page in half} for half in (pages[:24], pages[24:]))
    assert len(first) == 24
    assert first == second


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
