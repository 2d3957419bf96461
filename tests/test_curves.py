"""plots: the curves and the time-lapse are what a viewer can open."""

from __future__ import annotations

import shutil

import av
from PIL import Image

from generate.training.curves import FRAMES_PER_S, LAST_FRAME_S, draw_curves, write_time_lapse


def test_curves_are_drawn_again_as_rows_come(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    stats = tmp_path / "run" / "stats.jsonl"
    stats.write_text(stats.read_text() + stats.read_text().replace("0.008", "0.016"))

    draw_curves(tmp_path / "run")

    before, after = (Image.open(folder / "curves.png") for folder in (tiny_run, tmp_path / "run"))
    assert before.size == after.size == (880, 1320)
    assert before.tobytes() != after.tobytes()


def test_the_time_lapse_shows_every_grid_and_rests_on_the_last(tiny_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    (grid,) = run.glob("samples-*.jpg")
    for step, colour in enumerate(("red", "lime", "blue"), start=10):
        with Image.open(grid) as picture:
            Image.new("RGB", picture.size, colour).save(run / f"samples-{step:07d}.jpg")
    grid.unlink()

    with av.open(str(write_time_lapse(run))) as video:
        frames = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)).argmax() for frame in video.decode(video=0)]

    assert frames == [0, 1] + [2] * (1 + FRAMES_PER_S * LAST_FRAME_S)
