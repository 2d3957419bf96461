"""prepare: any picture in, square RGB PNGs out, and what can't be used is named."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms

from generate.__main__ import main
from generate.duplicates import Fingerprint, find_duplicates
from generate.images import open_picture
from generate.prepare import prepare as prepare_folder
from generate.squares import FEW
from tests.conftest import EMOJI, ROOT, wait_until
from tests.nasty import emoji, linear_profile, make_nasty, on_a_lawn

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
    assert (tmp_path / "out-sheet.png").exists()


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
    emoji("food/lemon").save(tmp_path / "in" / "a.jpg")
    emoji("food/bread").save(tmp_path / "in" / "a.png")

    prepare(tmp_path / "in", tmp_path / "out", "--size", 32)

    assert [p.name for p in sorted((tmp_path / "out").glob("*.png"))] == ["a.jpg.png", "a.png.png"]


def test_no_two_pictures_share_a_target(tmp_path):
    (tmp_path / "in").mkdir()
    for name, what in [("a.jpg", "food/lemon"), ("a.png", "food/bread"), ("a.jpg.webp", "food/pizza")]:
        emoji(what).save(tmp_path / "in" / name)

    prepare(tmp_path / "in", tmp_path / "out", "--size", 32)

    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_the_folder_one_is_in_may_be_source_or_dest(tmp_path, monkeypatch):
    shutil.copytree(EMOJI / "food", tmp_path / "food")
    (tmp_path / "out").mkdir()

    monkeypatch.chdir(tmp_path / "food")
    prepare(".", "../from", "--size", 32)
    monkeypatch.chdir(tmp_path / "out")
    result = prepare("../food", ".", "--size", 32)

    assert result.exit_code == 0, result.output
    assert (tmp_path / "out-sheet.png").exists()
    assert f"{tmp_path / 'out-sheet.png'}, then: python -m generate train . runs/out" in result.output
    assert json.loads((tmp_path / "from" / "dataset.json").read_text())["source"] == "food"


def test_a_name_that_is_not_utf8_is_a_sentence(tmp_path):
    emoji("food/lemon").save(tmp_path / os.fsdecode(b"caf\xe9.png"))

    result = prepare(tmp_path, tmp_path.with_name("out"), "--size", 32)

    assert result.exit_code == 1
    assert "has a name that is not UTF-8: rename it" in result.output


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


@pytest.mark.parametrize(
    "options", [[], ["--crop", "object"], ["--crop", "pad"], ["--crop", "object", "--cutout", "grabcut"]]
)
def test_alpha_is_the_object_and_on_black_the_corners_are_black(tmp_path, options):
    prepare(EMOJI, tmp_path / "out", "--size", 128, *options)

    made = sorted((tmp_path / "out").rglob("*.png"))
    assert len(made) == 36
    for path in made:
        array = np.asarray(Image.open(path))
        assert not array[[0, 0, -1, -1], [0, -1, 0, -1]].any(), path.name


@pytest.mark.parametrize("size", [64, 256])
def test_the_object_is_in_the_middle(tmp_path, size):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in sorted(EMOJI.rglob("*.webp")):  # moved into a corner of a larger, oblong picture
        picture = Image.new("RGBA", (400, 300))
        picture.paste(Image.open(path).convert("RGBA").resize((200, 200)), (190, 90))
        picture.save(folder / f"{path.stem}.png")

    prepare(folder, tmp_path / "out", "--size", size, "--crop", "object")

    made = sorted((tmp_path / "out").glob("*.png"))
    assert len(made) == 36
    for path in made:
        rows, columns = np.nonzero(np.asarray(Image.open(path)).max(axis=2) > 16)
        for line in (rows, columns):
            assert abs((line.min() + line.max()) / 2 - (size - 1) / 2) <= 2, path.name
        filled = max(rows.max() - rows.min(), columns.max() - columns.min()) / size
        assert 0.75 < filled < 0.9, path.name  # 1 / 1.2, and dark rims


def test_padding_is_what_is_left_around_the_object(tmp_path):
    (tmp_path / "in").mkdir()
    emoji("food/lemon", "RGBA").save(tmp_path / "in" / "x.png")

    prepare(tmp_path / "in", tmp_path / "out", "--size", 128, "--crop", "object", "--padding", 0)

    rows, columns = np.nonzero(np.asarray(Image.open(tmp_path / "out" / "x.png")).max(axis=2) > 16)
    assert max(rows.max() - rows.min(), columns.max() - columns.min()) >= 124


def test_grabcut_finds_and_cuts_out_an_object_without_any_weights(tmp_path):
    (tmp_path / "in").mkdir()
    on_a_lawn("food/tomato", (300, 20)).save(tmp_path / "in" / "x.png")

    found = prepare(tmp_path / "in", tmp_path / "found", "--size", 128, "--crop", "object")
    cut = prepare(tmp_path / "in", tmp_path / "cut", "--size", 128, "--crop", "object", "--cutout", "grabcut")

    assert (found.exit_code, cut.exit_code) == (0, 0), found.output + cut.output
    whole, alone = (np.asarray(Image.open(tmp_path / kind / "x.png"), dtype=int) for kind in ("found", "cut"))
    assert whole[2, 2, 1] > 80  # the lawn is still there
    assert not alone[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert (alone.max(axis=2) == 0).mean() > 0.2
    rows, columns = np.nonzero(alone.max(axis=2) > 16)
    assert abs((rows.min() + rows.max()) / 2 - 63.5) <= 2
    assert abs((columns.min() + columns.max()) / 2 - 63.5) <= 2
    assert alone[64, 64, 0] > 150  # the tomato


def test_a_kept_background_has_no_bars(tmp_path):
    (tmp_path / "in").mkdir()
    on_a_lawn("food/tomato", (300, 20)).save(tmp_path / "in" / "x.png")

    for name, options in {"pad": ["--crop", "pad"], "cut": ["--crop", "object", "--cutout", "grabcut"]}.items():
        prepare(tmp_path / "in", tmp_path / name, "--size", 64, "--background", "keep", *options)

        assert np.asarray(Image.open(tmp_path / name / "x.png")).max(axis=2).min() > 40


def test_pad_shows_all_of_the_picture_between_bars(tmp_path):
    (tmp_path / "in").mkdir()
    on_a_lawn("food/tomato", (300, 20)).save(tmp_path / "in" / "x.png")

    prepare(tmp_path / "in", tmp_path / "out", "--size", 64, "--crop", "pad", "--background", "#ff8000")

    array = np.asarray(Image.open(tmp_path / "out" / "x.png"))
    assert (array[:7] == (255, 128, 0)).all()
    assert (array[-7:] == (255, 128, 0)).all()
    assert (array[12:-12, :, 2] > 0).mean() > 0.9


def test_a_picture_without_an_object_is_left_out(tmp_path):
    (tmp_path / "in").mkdir()
    on_a_lawn("food/tomato", (300, 20)).save(tmp_path / "in" / "good.png")
    on_a_lawn("food/tomato", (300, 20), size=24).save(tmp_path / "in" / "tiny.png")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 128, "--crop", "object")

    assert "left out tiny.png: " in result.output
    assert [p.name for p in (tmp_path / "out").glob("*.png")] == ["good.png"]


def test_the_number_of_processes_changes_nothing(tmp_path):
    make_nasty(tmp_path / "in")
    for number, path in enumerate(sorted(EMOJI.rglob("*.webp"))):
        shutil.copy(path, tmp_path / "in" / f"{number}.webp")
        turned = Image.open(path).resize((64, 64)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        turned.save(tmp_path / "in" / f"{number}.png")
    assert len(list((tmp_path / "in").iterdir())) > FEW

    for jobs in (1, 3):
        prepare_folder(tmp_path / "in", tmp_path / str(jobs), size=64, crop="object", jobs=jobs)

    assert files(tmp_path / "1") == files(tmp_path / "3")
    assert (tmp_path / "1-sheet.png").read_bytes() == (tmp_path / "3-sheet.png").read_bytes()


def test_interrupted_and_rerun_it_makes_the_rest(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(24):
        on_a_lawn("food/tomato", (number * 3, 20)).save(tmp_path / "in" / f"{number:02}.png")
    command = [sys.executable, "-m", "generate", "prepare", tmp_path / "in", tmp_path / "out"]
    options = ["--size", "64", "--crop", "object", "--jobs", "1", "--near", "-1"]
    process = subprocess.Popen([*command, *options], cwd=ROOT)
    wait_until(lambda: len(list((tmp_path / "out").glob("*.png"))) >= 3)
    process.kill()
    process.wait(20)
    unfinished = "count" not in json.loads((tmp_path / "out" / "dataset.json").read_text())

    result = prepare(tmp_path / "in", tmp_path / "out", *options)

    whole = prepare(tmp_path / "in", tmp_path / "whole", *options)
    assert unfinished
    assert (result.exit_code, whole.exit_code) == (0, 0), result.output
    left = {name: data for name, data in files(tmp_path / "out").items() if not name.endswith(".tmp")}
    assert left == files(tmp_path / "whole")


def test_a_picture_that_is_gone_or_better_now_is_so_in_the_result(tmp_path):
    shutil.copytree(EMOJI / "food", tmp_path / "in")
    (tmp_path / "in" / "cake.jpg").write_text("no cake")
    prepare(tmp_path / "in", tmp_path / "out", "--size", 32)
    (tmp_path / "in" / "pizza.webp").unlink()
    emoji("food/lemon").transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(tmp_path / "in" / "cake.jpg")

    prepare(tmp_path / "in", tmp_path / "out", "--size", 32)
    prepare(tmp_path / "in", tmp_path / "fresh", "--size", 32)

    assert files(tmp_path / "out") == files(tmp_path / "fresh")
    assert (tmp_path / "out" / "cake.png").exists()
    assert not (tmp_path / "out" / "pizza.png").exists()


def test_a_picture_that_was_replaced_or_got_a_namesake_is_so_in_the_result(tmp_path):
    (tmp_path / "in").mkdir()
    emoji("food/lemon").save(tmp_path / "in" / "a.jpg")
    emoji("food/pizza").save(tmp_path / "in" / "b.png")
    emoji("food/bread").save(tmp_path / "other.png")
    os.utime(tmp_path / "other.png", (0, 0))

    for step in ("add", "replace", "remove"):
        prepare(tmp_path / "in", tmp_path / "out", "--size", 32)
        if step == "add":
            emoji("food/tomato").save(tmp_path / "in" / "a.png")
        elif step == "replace":
            time.sleep(0.05)  # more than a file system's clock tells apart
            (tmp_path / "other.png").replace(tmp_path / "in" / "b.png")
        else:
            (tmp_path / "in" / "a.png").unlink()
        prepare(tmp_path / "in", tmp_path / "out", "--size", 32)
        prepare(tmp_path / "in", tmp_path / step, "--size", 32)
        assert files(tmp_path / "out") == files(tmp_path / step), step


def test_a_folder_of_other_pictures_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    emoji("food/lemon").save(tmp_path / "out" / "pineapple.png")

    result = prepare(EMOJI, tmp_path / "out", "--size", 32)

    assert result.exit_code == 1
    assert "holds pictures that prepare did not make" in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pineapple.png"]


def test_of_duplicates_the_largest_stays_whatever_the_order():
    def printed(sha256: str, shape: int, pixels: int, colour: int = 0) -> Fingerprint:
        return Fingerprint(sha256, f"{shape:064x}", f"{colour:02x}" * 192, pixels)

    prints = [printed("a", 0, 10), printed("b", 0b111, 30), printed("b", 0b111, 30), printed("c", 2**200 - 1, 5)]
    recoloured = printed("d", 0b111, 20, colour=90)

    assert find_duplicates(prints) == {0: (1, False), 2: (1, True)}
    assert find_duplicates([*prints, recoloured]) == {0: (1, False), 2: (1, True)}
    assert find_duplicates(prints, near=-1) == {2: (1, True)}
    assert find_duplicates([]) == {}


def test_every_compressed_and_shrunken_copy_is_found_and_no_other_picture(tmp_path):
    for path in sorted(EMOJI.rglob("*.webp")):
        copy = tmp_path / "in" / path.relative_to(EMOJI).with_suffix(".jpg")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy.with_suffix(".webp"))
        painted = Image.new("RGB", (256, 256))
        painted.paste(Image.open(path), mask=Image.open(path).getchannel("A"))
        painted.resize((192, 192)).save(copy, quality=60)

    result = prepare_folder(tmp_path / "in", tmp_path / "out", size=64)

    assert result["reasons"] == {"near duplicate": 36}
    for name, reason in result["rejected"]:
        assert reason == f"near duplicate: of {name.replace('.jpg', '.webp')}"


def test_the_sheet_shows_before_and_after_and_the_reasons(tmp_path):
    make_nasty(tmp_path / "in")
    prepare(tmp_path / "in", tmp_path / "out", "--size", 64)

    with Image.open(tmp_path / "out-sheet.png") as sheet:
        array = np.asarray(sheet)

    red = (np.abs(array.astype(int) - (0xB3, 0x26, 0x1E)).sum(axis=2) < 30).sum()
    assert sheet.format == "PNG"
    assert array.shape[1] > 1000
    assert red > 1000  # crosses and reasons


@pytest.mark.parametrize("option", ["--crop", "--cutout"])
def test_wrong_choices_name_the_right_ones(tmp_path, option):
    result = prepare(EMOJI, tmp_path / "out", option, "nonsense")

    assert result.exit_code == 2
    assert "'nonsense' is not one of" in result.output
