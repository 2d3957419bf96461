"""prepare: where the object ends up in its square, and what is around it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from generate.preparing.squares import FEW
from tests.conftest import EMOJI, ROOT
from tests.nasty import emoji, on_a_lawn
from tests.preparing import killed_at, prepare


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

    assert "dropped tiny.png: " in result.output
    assert [p.name for p in (tmp_path / "out").glob("*.png")] == ["good.png"]


def test_a_process_that_is_killed_is_one_sentence(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(FEW + 1):
        on_a_lawn("food/tomato", (number * 2, 20)).save(tmp_path / "in" / f"{number:03}.bmp")
    command = [sys.executable, "-m", "generate", "prepare", tmp_path / "in", tmp_path / "out", "--jobs", "2"]
    environment = killed_at(2, "spawn_main", tmp_path / "killer")

    done = subprocess.run(
        [*command, "--crop", "object"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 1
    assert "run the same again with fewer --jobs; it continues" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
