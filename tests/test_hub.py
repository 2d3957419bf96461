"""export --format hub: the folder holds all that another needs, and draws the same bytes."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

from generate.__main__ import main
from generate.folders import atomic_folder
from tests.conftest import files


def generate(*arguments: object):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_the_folder_draws_the_same_bytes_and_says_what_it_is(tiny_run, tmp_path):
    result = generate("export", tiny_run, tmp_path / "emoji", "--format", "hub", "--licence", "mit")
    assert result.exit_code == 0, result.output
    for model, dest in ((tiny_run, "a"), (tmp_path / "emoji", "b")):
        assert generate("sample", model, tmp_path / dest, "--count", 3, "--device", "cpu").exit_code == 0

    ours, theirs = files(tmp_path / "a"), files(tmp_path / "b")
    assert {name: data for name, data in ours.items() if name.endswith(".jpg")} == {
        name: data for name, data in theirs.items() if name.endswith(".jpg")
    }
    card = (tmp_path / "emoji" / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    assert "sample hf:OWNER/emoji samples" in card
    assert json.loads((tmp_path / "emoji" / "config.json").read_text())["family"] == "lightweight-gan"
    with Image.open(tmp_path / "emoji" / "samples.jpg") as sheet:
        assert sheet.width > sheet.height


def test_the_run_itself_is_no_place_for_it(tiny_run):
    result = generate("export", tiny_run, tiny_run, "--format", "hub")

    assert result.exit_code == 1
    assert "choose another DEST" in result.output


@pytest.fixture
def run(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_a_rerun_replaces_the_whole_folder(run, tmp_path):
    dest = tmp_path / "emoji"
    assert generate("export", run, dest, "--format", "hub").exit_code == 0
    (run / "discriminator.safetensors").unlink()
    assert generate("export", run, dest, "--format", "hub").exit_code == 0

    assert sorted(files(dest)) == ["README.md", "config.json", "generator.safetensors", "samples.jpg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emoji", "run"]


def test_what_fails_half_way_leaves_the_earlier_folder_as_it_was(tmp_path):
    dest = tmp_path / "emoji"
    dest.mkdir()
    (dest / "README.md").write_text("earlier")
    with pytest.raises(IsADirectoryError), atomic_folder(dest) as folder:
        folder.write_text("half")

    assert files(tmp_path) == {"emoji/README.md": b"earlier"}


@pytest.mark.parametrize("name", ["notes.txt", "README.md"])
def test_a_folder_with_other_content_is_refused(tiny_run, tmp_path, name):
    (tmp_path / name).write_text("mine")
    result = generate("export", tiny_run, tmp_path, "--format", "hub")

    assert result.exit_code == 1
    assert f"holds something that export did not put there ('{name}'): choose another DEST." in result.output
    assert files(tmp_path) == {name: b"mine"}


def test_the_card_has_what_evaluate_measured_unless_the_weights_are_newer(run, tmp_path):
    record = run / "evaluation" / "evaluation.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"features": "dinov2", "samples": 500, "frechet": 432.1, "kernel": 0.0625}))
    assert generate("export", run, tmp_path / "a", "--format", "hub").exit_code == 0
    os.utime(record, (0, 0))
    assert generate("export", run, tmp_path / "b", "--format", "hub").exit_code == 0

    card, older = ((tmp_path / name / "README.md").read_text() for name in "ab")
    assert "| samples measured | 500 |\n| frechet | 432.1 |\n| kernel | 0.0625 |" in card
    assert "on DINOv2's features" in card
    assert "432.1" not in older
    assert "REPOSITORY" not in card
