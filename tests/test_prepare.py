"""prepare: any picture in, square RGB PNGs out, and what can't be used is named."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from generate.__main__ import main
from tests.conftest import EMOJI

PINEAPPLE = EMOJI / "food" / "pineapple.webp"


def prepare(*arguments: object):
    return CliRunner().invoke(main, ["prepare", *map(str, arguments)])


def files(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_categories_are_kept_and_transparency_is_painted_black(tmp_path):
    result = prepare(EMOJI, tmp_path / "out", "--size", 64)

    assert result.exit_code == 0, result.output
    made = sorted((tmp_path / "out").rglob("*.png"))
    assert len(made) == 36
    assert {path.parent.name for path in made} == {"animals", "faces", "food"}
    for path in made:
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == ("RGB", (64, 64))
            assert picture.getpixel((0, 0)) == (0, 0, 0)
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert dataset["size"] == 64
    assert dataset["categories"] == {"animals": 12, "faces": 12, "food": 12}
    assert (tmp_path / "out-sheet.jpg").exists()


def test_background_is_the_colour_asked_for(tmp_path):
    prepare(EMOJI / "food", tmp_path / "out", "--size", 32, "--background", "#ff8000")

    with Image.open(tmp_path / "out" / "pineapple.png") as picture:
        assert picture.getpixel((0, 0)) == (255, 128, 0)


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


def test_bad_pictures_are_counted_and_named_and_the_rest_go_on(tmp_path):
    shutil.copytree(EMOJI / "food", tmp_path / "in")
    whole = tmp_path / "whole.jpg"
    Image.open(PINEAPPLE).convert("RGB").save(whole)
    (tmp_path / "in" / "truncated.jpg").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "in" / "empty.png").touch()
    (tmp_path / "in" / "letter.jpg").write_text("Dear picture,")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 32)

    assert result.exit_code == 0
    assert "12 pictures" in result.output
    assert "3 left out" in result.output
    with (tmp_path / "out" / "rejected.csv").open() as table:
        assert [row["file"] for row in csv.DictReader(table)] == ["empty.png", "letter.jpg", "truncated.jpg"]
    assert "left out truncated.jpg: damaged" in result.output


def test_same_name_with_two_suffixes_is_two_pictures(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (32, 32), "red").save(tmp_path / "in" / "a.jpg")
    Image.new("RGB", (32, 32), "blue").save(tmp_path / "in" / "a.png")

    prepare(tmp_path / "in", tmp_path / "out", "--size", 32)

    assert [p.name for p in sorted((tmp_path / "out").glob("*.png"))] == ["a.jpg.png", "a.png.png"]


def test_rerun_continues_and_changes_nothing(tmp_path):
    prepare(EMOJI, tmp_path / "out", "--size", 32)
    first = files(tmp_path / "out")
    (tmp_path / "out" / "food" / "pineapple.png").unlink()

    prepare(EMOJI, tmp_path / "out", "--size", 32)

    assert files(tmp_path / "out") == first


def test_rerun_with_other_options_is_refused(tmp_path):
    prepare(EMOJI, tmp_path / "out", "--size", 32)

    result = prepare(EMOJI, tmp_path / "out", "--size", 64)

    assert result.exit_code == 1
    assert "was prepared with size 32, not 64" in result.output


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--size", "100"], 2, "100 is not a size the networks have"),
        (["--background", "blurple"], 2, "'blurple' is not a colour"),
    ],
)
def test_bad_options_leave_nothing(tmp_path, options, code, sentence):
    result = prepare(EMOJI, tmp_path / "out", *options)

    assert result.exit_code == code
    assert sentence in result.output
    assert not (tmp_path / "out").exists()


def test_folder_without_usable_pictures_leaves_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    empty = prepare(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "a.jpg").write_text("no picture")
    broken = prepare(tmp_path / "in", tmp_path / "out")
    missing = prepare(tmp_path / "nowhere", tmp_path / "out")

    assert (empty.exit_code, broken.exit_code, missing.exit_code) == (1, 1, 1)
    assert "holds no pictures" in empty.output
    assert "None of the 1 pictures" in broken.output
    assert "is not a folder" in missing.output
    assert not (tmp_path / "out").exists()


def test_dest_inside_source_is_refused(tmp_path):
    shutil.copytree(EMOJI / "food", tmp_path / "in")

    result = prepare(tmp_path / "in", tmp_path / "in" / "out")

    assert result.exit_code == 2
    assert "choose a DEST outside SOURCE" in result.output
