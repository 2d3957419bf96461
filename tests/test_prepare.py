"""prepare: any picture in, square RGB PNGs out, and what can't be used is named."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generate.prepare import prepare as prepare_folder
from generate.preparing.squares import FEW
from tests.conftest import EMOJI, ROOT, files, wait_until
from tests.nasty import emoji, make_nasty, on_a_lawn
from tests.preparing import killed_at, prepare


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


def test_bad_pictures_are_counted_and_named_and_the_rest_go_on(tmp_path):
    shutil.copytree(EMOJI / "food", tmp_path / "in")
    whole = tmp_path / "whole.jpg"
    Image.open(EMOJI / "food" / "pineapple.webp").convert("RGB").save(whole)
    (tmp_path / "in" / "truncated.jpg").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "in" / "empty.png").touch()
    (tmp_path / "in" / "letter.jpg").write_text("Dear picture,")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 32)

    assert result.exit_code == 0
    assert "12 pictures" in result.output
    assert "3 dropped" in result.output
    with (tmp_path / "out" / "rejected.csv").open() as table:
        assert [row["file"] for row in csv.DictReader(table)] == ["empty.png", "letter.jpg", "truncated.jpg"]
    assert "dropped truncated.jpg: damaged" in result.output


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
    assert f"Look at {tmp_path / 'out-sheet.png'}." in result.output
    assert "Next: python -m generate train . runs/out" in result.output
    assert json.loads((tmp_path / "from" / "dataset.json").read_text())["source"] == "food"


def test_a_name_that_is_not_utf8_is_passed_over(tmp_path):
    emoji("food/lemon").save(tmp_path / os.fsdecode(b"caf\xe9.png"))
    alone = prepare(tmp_path, tmp_path.with_name("out"), "--size", 32)
    emoji("food/bread").save(tmp_path / "bread.png")

    result = prepare(tmp_path, tmp_path.with_name("out"), "--size", 32)

    assert (alone.exit_code, result.exit_code) == (1, 0)
    for output in (alone.output, result.output):
        assert r"passed over 1 file, a name that is not UTF-8: rename it: caf\udce9.png" in output


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
        (["--size", "100"], 2, "100 is not a size of the networks"),
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
    for number in range(6):
        on_a_lawn("food/tomato", (number * 3, 20)).save(tmp_path / "in" / f"{number:02}.png")
    command = [sys.executable, "-m", "generate", "prepare", tmp_path / "in", tmp_path / "out"]
    options = ["--size", "64", "--crop", "object", "--jobs", "1", "--near", "-1"]
    environment = killed_at(4, "generate prepare", tmp_path / "killer")
    killed = subprocess.run([*command, *options], cwd=ROOT, env=environment, timeout=300).returncode
    made = len(list((tmp_path / "out").glob("*.png")))
    unfinished = "count" not in json.loads((tmp_path / "out" / "dataset.json").read_text())

    result = prepare(tmp_path / "in", tmp_path / "out", *options)

    whole = prepare(tmp_path / "in", tmp_path / "whole", *options)
    assert (killed, made, unfinished) == (-signal.SIGKILL, 3, True)
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


def now(folder: Path) -> float:
    """By the clock of the file system, which ticks less often than others."""
    (folder / "clock").touch()
    return (folder / "clock").stat().st_ctime


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
            wait_until(lambda: now(tmp_path) > (tmp_path / "out" / "b.png").stat().st_mtime)
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
    assert "holds something that prepare did not put there ('pineapple.png')" in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pineapple.png"]


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
