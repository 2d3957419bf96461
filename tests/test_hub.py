"""export --format hub: the folder can be uploaded as it is, and what its card says to do draws the pictures it shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from huggingface_hub import ModelCard
from huggingface_hub.utils import validate_repo_id
from PIL import Image

from generate.__main__ import main
from generate.folders import atomic_folder
from generate.model.generator import save_generator
from generate.model.networks import NetworkOptions, build_generator
from tests.conftest import ROOT, files
from tests.model_hub import environment, serve


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


@pytest.fixture
def conditional(tmp_path) -> Path:
    """An untrained generator of two categories."""
    torch.manual_seed(0)
    network = NetworkOptions(size=32, latent_dim=16, fmap_max=16, attention=(), categories=("cats", "dogs"))
    generator = build_generator(network)
    torch.nn.init.normal_(generator.embed.weight)  # which starts at zero
    (tmp_path / "conditional").mkdir()
    save_generator(tmp_path / "conditional" / "generator.safetensors", generator, network, {"data": "cats | dogs"})
    return tmp_path / "conditional"


def test_it_is_uploaded_as_it_is_and_a_stranger_follows_its_card(conditional, tmp_path):
    """`hf upload`, as `export` says; then the card's commands, word for word, in a shell elsewhere."""
    options = ("--format", "hub", "--repository", "anna/small-pets")
    exported = generate("export", conditional, tmp_path / "exported", *options)
    assert exported.exit_code == 0, exported.output
    upload = exported.output.splitlines()[-1].removeprefix("Next: ")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("generate", "gallery", "requirements.txt"):  # the card says: in the folder of this project
        (elsewhere / name).symlink_to(ROOT / name)

    with serve({}) as hub:
        settings = environment(hub, str(tmp_path)) | {"HF_TOKEN": "hf_some", "PIP_NO_INDEX": "1"}
        settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

        def shell(commands: str) -> None:
            done = subprocess.run(
                ["sh", "-ec", commands],
                cwd=elsewhere,
                env=os.environ | settings,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, done.stdout + done.stderr

        shell(upload)
        there = hub.repositories["anna/small-pets"]
        assert there == files(tmp_path / "exported")
        card = there["README.md"].decode()
        (commands,) = re.findall(r"```sh\n(.*?)```", card, flags=re.DOTALL)
        shell(commands)

    (promised,) = re.findall(r"`(samples/\S+)` is then the first picture above", card)
    (sheet,) = re.findall(r"!\[Samples\]\((\S+)\)", card)
    with Image.open(elsewhere / promised) as picture, Image.open(tmp_path / "exported" / sheet) as shown:
        cells = np.asarray(shown, float).reshape(6, 32, 8, 32, 3).swapaxes(1, 2).reshape(48, 32, 32, 3)
        differences = np.abs(cells - np.asarray(picture, float)).mean(axis=(1, 2, 3))
    assert differences.argmin() == 0, differences


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("mit", {"license": "mit"}),
        ("Apache 2.0", {"license": "apache-2.0"}),
        ("", {"license": "unknown"}),
        ("no", {"license": "other", "license_name": "no"}),
        ("Our own: ask #1 'first'", {"license": "other", "license_name": "our-own-ask-1-first"}),
    ],
)
def test_the_hub_s_library_reads_the_card(tiny_run, tmp_path, given, read):
    result = generate("export", tiny_run, tmp_path / "emoji", "--format", "hub", "--licence", given)
    assert result.exit_code == 0, result.output

    card = ModelCard.load(tmp_path / "emoji" / "README.md")

    found = card.data.to_dict()
    assert {name: value for name, value in found.items() if name.startswith("license")} == read
    assert found["tags"] == ["gan", "image-generation", "lightweight-gan"]
    assert found["pipeline_tag"] == "unconditional-image-generation"
    assert card.text.lstrip().startswith("# emoji\n")


def test_a_fact_with_a_bar_in_it_is_one_cell(conditional, tmp_path):
    assert generate("export", conditional, tmp_path / "pets", "--format", "hub").exit_code == 0

    card = (tmp_path / "pets" / "README.md").read_text()

    assert r"| training pictures | cats \| dogs |" in card
    assert "pipeline_tag" not in card  # none of the hub's tasks is about categories


@pytest.mark.parametrize("folder", ["my cakes!", "-torten--und.git", "寿司"])
def test_a_folder_of_any_name_is_a_repository_that_the_hub_accepts(tiny_run, tmp_path, folder):
    result = generate("export", tiny_run, tmp_path / folder, "--format", "hub")
    assert result.exit_code == 0, result.output

    *_, name, path = shlex.split(result.output.splitlines()[-1])  # without an owner: in the account that is logged in
    validate_repo_id(f"OWNER/{name}")
    assert "/" not in name
    assert path == str(tmp_path / folder)
    card = (tmp_path / folder / "README.md").read_text()
    assert f"sample hf:OWNER/{name} samples" in card
    assert "with the owner of this repository for `OWNER`" in card


@pytest.mark.parametrize("name", ["cakes", "anna/my cakes", "a/b/c", "https://huggingface.co/anna/cakes", ""])
def test_what_can_t_be_a_repository_is_a_sentence(tiny_run, tmp_path, name):
    result = generate("export", tiny_run, tmp_path / "a", "--format", "hub", "--repository", name)

    assert result.exit_code == 2
    assert "can't be a repository of the hub: write OWNER/NAME, as in anna/cakes" in result.output
    assert not (tmp_path / "a").exists()
