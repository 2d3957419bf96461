"""evaluate: known answers on real pictures, from a folder, a model, and features of another network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from generate.__main__ import main
from generate.images import find_pictures
from generate.model.family import as_rgb
from generate.prepare import prepare
from tests.conftest import EMOJI


def evaluate(source: Path, data: Path, dest: Path, *options: object) -> Result:
    arguments = ["evaluate", source, data, "--dest", dest, "--device", "cpu", *options]
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def found(dest: Path) -> dict:
    return json.loads((dest / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "real"
    prepare(EMOJI, folder, size=32)
    return folder


def test_pictures_against_themselves_are_perfect_and_all_copies(real, tmp_path):
    result = evaluate(real, real, tmp_path)

    assert result.exit_code == 0, result.output
    measured = found(tmp_path)
    assert measured["frechet"] == pytest.approx(0, abs=1e-3)
    assert (measured["precision"], measured["recall"], measured["copies"], measured["duplicates"]) == (1, 1, 1, 0)
    for plot in ("distances.png", "neighbours.png"):
        with Image.open(tmp_path / plot) as picture:
            assert len(picture.convert("RGB").getcolors(2**24)) > 100


def test_other_pictures_are_farther_and_no_copies_and_repeats_are_counted(real, tmp_path):
    food, rest = tmp_path / "food", tmp_path / "rest"
    shutil.copytree(real / "food", food)
    for path in sorted(food.iterdir())[:4]:
        shutil.copy(path, food / f"again-{path.name}")
    shutil.copytree(real, rest, ignore=shutil.ignore_patterns("food"))

    evaluate(food, rest, tmp_path / "out")

    measured = found(tmp_path / "out")
    assert measured["frechet"] > 10
    assert measured["precision"] < 0.5
    assert measured["copies"] == 0
    assert measured["duplicates"] == 4 / 16


def test_training_pictures_are_encoded_as_the_samples_are(real, tmp_path):
    for path in find_pictures(real):
        Image.open(path).convert("RGB").save(tmp_path / f"{path.stem}.jpg", quality=30)
    (tmp_path / "samples.json").write_text('{"quality": 30}')

    evaluate(tmp_path, real, tmp_path / "out")

    assert found(tmp_path / "out")["encoded"] == {"format": "JPEG", "quality": 30}
    assert found(tmp_path / "out")["frechet"] == pytest.approx(0, abs=1e-3)


def test_a_classifier_says_whether_samples_show_what_was_asked_for(real, tmp_path):
    halves = {name: tmp_path / name for name in ("known", "new", "swapped")}
    for i, path in enumerate(find_pictures(real)):
        category = path.parent.name
        swapped = {"food": "faces", "faces": "animals", "animals": "food"}[category]
        for half, folder in [("known", category)] if i % 2 else [("new", category), ("swapped", swapped)]:
            (halves[half] / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, halves[half] / folder)

    result = evaluate(halves["new"], halves["known"], tmp_path / "as-asked")
    evaluate(halves["swapped"], halves["known"], tmp_path / "not-as-asked")
    evaluate(real / "food", halves["known"], tmp_path / "of-none")

    assert found(tmp_path / "as-asked")["named"] > 0.6
    assert found(tmp_path / "not-as-asked")["named"] < 0.25
    assert "named" not in found(tmp_path / "of-none")  # no categories to speak of
    assert "accuracy on samples of a classifier" in result.output


def test_a_model_is_drawn_from(tiny_run, real, tmp_path):
    result = evaluate(tiny_run, real, tmp_path, "--count", 12)

    assert result.exit_code == 0, result.output
    measured = found(tmp_path)
    assert (measured["samples"], measured["training"]) == (12, 36)
    assert measured["frechet"] > 50
    assert measured["copies"] == 0


@pytest.mark.parametrize(
    ("channels", "seen"), [([7], [7, 7, 7]), ([1, 2, 3], [1, 2, 3]), ([200, 100, 50, 51], [40, 20, 10])]
)
def test_grey_and_transparent_pictures_are_seen_as_they_are_shown(channels, seen):
    picture = torch.tensor(channels, dtype=torch.uint8)[:, None, None].expand(-1, 2, 2)

    assert as_rgb(picture[None])[0, :, 1, 1].tolist() == seen


def test_inception_features_from_a_file(inception, real, tmp_path):
    shutil.copytree(real / "food", tmp_path / "food")

    result = evaluate(
        tmp_path / "food", tmp_path / "food", tmp_path / "out", "--features", "inception", "--weights", inception
    )

    assert result.exit_code == 0, result.output
    assert found(tmp_path / "out")["features"] == "inception"
    assert found(tmp_path / "out")["frechet"] == pytest.approx(0, abs=1e-3)


class Harmful:
    def __reduce__(self) -> tuple:
        return (print, ("code ran",))


def test_weights_that_cannot_be_had_are_a_sentence(real, tmp_path, capsys):
    torch.save({"model": Harmful()}, tmp_path / "harmful.pth")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")

    for name in ("harmful.pth", "cut.pth", "missing.pth"):
        result = evaluate(real, real, tmp_path / "out", "--features", "inception", "--weights", tmp_path / name)
        assert result.exit_code == 1
        assert "The weights of inception can't be loaded" in result.output
        assert "code ran" not in result.output + capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--weights", "inception.pth"], "--weights is for --features inception or dinov2"),
        (["--count", 8], "--count and --truncation are for a model"),
        (["--truncation", 0.5], "--count and --truncation are for a model"),
    ],
)
def test_options_that_would_do_nothing_are_a_sentence(real, tmp_path, options, sentence):
    result = evaluate(real, real, tmp_path / "out", *options)

    assert result.exit_code == 2
    assert sentence in result.output
    assert not (tmp_path / "out").exists()


def test_too_few_pictures_are_a_sentence(real, tmp_path):
    (tmp_path / "few").mkdir()
    shutil.copy(find_pictures(real)[0], tmp_path / "few")

    result = evaluate(tmp_path / "few", real, tmp_path / "out")

    assert result.exit_code == 1
    assert "1 samples and 36 training pictures are too few" in result.output


def test_the_folder_one_is_in_may_be_the_samples(real, tmp_path, monkeypatch):
    shutil.copytree(real, tmp_path / "chosen")
    (tmp_path / "chosen" / "curation.csv").touch()
    monkeypatch.chdir(tmp_path / "chosen")

    result = CliRunner().invoke(main, ["evaluate", ".", str(real), "--device", "cpu"], catch_exceptions=False)

    assert result.exit_code == 0, result.output
    assert (tmp_path / "chosen-evaluation").is_dir()
    assert (
        "Next: mkdir -p bucket && python -m generate publish . bucket" in result.output
    )  # what was curated is not curated again
