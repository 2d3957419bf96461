"""One model of several categories learns to draw the one that it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image, ImageOps

from generate.images import find_pictures
from generate.model.generator import draw_pictures, load_generator
from generate.prepare import prepare
from generate.training.choices import TrainOptions
from generate.training.loop import train
from tests.conftest import EMOJI

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
