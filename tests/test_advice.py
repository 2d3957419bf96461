"""advice: the `Next:` lines can be pasted, whatever the names, and are there only where something can follow."""

from __future__ import annotations

import json
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
from generate.model.checkpoints import Checkpoint
from generate.model.networks import NetworkOptions
from tests.conftest import EMOJI, ROOT
from tests.model_hub import ACCOUNT, environment, serve


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


def paste(line: str, folder: Path, **more: str) -> str:
    """Run the line in a shell in the folder, as people do; return its output. Commands in `bin` beside the folder come first."""
    path = os.pathsep.join([str(folder.parent / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}
    settings = inherited | {"PATH": path, "PYTHONPATH": str(ROOT)} | more
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


def said_next(said: str) -> str:
    """The `Next:` line of an output: the only one, and a line of its own."""
    (line,) = [line.removeprefix("Next: ") for line in said.splitlines() if line.startswith("Next: ")]
    return line


def paste_here(line: str, *more: str) -> str:
    """As `paste`, in the folder we are in, and with more options: a shell takes the line apart, but `python -m generate` then
    runs in this process, which has imported torch already."""
    words = paste(line, Path.cwd()).split("\0")[:-1]
    assert words[:2] == ["-m", "generate"]
    result = CliRunner().invoke(main, [*words[2:], *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def home(tiny_run, samples, tmp_path, monkeypatch) -> Path:
    """The folder we are in, which a shell would take apart, with a run, samples and data whose names look like options, and a
    Makefile whose `run` lists the bucket."""
    home = tmp_path / 'it\'s "mine" $HOME \U0001f363'
    shutil.copytree(tiny_run, home / RUN)
    shutil.copytree(tiny_run.parent / "prepared", home / DATA)
    shutil.copytree(samples, home / SAMPLES)
    (home / BUCKET).mkdir()
    (home / "Makefile").write_text('run:\n\t@ls -- "$$CLOUD_STORAGE_BUCKET"\n')
    stand_in(tmp_path / "bin" / "python", "#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    monkeypatch.chdir(home)
    return home


def stand_in(path: Path, script: str) -> None:
    path.parent.mkdir()
    path.write_text(script)
    path.chmod(0o755)


RUN, DATA, SAMPLES, BUCKET = (Path(f"-{name} \U0001f363") for name in ("my run", "da 'ta'", 'sam "ples"', "buc $(ket)"))
FEW = ("--count", "2", "--no-curate", "--device", "cpu")


def test_what_refill_and_releases_suggest_can_be_pasted(home):
    def releases() -> list[str]:
        return re.findall(r"^(\S+) .*This 'Cat'", paste_here(command_line("releases", BUCKET)), re.MULTILINE)

    refill = command_line("refill", RUN, BUCKET, "--title", "This 'Cat' Does Not Exist")
    for _ in range(2):
        refilled = paste_here(refill, *FEW)
    second, first = releases()

    assert paste(said_next(refilled), home).split() == ["releases", "site.json"]
    (undo,) = re.findall("^Undo: (.*)$", refilled, re.MULTILINE)
    assert f"{first} is live" in paste_here(undo)
    listed = paste_here(command_line("releases", BUCKET))
    assert f"{second} is live" in paste_here(said_next(listed))


def test_what_train_suggests_can_be_pasted(home):
    options = ("--kimg", "0.032", "--fmap-max", "16", "--device", "cpu")
    trained = paste_here(command_line("train", DATA, Path("-new run")), *options)

    published = paste_here(said_next(trained), "--yes", *FEW)

    assert paste(said_next(published), home).split() == ["releases", "site.json"]


def test_what_evaluate_suggests_can_be_pasted(home):
    of_a_run = paste_here(command_line("evaluate", RUN, DATA, "--count", 8, "--device", "cpu"))
    of_samples = paste_here(command_line("evaluate", SAMPLES, DATA, "--device", "cpu"))

    paste_here(said_next(of_a_run), "--device", "cpu")
    assert len(list((home / "samples").rglob("*.jpg"))) == 576
    assert "kept" in paste_here(said_next(of_samples), "--max-similarity", "1", "--worst", "0", "--device", "cpu")


def test_what_export_suggests_for_onnx_and_the_hub_can_be_pasted(home, tmp_path):
    onnx = paste_here(command_line("export", RUN, Path("-onnx"), "--format", "onnx"))
    assert "is live" in paste_here(said_next(onnx), *FEW)

    with serve({}) as hub:
        for name, options in ((f"{ACCOUNT}/an-it-s", []), ("anna/cakes", ["--repository", "anna/cakes"])):
            exported = paste_here(command_line("export", RUN, Path("-an it's \U0001f363"), "--format", "hub", *options))
            paste(said_next(exported), home, **environment(hub, str(tmp_path)), HF_TOKEN="hf_some")
            assert "generator.safetensors" in hub.repositories[name]


@pytest.mark.parametrize("name", ["-my 'cakes' \U0001f363", "123", "a,b", "None", "[a]", "a#b"])
def test_what_export_suggests_for_the_other_command_can_be_pasted(tmp_path, monkeypatch, name):
    """The command itself wants a GPU; here one stands in for it that reads its command line with the same library."""
    script = "import fire, json\nfire.Fire(lambda **options: print(json.dumps(options)))\n"
    stand_in(tmp_path / "bin" / "lightweight_gan", f"#!{sys.executable}\n{script}")
    network = NetworkOptions(32, 16, 16, attention=())
    checkpoint = Checkpoint(network, {}, {}, {})
    monkeypatch.setattr("generate.export.checkpoint_of", lambda run: checkpoint)
    monkeypatch.setattr(
        "generate.model.checkpoints.write_checkpoint", lambda dest, number, checkpoint: dest / "model_7.pt"
    )
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)

    line = next_line("export", tmp_path, f"./models 1/{name}", "--number", 7)

    options = {"name": name, "models_dir": str(home / "models 1"), "fmap_max": 16, "load_from": 7, "generate": True}
    assert json.loads(paste(line, home)) == options
