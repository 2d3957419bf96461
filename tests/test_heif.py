"""HEIF, the format of iPhone photos: the pixels another decoder reads, upright, in the right colours; damage is a reason."""

from __future__ import annotations

import io
import random
import struct

import av
import numpy as np
import pytest
from PIL import Image

from generate.collecting.provenance import read_table
from generate.decoding import open_picture, size_of, suffix_of
from generate.formats import BadPicture
from tests.collecting import run
from tests.corpus import damage, encoded, heif10
from tests.nasty import emoji, linear_profile
from tests.preparing import prepare


def far(image: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(image, int) - np.asarray(other.convert(image.mode), int)).mean())


def by_ffmpeg(data: bytes) -> np.ndarray:
    """The picture of a file without tiles as (H, W, 3) uint8, by FFmpeg's own HEVC decoder."""
    with av.open(io.BytesIO(data)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def exif(orientation: int, type: int = 3) -> bytes:
    """EXIF with an orientation of this TIFF type; 3 is the right one."""
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, type, 1, orientation, 0, 0)


@pytest.mark.parametrize("options", [{}, {"quality": 50}, {"chroma": 444}, {"chroma": 422}, {"quality": -1}])
@pytest.mark.parametrize("size", [(128, 128), (130, 70)])
def test_pixels_are_those_of_another_decoder(options, size):
    data = encoded(emoji("food/lemon").resize(size), "HEIF", **options)
    assert np.abs(np.asarray(open_picture(io.BytesIO(data)), int) - by_ffmpeg(data)).mean() < 2


def test_ten_bits_are_those_of_another_decoder():
    data = heif10("RGB", np.asarray(emoji("food/lemon")).astype(np.uint16) * 257, chroma=444)
    assert np.abs(np.asarray(open_picture(io.BytesIO(data)), int) - by_ffmpeg(data)).max() <= 2


def test_a_dark_grey_of_ten_bits_stays_dark():
    shades = np.asarray(emoji("food/lemon", "L")).astype(np.uint16) * 257 // 8
    made = np.asarray(open_picture(io.BytesIO(heif10("I", shades, quality=-1))).convert("L"), int)
    assert np.abs(made - shades // 257).max() <= 1


def test_the_tiles_of_a_phone_are_one_picture(tmp_path):
    photo = emoji("food/cupcake", size=256).crop((0, 0, 200, 256))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "IMG_0001.HEIC").write_bytes(encoded(photo, "HEIF", tile_size=64, exif=exif(6)))

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 128)

    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out" / "IMG_0001.png") as made:
        assert far(made, photo.rotate(-90, expand=True).crop((28, 0, 228, 200)).resize((128, 128))) < 5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("type", [3, 5])
def test_photos_are_turned_once(orientation, type):
    """The file's own properties say how it is turned. Cameras repeat it in the EXIF, which can also be mistyped."""
    lying = encoded(emoji("food/cupcake").resize((96, 64)), "HEIF", exif=exif(orientation))
    data = lying.replace(exif(orientation), exif(orientation, type))

    upright = Image.open(io.BytesIO(encoded(emoji("food/cupcake").resize((96, 64)), "TIFF")))
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # by EXIF's definition
    if orientation > 1:
        upright = upright.transpose(Image.Transpose(turns[orientation]))
    assert far(open_picture(io.BytesIO(data)), upright) < 5


def test_the_main_picture_is_taken_of_several():
    lemon, fox = emoji("food/lemon"), emoji("animals/fox")
    data = encoded(fox, "HEIF", save_all=True, append_images=[lemon], primary_index=1)

    assert far(open_picture(io.BytesIO(data)), lemon) < 5
    assert suffix_of(io.BytesIO(data)) == ".heic"


def test_a_thumbnail_is_not_taken_for_the_picture():
    data = encoded(emoji("food/lemon"), "HEIF", thumbnails=[32])
    assert size_of(io.BytesIO(data)) == open_picture(io.BytesIO(data), 16).size == (128, 128)


def test_colour_profiles_are_applied():
    original = emoji("food/lemon")
    made = open_picture(io.BytesIO(encoded(original, "HEIF", icc_profile=linear_profile(), quality=-1, chroma=444)))

    shown = Image.fromarray((255 * (np.asarray(original) / 255) ** (1 / 2.2)).round().astype(np.uint8))
    assert far(made, shown) < 4


def test_transparency_is_kept():
    original = emoji("food/lemon", "RGBA")
    made = open_picture(io.BytesIO(encoded(original, "HEIF")))
    assert made.mode == "RGBA"
    assert far(made.getchannel("A"), original.getchannel("A")) < 2


def test_collect_keeps_photos_of_a_phone(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "named wrongly.jpg").write_bytes(encoded(emoji("food/lemon"), "HEIF"))
    (tmp_path / "in" / "without a suffix").write_bytes(encoded(emoji("food/bread"), "HEIF"))

    result = run(tmp_path / "in", tmp_path / "out", "--min-size", 32)

    assert result.exit_code == 0, result.output
    assert [row.status for row in read_table(tmp_path / "out" / "sources.csv")] == ["kept", "kept"]
    assert prepare(tmp_path / "out", tmp_path / "prepared", "--size", 64).exit_code == 0


@pytest.mark.parametrize("share", [0.0001, 0.1, 0.6])
def test_a_file_that_was_cut_is_a_reason(share):
    data = encoded(emoji("food/lemon"), "HEIF")
    with pytest.raises(BadPicture, match="damaged: "):
        open_picture(io.BytesIO(data[: -max(2, int(len(data) * share))]))


def test_damaged_files_are_pictures_or_reasons():
    draw = random.Random(0)
    files = [
        encoded(emoji("food/lemon", size=64), "HEIF", exif=exif(6)),
        encoded(emoji("food/lemon", "RGBA", size=64), "HEIF"),
        encoded(emoji("food/lemon", size=96), "HEIF", tile_size=64),
    ]
    reasons = []
    for number in range(300):
        try:
            open_picture(io.BytesIO(damage(files[number % len(files)], draw)))
        except BadPicture as reason:
            reasons.append(str(reason))
    assert len(reasons) > 100
    assert all(reasons)
