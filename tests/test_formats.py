"""prepare: every format, mode and profile looks in the result as it should, and every broken file has a reason."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image, ImageCms

from generate.images import FORMATS, BadPicture, open_picture, suffix_of
from tests.conftest import EMOJI, files
from tests.nasty import emoji, linear_profile, make_nasty
from tests.preparing import prepare

PINEAPPLE = EMOJI / "food" / "pineapple.webp"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_mode_comes_out_looking_the_same(tmp_path, mode):
    expected = Image.open(PINEAPPLE).convert("L").resize((64, 64))
    (tmp_path / "in").mkdir()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(expected).astype(np.uint16) * 257)
    else:
        image = expected.convert("RGB").convert(mode)
    image.save(tmp_path / "in" / ("x.TIFF" if mode in ("CMYK", "YCbCr") else "x.PNG"))

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 64)

    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out" / "x.png") as made:
        difference = np.abs(np.asarray(made.convert("L"), dtype=int) - np.asarray(expected, dtype=int))
    assert difference.mean() < {"1": 60, "P": 10}.get(mode, 3)  # Pillow dithers these two


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "webp", "gif", "bmp", "tif", "TIFF"])
def test_every_format_is_read(tmp_path, suffix):
    (tmp_path / "in").mkdir()
    Image.open(PINEAPPLE).convert("RGB").save(tmp_path / "in" / f"a name with spaces.{suffix}")

    assert prepare(tmp_path / "in", tmp_path / "out", "--size", 32).exit_code == 0
    assert (tmp_path / "out" / "a name with spaces.png").exists()


def test_the_help_names_every_format():
    text = prepare("--help").output
    for suffixes in FORMATS.values():
        assert any(re.search(rf"\b{suffix[1:]}\b", text) for suffix in suffixes)


@pytest.mark.parametrize("name", FORMATS)
def test_the_real_format_decides_the_suffix(name):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, name)

    assert suffix_of(file) == FORMATS[name][0]


def test_a_jpeg_with_more_pictures_in_it_is_a_jpeg():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])

    assert suffix_of(file) == ".jpg"


def test_a_format_that_is_not_read_is_a_reason():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PPM")

    with pytest.raises(BadPicture, match="Netpbm, a format that is not read: convert it to PNG or JPEG"):
        suffix_of(file)


def test_exif_rotation_is_applied(tmp_path):
    (tmp_path / "in").mkdir()
    picture = Image.new("RGB", (64, 64), "blue")
    picture.paste("red", (0, 0, 64, 32))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 3  # turned upside down
    picture.save(tmp_path / "in" / "x.png", exif=exif)

    prepare(tmp_path / "in", tmp_path / "out", "--size", 64)

    with Image.open(tmp_path / "out" / "x.png") as made:
        assert made.getpixel((32, 60)) == (255, 0, 0)


def test_every_nasty_file_ends_as_a_picture_or_a_reason(tmp_path):
    expected = make_nasty(tmp_path / "in")
    before = files(tmp_path / "in")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 128)

    assert result.exit_code == 0, result.output
    with (tmp_path / "out" / "rejected.csv").open(encoding="utf-8") as table:
        rejected = {row["file"]: row["reason"] for row in csv.DictReader(table)}
    assert rejected.keys() == {name for name, reason in expected.items() if reason}
    for name, reason in rejected.items():
        assert reason.startswith(expected[name]), name
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert dataset["count"] + sum(dataset["reasons"].values()) == len(expected)
    made = {name for name in files(tmp_path / "out") if name.endswith(".png")}
    assert made == {f"{name.rpartition('.')[0]}.png" for name, reason in expected.items() if not reason}
    assert files(tmp_path / "in") == before
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "out-sheet.png"}


def test_nasty_files_that_are_pictures_look_like_them(tmp_path):
    make_nasty(tmp_path / "in")
    prepare(tmp_path / "in", tmp_path / "out", "--size", 128)

    def far(made: str, name: str, mode: str = "RGB", turned: int = 0) -> float:
        with Image.open(tmp_path / "out" / made) as picture:
            expected = emoji(name, mode).convert("RGB").rotate(turned, expand=True)
            return np.abs(np.asarray(picture, dtype=int) - np.asarray(expected, dtype=int)).mean()

    assert far("cmyk.png", "food/lemon") < 4
    assert far("sixteen bits.png", "food/tomato", "L") < 1
    assert far("palette.png", "food/doughnut") < 4
    assert far("animated.png", "faces/nerd_face") < 4
    assert far("turned.png", "food/cupcake", turned=-90) < 4
    assert far("broken profile.png", "animals/lion") < 4
    assert far("turned.png", "food/cupcake") > 10  # the measure can tell


def test_colour_profiles_are_applied(tmp_path):
    grey_of_another_kind = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    linear = linear_profile()
    original = emoji("food/lemon")
    original.save(tmp_path / "linear.png", icc_profile=linear)
    original.save(tmp_path / "unfit.png", icc_profile=grey_of_another_kind)

    converted = np.asarray(open_picture(tmp_path / "linear.png"), dtype=int)
    unfit = open_picture(tmp_path / "unfit.png")

    shown = 255 * (np.asarray(original) / 255) ** (1 / 2.2)  # what linear light looks like in sRGB
    assert np.abs(converted - shown).mean() < 4
    assert unfit.tobytes() == original.tobytes()
