"""advice: the `Next:` lines can be pasted, whatever the names, and are there only where something can follow."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from generate.__main__ import main
from generate.advice import command_line, title_option, to_bucket, train_option
from tests.conftest import EMOJI, ROOT


def next_line(*arguments: object) -> str:
    """What the command says comes next, or "" if it says nothing."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return next((line.removeprefix("Next: ") for line in result.output.splitlines() if line.startswith("Next: ")), "")


@pytest.mark.parametrize("name", ["my photos", "it's", "$HOME", "a;b", "--x", "寿司", "a\nb"])
def test_names_are_quoted_for_a_shell(name):
    said = subprocess.run(
        ["sh", "-c", command_line("curate", name).replace("python -m generate", "printf '%s\\n'")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == f"curate\n{name}\n"


def test_a_path_that_looks_like_an_option_is_given_as_a_path():
    assert command_line("curate", Path("-x"), "chosen") == "python -m generate curate ./-x chosen"


def test_options_are_there_only_where_they_are_needed():
    assert train_option(None) == []
    assert train_option(Path("data")) == ["--train", Path("data")]
    assert title_option(has_categories=True) == []
    assert title_option(has_categories=False) == ["--title", "This Thing Does Not Exist"]


def test_a_bucket_that_does_not_exist_is_made_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert to_bucket("publish", "chosen", "bucket") == "mkdir -p bucket && python -m generate publish chosen bucket"
    (tmp_path / "bucket").mkdir()
    assert to_bucket("publish", "chosen", "bucket") == "python -m generate publish chosen bucket"


def test_prepare_suggests_a_conditional_training_where_there_are_categories(tmp_path):
    assert next_line("prepare", EMOJI, tmp_path / "all of them", "--size", 32).endswith("--conditional")
    assert "--conditional" not in next_line("prepare", EMOJI / "food", tmp_path / "food", "--size", 32)


def test_prepare_suggests_no_conditional_training_where_pictures_lie_beside_the_categories(tmp_path):
    shutil.copytree(EMOJI, tmp_path / "in")
    Image.open(EMOJI / "food" / "pizza.webp").rotate(90).save(tmp_path / "in" / "loose.png")

    assert "--conditional" not in next_line("prepare", tmp_path / "in", tmp_path / "out", "--size", 32, "--near", -1)
    assert shlex.quote(str(tmp_path / "all of them")) in next_line(
        "prepare", EMOJI, tmp_path / "all of them", "--size", 32
    )


def test_curate_suggests_a_title_only_without_categories_and_nothing_without_pictures(samples, tmp_path):
    keep_none = tmp_path / "none.txt"
    keep_none.write_text("")

    assert "--title" in next_line("curate", samples / "food", tmp_path / "a", "--device", "cpu")
    assert "--title" not in next_line("curate", samples, tmp_path / "b", "--device", "cpu")
    assert next_line("curate", samples, tmp_path / "c", "--keep-list", keep_none, "--device", "cpu") == ""


def test_curate_of_training_pictures_suggests_no_publishing(tmp_path):
    next_line("prepare", EMOJI / "food", tmp_path / "prepared" / "food", "--size", 32)

    assert next_line("curate", tmp_path / "prepared" / "food", tmp_path / "chosen", "--device", "cpu") == ""


def test_curate_of_noise_warns_and_suggests_no_publishing(tmp_path):
    torch.manual_seed(0)
    (tmp_path / "noise").mkdir()
    for number in range(12):
        pixels = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8).numpy()
        Image.fromarray(pixels).save(tmp_path / "noise" / f"{number}.png")
    next_line("prepare", EMOJI, tmp_path / "prepared", "--size", 64)
    arguments = ["curate", tmp_path / "noise", tmp_path / "chosen", "--train", tmp_path / "prepared", "--device", "cpu"]

    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)

    assert result.exit_code == 0
    assert "Warning: the pictures barely resemble the training pictures" in result.output
    assert "good" not in result.output
    assert "Next" not in result.output


def test_curate_that_keeps_nothing_says_what_to_do_and_that_works(samples, tmp_path):
    arguments = ["curate", samples, tmp_path / "chosen", "--train", samples, "--device", "cpu"]

    result = CliRunner().invoke(main, [*map(str, arguments)])
    again = CliRunner().invoke(main, [*map(str, arguments), "--max-similarity", "1", "--worst", "0"])

    assert "0 of 24 kept; left out: 24 copies of training pictures" in result.output
    assert "Nothing is left to publish" in result.output
    assert "say with --max-similarity 1 and --worst 0" in result.output
    assert "24 of 24 kept" in again.output


def paste(line: str, folder: Path) -> str:
    """Run the line in a shell in the folder, as people do; return its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", line], cwd=folder, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_photos_to_training_by_pasting(tmp_path):
    """Each line that is run is the one printed before it, in folders that a shell would take apart."""
    home = tmp_path / 'it\'s "mine" $HOME'
    home.mkdir()
    shutil.copytree(EMOJI, home / "-my photos")

    collected = paste(command_line("collect", Path("-my photos"), Path("-my $(col)'lected"), "--min-size", 32), home)
    prepared = paste(collected.partition("Next: ")[2].strip() + " --size 32", home)
    planned = paste(prepared.partition("Next: ")[2].strip() + " --dry-run --device cpu", home)

    assert "--conditional" in prepared
    assert "pictures" in planned
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == [
        "-my $(col)'lected",
        "-my photos",
        "prepared",
    ]


def test_from_a_generator_to_a_bucket_by_pasting(tmp_path):
    home = tmp_path / 'it\'s "mine" $HOME'
    home.mkdir()
    shutil.copy(ROOT / "demo" / "generator.safetensors", home / "-my model.safetensors")

    first = command_line("sample", Path("-my model.safetensors"), Path("-sam ples"), "--count", 4, "--device", "cpu")
    said = paste(first, home)
    for _ in ("curate", "publish"):
        said = paste(said.partition("Next: ")[2].strip(), home)

    (settings,) = re.findall(r"Next: (CLOUD_STORAGE_BUCKET=.*) make run", said)
    assert "is live" in said
    assert paste(f'{settings} && ls "$CLOUD_STORAGE_BUCKET"', home).split() == ["releases", "site.json"]


def test_what_curate_suggests_for_its_own_folder_works(samples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(samples / "food", tmp_path / "my samples")
    line = next_line("curate", "my samples", "my choice", "--device", "cpu")

    (tmp_path / "bucket").mkdir()
    command = shlex.split(line.partition("python -m generate ")[2])

    assert CliRunner().invoke(main, command).exit_code == 0


@pytest.mark.parametrize(
    ("command", "source", "dest"),
    [("explore", "-my run", "-looks $(x)"), ("recognise", "-sam ples", "-named 'so'")],
)
def test_what_explore_and_recognise_suggest_can_be_pasted(
    tiny_run, samples, tmp_path, monkeypatch, command, source, dest
):
    home = tmp_path / 'it\'s "mine" $HOME'
    home.mkdir()
    shutil.copytree(tiny_run, home / "-my run")
    shutil.copytree(samples, home / "-sam ples")
    monkeypatch.chdir(home)

    line = next_line(command, f"./{source}", f"./{dest}", "--device", "cpu")

    assert line
    paste(line, home)
