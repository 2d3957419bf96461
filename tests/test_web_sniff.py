"""web/sniff.py: content types by first bytes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from web.sniff import sniff


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
def test_what_pillow_writes_is_known(kind):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    assert sniff(file.getvalue()) == f"image/{kind}"


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"<html>", b"RIFF\0\0\0\0WAVEfmt "])
def test_anything_else_is_not_a_picture(data):
    assert sniff(data) == ""
