"""web/page.py: the placeholders in a page, and its compressed forms."""

from __future__ import annotations

import gzip
import os

import brotli
import pytest

from web.page import ORIGIN, PICTURE, PREFIX, Page, Place

HTML = f'<link href="{ORIGIN}{PREFIX}/i/1"><img src="{PICTURE}"><a href="{PREFIX}/about">ü</a>'
ONE = '<link href="https://one.example/x/i/1"><img src="data:image/png;base64,AAEC"><a href="/x/about">ü</a>'
PLACE, OTHER = Place("https://one.example", "/x"), Place("https://two.example")


@pytest.fixture
def page() -> Page:
    return Page(HTML, "image/png", b"\0\1\2")


def test_the_placeholders_are_replaced(page):
    assert page.plain(PLACE).decode() == ONE
    assert page.plain(OTHER).decode() == ONE.replace("https://one.example/x", "https://two.example").replace("/x", "")


@pytest.mark.parametrize(("encoding", "unpack"), [("gzip", gzip.decompress), ("br", brotli.decompress)])
def test_a_page_is_compressed_once_for_an_address_and_again_for_another(page, encoding, unpack):
    data = page.body(PLACE, encoding)
    assert unpack(data).decode() == ONE
    assert page.body(PLACE, encoding) is data
    assert unpack(page.body(OTHER, encoding)) == page.plain(OTHER)  # whoever asks first
    again = page.body(PLACE, encoding)
    assert again == data
    assert page.body(PLACE, encoding) is again


def test_its_size_is_not_less_than_what_it_comes_to_take():
    picture = os.urandom(10_000)
    page = Page(HTML + "x" * 3000, "image/png", picture)
    compressed = [page.body(PLACE, encoding) for encoding in ("br", "gzip")]
    assert page.size >= len(HTML) + 3000 + sum(map(len, compressed))
