"""Every family of models alike: a seed is its picture, whoever draws it; less truncation is less variety; and onto a page."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import requests
from click.testing import CliRunner
from PIL import Image

from generate.__main__ import main
from tests.conftest import ROOT, files, picture_in
from tests.families import CATEGORY, WRITERS, write_family
from tests.model_hub import environment, serve


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """MODEL by family."""
    folder = tmp_path_factory.mktemp("families")
    return {name: write_family(name, folder / name) for name in WRITERS}


@pytest.fixture
def sample(models):
    """sample(family, dest, *options, **environment) draws PNGs, of one category where the family has any."""

    def sample(family, dest, *options, **environment):
        command = ["sample", models[family], dest, "--format", "png", "--device", "cpu", *options]
        command += ["--category", CATEGORY[family]] if family in CATEGORY else []
        result = CliRunner(env=environment).invoke(main, [*map(str, command)])
        assert result.exit_code == 0, result.output
        return {name: data for name, data in files(dest).items() if name.endswith(".png")}

    return sample


@pytest.mark.parametrize("family", WRITERS)
def test_the_same_seeds_are_the_same_bytes_again_and_in_two_ranks(sample, tmp_path, family):
    drawn = sample(family, tmp_path / "one", "--count", 5)
    again = sample(family, tmp_path / "again", "--seeds", "3-4,0-2")
    for rank in "01":
        shared = sample(family, tmp_path / "two", "--count", 5, RANK=rank, WORLD_SIZE="2")
        assert len(shared) == (5 if rank == "1" else 3)

    assert len(set(drawn.values())) == 5
    assert again == drawn
    assert shared == drawn


@pytest.mark.parametrize("family", WRITERS)
def test_truncation_0_3_is_less_varied_than_1(sample, tmp_path, family):
    """By the standard deviation of pixels over the seeds."""

    def variety(truncation: float) -> float:
        dest = tmp_path / str(truncation)
        sample(family, dest, "--count", 12, "--truncation", truncation)
        pictures = [np.asarray(Image.open(path).convert("RGB"), float) for path in sorted(dest.rglob("*.png"))]
        return float(np.stack(pictures).std(axis=0).mean())

    assert 0 < variety(0.3) < 0.85 * variety(1.0)


def test_a_lightweight_gan_of_the_hub_gets_from_its_name_to_a_page_with_its_category(models, tmp_path, site):
    repository = files(models["lightweight-gan"])
    assert sorted(repository) == ["config.json", "model.pt"]
    (tmp_path / "bucket").mkdir()

    def generate(*arguments: str) -> None:
        command = [sys.executable, "-m", "generate", *arguments]
        settings = os.environ | environment(hub, str(tmp_path)) | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    with serve({"anna/flowers": repository}) as hub:
        generate("sample", "hf:anna/flowers", "samples/flower", "--count", "4", "--device", "cpu")
    generate("publish", "samples", "bucket")

    page = requests.get(f"{site(str(tmp_path / 'bucket'))}/c/flower", timeout=60)
    assert "<title>This Flower Does Not Exist" in page.text
    assert picture_in(page.content) in files(tmp_path / "samples" / "flower").values()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("export MODEL out --format onnx", "A DCGAN generator can't be exported for browsers"),
        ("export MODEL out --format hub", "A DCGAN generator can't be written as a folder for the hub"),
        ("export MODEL out", "MODEL is a file: this format is made of a run folder of `train`"),
        ("train DATA out --from MODEL --dry-run", "MODEL is a DCGAN generator; --from takes a run of `train`"),
    ],
)
def test_what_only_our_generators_can_do_says_so(models, samples, tmp_path, words, sentence):
    words = words.replace("out", str(tmp_path / "out")).replace("DATA", str(samples))

    result = CliRunner().invoke(main, shlex.split(words.replace("MODEL", str(models["dcgan"]))))

    assert result.exit_code == 1
    assert result.output.startswith("Error: " + sentence.replace("MODEL", str(models["dcgan"])))
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_lightweight_gan_is_uploaded_as_it_is(models, tmp_path):
    for model in (models["lightweight-gan"], models["lightweight-gan"] / "model.pt"):
        command = ["export", str(model), str(tmp_path / "out"), "--format", "hub"]
        result = CliRunner().invoke(main, command)

        assert result.exit_code == 1
        assert "is of the lightweight_gan command: upload model.pt as model.pt" in result.output
    assert not (tmp_path / "out").exists()


def test_a_folder_is_evaluated_as_a_model(models, tmp_path, samples):
    options = ["--dest", tmp_path / "out", "--count", 12, "--device", "cpu"]

    result = CliRunner().invoke(main, ["evaluate", *map(str, (models["lightweight-gan"], samples, *options))])

    assert result.exit_code == 0, result.output
    assert "12 samples against" in result.output


GUIDE = (ROOT / "docs" / "models.md").read_text()
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL)).splitlines()
COMMANDS = [line for line in BLOCKS if line.startswith("python -m generate ")]
NAMED = {  # the files that docs/models.md names
    "cakes.pkl": ("tensorflow", "network.pkl"),
    "food-512.pkl": ("ada", "network.pkl"),
    "models/flowers/model_150.pt": ("stylegan2-pytorch", "model_7.pt"),
    "gan_face_generate/weights.tar": ("dcgan", "netG.pth"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_guide_s_commands_run(models, tmp_path, monkeypatch, command):
    """With small models under the names in docs/models.md, and fewer pictures; fetching is tested in test_fetching.py."""
    for name, (family, file) in NAMED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        folder = models[family] if models[family].is_dir() else models[family].parent
        shutil.copyfile(folder / file, tmp_path / name)
    (tmp_path / "food-512.categories.txt").write_text("cheesecake\nsushi\npizza\n")
    shutil.copyfile(models["stylegan2-pytorch"].parent / ".config.json", tmp_path / "models/flowers/.config.json")
    shutil.copytree(models["biggan"], tmp_path / "biggan")
    (tmp_path / "bucket").mkdir()
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command.replace("hf:osanseviero/BigGAN-deep-128", "biggan"))[3:]
    words += ["--count", "6"] + (["--categories", "2", "--no-curate"] if "--categories" in words else [])

    result = CliRunner().invoke(main, words)

    assert result.exit_code == 0, result.output
    made = [path for path in (tmp_path / words[2]).rglob("*.jpg") if "thumbs" not in path.parts]
    assert len(made) >= 6


def test_help_and_readme_name_every_family_of_the_guide():
    families = re.findall(r"^\| ([^|]+) \| [^-]", GUIDE, flags=re.MULTILINE)[1:]
    said = CliRunner().invoke(main, ["sample", "--help"]).output.replace("_", "-")
    readme = (ROOT / "README.md").read_text()

    assert len(families) == len(WRITERS) - 1  # all but ours
    for family in families:
        assert family in said
        assert family.removesuffix("-ADA").partition(" in ")[0] in readme
