"""Categories at scale: some of a model's categories are chosen, poor ones are left out with a reason, and a site shows the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import numpy as np
import pytest
import skimage
import torch
from click.testing import CliRunner, Result
from PIL import Image
from torch import Tensor

from gallery.bucket import open_bucket
from gallery.release import read_live
from generate.__main__ import main
from generate.measuring.categories import ALIKE, POOR, judge_categories, verdict_table
from generate.measuring.features import load_features
from generate.measuring.similarity import describe
from generate.model.generator import save_generator
from generate.model.networks import EMBEDDING_GAIN, NetworkOptions, build_generator
from generate.releasing.choosing import choose_categories
from tests.conftest import EMOJI

KINDS = [f"kind-{number:02d}" for number in range(6)]
COLLAPSED = "kind-04"
CAT = Path(skimage.__file__).parent / "data" / "chelsea.png"


def make_model(folder: Path) -> Path:
    """A generator of 6 categories, untrained: its pictures differ by latent and category, but for one that collapsed."""
    torch.manual_seed(0)
    options = NetworkOptions(size=32, latent_dim=16, fmap_max=16, attention=(), categories=tuple(KINDS))
    generator = build_generator(options)
    with torch.no_grad():
        assert generator.embed is not None
        generator.embed.weight.normal_(std=1 / EMBEDDING_GAIN)
        generator.out_conv.weight.mul_(120)  # for some contrast
        generator.embed.weight[KINDS.index(COLLAPSED)].mul_(1e3)  # so that the latent counts for nothing beside it
    save_generator(folder / "generator.safetensors", generator, options, {"kimg": 1.0})
    return folder


@pytest.fixture
def model(tmp_path) -> Path:
    return make_model(tmp_path / "run")


@pytest.fixture
def bucket(tmp_path) -> Path:
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


def refill(run: Path, bucket: Path, *options: object) -> Result:
    arguments = ["refill", run, bucket, "--device", "cpu", *options]
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def shown(bucket: Path) -> dict[str, int]:
    return {category.slug: category.count for category in read_live(open_bucket(str(bucket)))[0].categories}


def crops(count: int) -> list[Tensor]:
    """Different views of a photograph of a cat, from near and far."""
    photograph = Image.open(CAT).convert("RGB")
    views = [photograph.resize((224, 224), box=(100 - 12 * i, 0, 400 + 6 * i, 180 + 15 * i)) for i in range(count)]
    return [to_tensor(view.rotate(20 * (i % 2))) for i, view in enumerate(views)]


def emoji(count: int, first: int = 0) -> list[Tensor]:
    paths = sorted(EMOJI.rglob("*.webp"))[first::2][:count]
    return [to_tensor(Image.open(path).convert("RGB").resize((64, 64))) for path in paths]


def to_tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def noise(count: int, side: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, side, side), generator=random, dtype=torch.uint8) for _ in range(count)]


def test_a_seed_chooses_the_same_categories_every_time():
    known = [f"c{number}" for number in range(100)]

    first, again, other = (choose_categories(known, 60, seed) for seed in (1, 1, 2))

    assert first == again
    assert len(set(first)) == 60
    assert set(first) <= set(known)
    assert set(other) != set(first)
    assert choose_categories(list(reversed(known)), 60, 1) == first, "their order in the file does not matter"


def test_categories_are_compared_with_training_pictures():
    network = load_features()
    drawn = {"emoji": emoji(12, first=1), "noise": noise(12, 64), "one": emoji(1) * 12}

    verdicts = judge_categories(network, drawn, describe(network, emoji(18)))

    assert {verdict.category: verdict.reason for verdict in verdicts} == {"emoji": "", "noise": POOR, "one": ALIKE}
    lines = verdict_table(verdicts)
    assert lines[-1] == "1 of 3 categories kept; left out: 1 poor, 1 all alike."
    assert [line.split()[0] for line in lines[:-1]] == ["noise", "one", "emoji"]


def test_without_training_pictures_imagenets_categories_are_recognised():
    drawn = {"Egyptian cat": crops(8), "tiger cat": crops(8), "pineapple": noise(8, 64), "my dreams": noise(8, 64)}

    verdicts = {verdict.category: verdict for verdict in judge_categories(load_features(), drawn, None)}

    assert {name: verdict.reason for name, verdict in verdicts.items()} == dict.fromkeys(drawn, "") | {
        "pineapple": POOR
    }
    assert verdicts["my dreams"].recognised is None, "ImageNet has no such category, so nothing says that it is poor"


def test_recognising_is_believed_only_if_it_knows_most_of_the_pictures():
    drawn = {"pineapple": emoji(6), "hedgehog": emoji(6, first=1), "lemon": noise(6, 64)}

    verdicts = judge_categories(load_features(), drawn, None)

    assert [verdict.recognised for verdict in verdicts] == [None, None, None]


def test_refill_publishes_some_of_the_categories_at_random_without_the_bad_ones(model, bucket):
    asked = choose_categories(KINDS, 4, 4)
    assert COLLAPSED in asked

    result = refill(model, bucket, "--count", 12, "--categories", 4, "--seed", 4)

    assert result.exit_code == 0, result.output
    assert f"{COLLAPSED}  100% alike  all alike" in result.output
    assert "3 of 4 categories kept; left out: 1 all alike." in result.output
    assert shown(bucket) == dict.fromkeys(sorted(set(asked) - {COLLAPSED}), 4), "the others fill the count"
    assert not list(model.glob("refill-*"))
    assert refill(model, bucket, "--count", 12, "--categories", 4, "--seed", 4).exit_code == 0, "the same, every day"


def test_refill_publishes_the_categories_of_a_list(model, bucket):
    result = refill(model, bucket, "--count", 6, "--categories", "kind-03, kind-01", "--no-curate")

    assert result.exit_code == 0, result.output
    assert shown(bucket) == {"kind-01": 3, "kind-03": 3}
    assert refill(model, bucket, "--count", 4, "--category", "kind-03", "--no-curate", "--yes").exit_code == 0
    assert shown(bucket) == {"kind-03": 4}


def test_wrong_categories_are_one_sentence(model, tiny_run, bucket, tmp_path):
    plain = shutil.copytree(tiny_run, tmp_path / "plain")
    for run, options, sentence in (
        (model, ("--categories", 7), "7 categories were asked for, and this model has 6"),
        (model, ("--categories", 0), "write one from 1 to"),
        (model, ("--categories", "kind-01,,kind-02"), "names no category between two commas"),
        (model, ("--categories", "unicorn"), "can't draw 'unicorn'"),
        (model, ("--categories", 3, "--category", "kind-01"), "not both"),
        (model, ("--categories", COLLAPSED), "None of the 1 categories is fit to be shown"),
        (plain, ("--categories", 3), "has no categories to choose from: leave out --categories"),
    ):
        result = refill(run, bucket, "--count", 4, *options)
        assert result.exit_code in (1, 2), sentence
        assert sentence in result.output
        assert not (bucket / "site.json").exists()


def test_number_or_list_is_told_from_what_is_written():
    with pytest.raises(click.ClickException, match="has 2: write --categories 2 or fewer"):
        choose_categories(["a", "b"], 3, 0)
