"""web/page.py: the gaps in a page, and its compressed forms."""

from __future__ import annotations

import gzip
import os

import brotli
import pytest

from web.page import ORIGIN, PICTURE, Page, best_encoding

HTML = f'<link href="{ORIGIN}/i/1"><img src="{PICTURE}"><a href="{ORIGIN}">ü</a>'
ONE = '<link href="https://one.example/i/1"><img src="data:image/png;base64,AAEC"><a href="https://one.example">ü</a>'


@pytest.fixture
def page() -> Page:
    return Page(HTML, "image/png", b"\0\1\2")


def test_the_gaps_are_filled(page):
    assert page.plain("https://one.example").decode() == ONE


@pytest.mark.parametrize(("encoding", "unpack"), [("gzip", gzip.decompress), ("br", brotli.decompress)])
def test_a_page_is_compressed_once_and_for_one_address(page, encoding, unpack):
    data, used = page.body("https://one.example", encoding)
    assert used == encoding
    assert unpack(data).decode() == ONE
    assert page.body("https://one.example", encoding)[0] is data
    other, used = page.body("https://two.example", encoding)
    assert used == ""
    assert other == page.plain("https://two.example")


def test_its_size_is_not_less_than_what_it_comes_to_take():
    picture = os.urandom(10_000)
    page = Page(HTML + "x" * 3000, "image/png", picture)
    compressed = [page.body("https://one.example", encoding)[0] for encoding in ("br", "gzip")]
    assert page.size >= len(HTML) + 3000 + sum(map(len, compressed))


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
    ],
)
def test_best_encoding(accept, expected):
    assert best_encoding(accept) == expected
