"""One model of several categories learns to draw the one that it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageOps

from gallery.bucket import open_bucket
from gallery.release import read_live
from generate.__main__ import main
from generate.images import find_pictures
from generate.model.generator import draw_pictures, load_generator
from generate.prepare import prepare
from generate.releasing.refilling import refill
from generate.training.choices import TrainOptions
from generate.training.loop import train
from tests.conftest import EMOJI, TINY

COLOURS = {"blue": "#4060ff", "green": "#20d040", "red": "#ff4030"}
LIGHTWEIGHT = TrainOptions(
    discriminator="lightweight", kimg=2.0, conditional=True, batch_size=4, accumulate=1, learning_rate=1e-3,
    latent_dim=32, fmap_max=32, attention=(), snapshot_kimg=2.0,
)  # fmt: skip
R3GAN = TrainOptions(discriminator="r3gan", kimg=5.0, conditional=True, latent_dim=32, fmap_max=32, snapshot_kimg=5.0)
BAR = 0.7  # chance is a third


@pytest.fixture
def tinted(tmp_path) -> Path:
    """The real pictures, shared out over three colours: categories that a small network can tell apart in minutes."""
    prepare(EMOJI, tmp_path / "prepared", size=32)
    pictures = find_pictures(tmp_path / "prepared")
    for start, (name, colour) in enumerate(COLOURS.items()):
        (tmp_path / "tinted" / name).mkdir(parents=True)
        for path in pictures[start :: len(COLOURS)]:
            with Image.open(path) as picture:
                tinted = ImageOps.colorize(picture.convert("L"), "black", colour)
            tinted.save(tmp_path / "tinted" / name / path.name)
    return tmp_path / "tinted"


def test_categories_of_any_names_go_from_pictures_to_a_release(tmp_path):
    folders = ["寿司", "ラーメン", "cats", "Cats", "Picture"]
    for number, path in enumerate(sorted(EMOJI.rglob("*.webp"))):
        folder = tmp_path / "in" / folders[number % len(folders)]
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath(path.name).write_bytes(path.read_bytes())
    run = CliRunner().invoke
    (tmp_path / "bucket").mkdir()

    prepared = run(main, ["prepare", str(tmp_path / "in"), str(tmp_path / "prepared"), "--size", "32"])
    train(tmp_path / "prepared", tmp_path / "run", TrainOptions(**TINY, conditional=True), device="cpu")
    refill(tmp_path / "run", str(tmp_path / "bucket"), 10, curate=False, device="cpu")

    assert (
        "Cats is cats-2, ラーメン is ramen, 寿司 is shou-si: to change that, rename the folders before training"
        in prepared.output
    )
    live, _ = read_live(open_bucket(str(tmp_path / "bucket")))
    assert {c.slug: c.count for c in live.categories} == dict.fromkeys(
        ["cats", "cats-2", "picture", "ramen", "shou-si"], 2
    )
    plan = run(main, ["train", str(tmp_path / "prepared"), str(tmp_path / "other"), "--conditional", "--dry-run"])
    assert "Cats is cats-2, ラーメン is ramen, 寿司 is shou-si" in plan.output


@pytest.mark.slow
@pytest.mark.parametrize("options", [LIGHTWEIGHT, R3GAN], ids=lambda options: options.discriminator)
def test_a_model_draws_the_category_asked_for(tinted, tmp_path, options):
    train(tinted, tmp_path / "run", options, device="cpu")
    model = load_generator(tmp_path / "run")
    asked = [i % len(COLOURS) for i in range(90)]

    drawn = draw_pictures(model.generator, range(90), batch_size=16, categories=asked)

    assert model.categories == tuple(COLOURS)
    strongest = drawn.float().mean(dim=(2, 3)).argmax(dim=1)  # of red, green and blue
    as_asked = strongest == 2 - torch.tensor(asked)
    assert as_asked.float().mean() > BAR
