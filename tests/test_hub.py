"""export --format hub: the folder holds all that another needs, and draws the same bytes."""

from __future__ import annotations

import json

from click.testing import CliRunner
from PIL import Image

from generate.__main__ import main
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
