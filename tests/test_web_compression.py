"""web/compression.py: which encoding a browser takes, and what is sent in it."""

from __future__ import annotations

import gzip

import brotli
import pytest

from tests.conftest import ROOT
from web.compression import best_encoding


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.0, gzip;q=0", ""),
        ("brr, gzipp", ""),
        (",;,=", ""),
        ("br;q=0.1, gzip;q=0.9", "gzip"),
        ("br;q=0.5, gzip;q=0.5", "br"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("*;q=0", ""),
        ("*;q=0.5, gzip;q=0", ""),
        ("identity;q=0, *", "gzip"),
        ("identity, gzip;q=0.5", ""),
        ("gzip;q=0.0000", ""),
        ("gzip;q=-1, br;q=nan", ""),
        ("gzip;q=", ""),
        ("gzip;level=9;q=0", ""),
        ("gzip ; Q=1.000 ; level=9", "gzip"),
    ],
)
def test_best_encoding(accept, expected):
    assert best_encoding(accept) == expected


@pytest.mark.parametrize("path", ["/grid", "/about", "/static/style.css", "/static/script.js"])
@pytest.mark.parametrize(("encoding", "unpack"), [("gzip", gzip.decompress), ("br", brotli.decompress)])
def test_texts_are_compressed(client, path, encoding, unpack):
    answer = client.get(path, headers={"Accept-Encoding": encoding}, buffered=True)
    assert answer.headers["Content-Encoding"] == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert "<html" in unpack(answer.data).decode() or unpack(answer.data) == (ROOT / path[1:]).read_bytes()


def test_a_browser_without_compression_gets_plain_text(client):
    answer = client.get("/static/style.css", buffered=True)
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.data == (ROOT / "static" / "style.css").read_bytes()


def test_a_compressed_file_is_answered_with_304(client):
    headers = {"Accept-Encoding": "br"}
    etag = client.get("/static/style.css", headers=headers, buffered=True).headers["ETag"]
    again = client.get("/static/style.css", headers=headers | {"If-None-Match": etag}, buffered=True)
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("path", ["/favicon.ico", "/random.json"])
def test_what_is_small_or_no_text_is_sent_as_it_is(client, path):
    answer = client.get(path, headers={"Accept-Encoding": "br"}, buffered=True)
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("path", ["/static/style.css", "/static/favicon.svg", "/favicon.ico", "/grid", "/random.json"])
@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=9999999-", "bytes=0-1,3-4", "items=0-3", "bytes=x"])
def test_the_whole_is_sent_whatever_part_is_asked_for(client, path, asked):
    for encoding in ("", "br"):
        answer = client.get(path, headers={"Range": asked, "Accept-Encoding": encoding, "If-Range": "*"}, buffered=True)
        assert answer.status_code == 200
        assert "Accept-Ranges" not in answer.headers


@pytest.mark.parametrize("encoding", ["", "gzip", "br"])
def test_what_a_cache_keeps_is_told_apart_by_encoding(client, encoding):
    headers = {"Accept-Encoding": encoding}
    first = client.get("/static/style.css", headers=headers, buffered=True)
    for tag in (first.headers["ETag"], f'"x", {first.headers["ETag"]}', "*"):
        again = client.get("/static/style.css", headers=headers | {"If-None-Match": tag}, buffered=True)
        assert again.status_code == 304
        assert first.headers["Vary"] == again.headers["Vary"] == "Accept-Encoding"
