"""web/sniff.py: content types and sizes by first bytes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from web.sniff import SIGNATURES, measure, sniff


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
def test_what_pillow_writes_is_known(kind):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    assert sniff(file.getvalue()) == f"image/{kind}"


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"<html>", b"RIFF\0\0\0\0WAVEfmt "])
def test_anything_else_is_not_a_picture(data):
    assert sniff(data) == ""


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
@pytest.mark.parametrize(
    "options", [{}, {"lossless": True}, {"exif": b"Exif\0\0" + b"x" * 900}, {"progressive": True}], ids=str
)
def test_sizes_are_those_of_pillow(kind, options):
    if kind == "gif":
        options = {}
    file = io.BytesIO()
    Image.new("RGB", (300, 7), "red").save(file, kind, **options)
    data = file.getvalue()
    assert measure(data) == (300, 7)
    assert all(measure(data[:end]) in (None, (300, 7)) for end in range(len(data)))


@given(
    st.sampled_from([*SIGNATURES.values(), b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8L"]), st.binary(max_size=99)
)
def test_a_damaged_file_has_a_size_or_none(start, rest):
    size = measure(start + rest)
    assert size is None or min(size) > 0
