"""StyleGAN2 files of others from end to end: the file, `sample`, `publish`, the served page; and a hostile file."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import pytest
import requests
from click.testing import CliRunner
from PIL import Image

from generate.__main__ import main
from tests.conftest import ROOT, files, picture_in
from tests.published import Reduced, example, write_ada, write_flax, write_tensorflow

NAMES = ["cheesecake", "sushi roll", "pineapple"]


def generate(*arguments: object) -> str:
    """What a command says."""
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("write", "kind", "category", "title"),
    [
        (write_ada, "conditional", "sushi-roll", "This Sushi Roll Does Not Exist"),
        (write_flax, "conditional", "cheesecake", "This Cheesecake Does Not Exist"),
        (write_tensorflow, "unconditional", "cake", "This Cake Does Not Exist"),
        (write_tensorflow, "conditional", "pineapple", "This Pineapple Does Not Exist"),
    ],
    ids=["ada", "flax", "tensorflow", "tensorflow with categories"],
)
def test_from_a_published_file_to_a_website(tmp_path, site, write, kind, category, title):
    model = write(tmp_path / "food.pkl", example(kind))
    (tmp_path / "food.categories.txt").write_text("\n".join(NAMES))
    (tmp_path / "bucket").mkdir()

    said = generate("sample", model, tmp_path / "samples", "--count", 3, "--truncation", 0.7)
    named = ["--title", "This Food Does Not Exist" if kind == "conditional" else title]
    generate("publish", tmp_path / "samples", tmp_path / "bucket", *named)

    assert "pictures of 32 px" in said
    page = requests.get(f"{site(str(tmp_path / 'bucket'))}/c/{category}", timeout=60)
    assert title in page.text
    drawn = {data for name, data in files(tmp_path / "samples").items() if name.endswith(".jpg")}
    assert len(drawn) == (9 if kind == "conditional" else 3)
    assert picture_in(page.content) in drawn


def test_the_same_seeds_are_the_same_bytes_in_any_order_batch_and_rank(tmp_path):
    model = write_ada(tmp_path / "food.pkl", example("conditional"))

    generate("sample", model, tmp_path / "one", "--count", 5, "--format", "png", "--category", "1")
    for rank in (0, 1):
        command = ["sample", model, tmp_path / "two", "--seeds", "4,0-3", "--format", "png", "--category", "1"]
        environment = {"RANK": str(rank), "WORLD_SIZE": "2"}
        result = CliRunner(env=environment).invoke(main, [*map(str, command), "--batch-size", "2"])
        assert result.exit_code == 0, result.output

    one, two = ({k: v for k, v in files(tmp_path / n).items() if k.endswith(".png")} for n in ("one", "two"))
    assert one == two
    assert len(one) == 5
    row = json.loads((tmp_path / "one" / "samples.jsonl").read_text().splitlines()[0])
    assert row["category"] == "1"


def test_samples_from_before_the_categories_had_names_are_not_mixed(tmp_path):
    model = write_ada(tmp_path / "food.pkl", example("conditional"))
    generate("sample", model, tmp_path / "samples", "--count", 1)
    before = files(tmp_path / "samples")
    (tmp_path / "food.categories.txt").write_text("\n".join(NAMES))

    result = CliRunner().invoke(main, ["sample", str(model), str(tmp_path / "samples"), "--count", "2"])

    assert result.exit_code == 1
    assert "holds samples of the category '0', which the model's categories no longer include" in result.output
    assert files(tmp_path / "samples") == before


def test_explore_refill_and_evaluate_take_it(tmp_path, samples):
    model = write_flax(tmp_path / "food.pkl", example("conditional"))
    (tmp_path / "bucket").mkdir()

    generate("explore", model, tmp_path / "seen", "--seeds", "0-2", "--seconds", 0.1, "--directions", 2)
    generate("refill", model, tmp_path / "bucket", "--count", 6, "--no-curate", "--title", "This Food Does Not Exist")
    generate("evaluate", model, samples, "--count", 12)

    assert {"interpolation.mp4", "mixing.png", "directions.png"} <= {
        path.name for path in (tmp_path / "seen").iterdir()
    }
    catalog = json.loads((tmp_path / "bucket" / "site.json").read_text())
    assert catalog["model"]["family"] == "StyleGAN2 in Flax"
    assert [category["count"] for category in catalog["categories"]] == [2, 2, 2]
    assert (tmp_path / "evaluation" / "evaluation.json").exists()
    with Image.open(tmp_path / "seen" / "mixing.png") as sheet:
        assert sheet.width > 100


def test_what_is_only_for_our_generators_says_so(tmp_path):
    model = write_ada(tmp_path / "food.pkl", example("unconditional"))

    result = CliRunner().invoke(main, ["export", str(model), str(tmp_path / "out"), "--format", "onnx"])

    assert result.exit_code == 1
    assert "A StyleGAN2-ADA generator can't be exported for browsers" in result.output


def test_a_hostile_file_is_one_sentence_on_the_command_line(tmp_path):
    marker = tmp_path / "ran"
    evil = tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps({"G_ema": Reduced(os.system, (f"touch {marker}",))}))

    command = [sys.executable, "-m", "generate", "sample", str(evil), str(tmp_path / "samples"), "--count", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {evil} can't be read as a StyleGAN2 generator, since it asks for posix.system")
    assert not marker.exists()
    assert not (tmp_path / "samples").exists()
