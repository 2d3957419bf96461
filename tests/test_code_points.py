"""Colour spaces named by code points: the pixels that another colour engine computes, or a reason."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from generate.code_points import profile_of
from generate.decoding import open_picture
from generate.formats import BadPicture
from tests.corpus import encoded
from tests.nasty import emoji, linear_profile
from tests.preparing import prepare
from tests.test_heif import far

TO_SRGB = {  # linear RGB to linear sRGB, as published
    12: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]],
    9: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
}


def named(image: Image.Image, format: str, primaries: int, transfer: int, **options: object) -> bytes:
    """The picture in a file that names these code points."""
    if format == "HEIF":
        options = {"quality": -1, "chroma": 444} | options
    data = encoded(image, format, **({"quality": 100, "subsampling": "4:4:4"} if format == "AVIF" else {}), **options)
    if format == "PNG":
        body = b"cICP" + bytes((primaries, transfer, 0, 1))
        return data[:33] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    assert data.count(b"colrnclx") == 1
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def shown(image: Image.Image, primaries: int, transfer: int) -> np.ndarray:
    """What it looks like in sRGB, computed with numpy."""
    values = np.asarray(image.convert("RGB")) / 255
    gamma = {4: 2.2, 5: 2.8, 8: 1.0}.get(transfer)
    linear = values**gamma if gamma else np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = (linear @ np.array(TO_SRGB.get(primaries, np.eye(3))).T).clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("format", ["PNG", "AVIF", "HEIF"])
@pytest.mark.parametrize(
    ("primaries", "transfer"), [(12, 13), (9, 13), (1, 8), (1, 4), (12, 4), (9, 1), (1, 13), (2, 2)]
)
def test_pixels_are_those_that_the_formulas_give(format, primaries, transfer):
    lemon = emoji("food/lemon")
    made = np.asarray(open_picture(io.BytesIO(named(lemon, format, primaries, transfer))), float)
    assert np.abs(made - shown(lemon, primaries, transfer)).mean() < 2


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P"])
def test_every_mode_of_png_follows_its_code_points(mode):
    lemon = emoji("food/lemon", "RGBA" if "A" in mode else "RGB").convert(mode)
    made = open_picture(io.BytesIO(named(lemon, "PNG", 1, 8))).convert("RGB")
    assert np.abs(np.asarray(made, float) - shown(lemon.convert("RGB"), 1, 8)).mean() < 2


@pytest.mark.parametrize("format", ["PNG", "AVIF", "HEIF"])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG"), (17, "transfer 17"), (9, "transfer 9")])
def test_hdr_is_a_reason(tmp_path, format, transfer, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bright").write_bytes(named(emoji("food/lemon"), format, 9, transfer))
    emoji("food/bread").save(tmp_path / "in" / "plain.png")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 64)

    assert result.exit_code == 0, result.output
    assert f"dropped bright: HDR or film colours ({name}" in result.output
    assert "which are not read: save it as 8-bit sRGB" in result.output


def test_code_points_of_png_count_more_than_its_profile():
    lemon = emoji("food/lemon")
    data = named(lemon, "PNG", 1, 13, icc_profile=linear_profile())
    assert far(open_picture(io.BytesIO(data)), lemon) == 0


def test_an_embedded_profile_of_avif_counts_more_than_code_points():
    lemon = emoji("food/lemon")
    data = named(lemon, "AVIF", 12, 16, icc_profile=linear_profile())
    assert np.abs(np.asarray(open_picture(io.BytesIO(data)), float) - shown(lemon, 1, 8)).mean() < 4


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_profile_of_rgb_in_a_grey_picture_is_applied(format):
    grey = emoji("food/lemon", "L")
    made = open_picture(io.BytesIO(encoded(grey, format, icc_profile=linear_profile())))
    assert np.abs(np.asarray(made, float) - shown(grey, 1, 8)).mean() < 4


def test_profiles_are_valid_and_say_what_was_asked_for():
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(12, 13))).profile
    red = profile.red_primary[1]
    assert (round(red[0], 2), round(red[1], 2)) == (0.68, 0.32)
    assert profile_of(1, 13) == profile_of(2, 1) == b""


def test_unknown_curves_are_refused():
    with pytest.raises(BadPicture, match=r"transfer 99 of H\.273"):
        profile_of(1, 99)


@pytest.mark.parametrize("length", [0, 1, 3, 4])
def test_a_code_point_chunk_that_was_cut_is_no_traceback(length):
    data = encoded(emoji("food/lemon"), "PNG")
    body = b"cICP" + bytes((12, 13, 0, 1))[:length]
    cut = data[:33] + struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    assert open_picture(io.BytesIO(cut)).size == (128, 128)
