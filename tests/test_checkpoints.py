"""checkpoints: exchanged with the lightweight_gan package itself, its own Trainer, in both directions."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from generate.__main__ import main
from generate.model.checkpoints import read_checkpoint
from generate.model.generator import draw_pictures, load_generator
from generate.model.networks import draw_inputs, fixed_noise, package
from generate.prepare import prepare
from generate.training.loop import train
from generate.training.options import TrainOptions
from generate.training.snapshots import read_newest
from tests.conftest import EMOJI, TINY


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """The package's Trainer of tiny networks, kept on the CPU, which it was not made for."""
    monkeypatch.setattr(nn.Module, "cuda", lambda module, device=None: module)
    monkeypatch.setattr(package, "Blur", package.Blur)  # the Trainer replaces it for good

    def make(**options):
        sizes = {"image_size": 32, "latent_dim": TINY["latent_dim"], "fmap_max": TINY["fmap_max"]}
        return package.Trainer("theirs", base_dir=tmp_path, use_aim=False, disc_output_size=1, **sizes, **options)

    return make


def generate(*arguments: object):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_an_exported_run_is_loaded_by_the_packages_trainer(tiny_run, tmp_path, trainer):
    result = generate("export", tiny_run, tmp_path / "models" / "theirs", "--number", 7)
    assert result.exit_code == 0, result.output

    theirs = trainer()
    theirs.init_GAN()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own use of torch
        theirs.load(7)  # strict: every weight, none too many

    latents, noises = draw_inputs(theirs.GAN.GE, [0, 1], TINY["latent_dim"])
    with torch.no_grad(), fixed_noise(theirs.GAN.GE.eval(), noises):
        drawn = theirs.GAN.GE(latents).clamp(0, 1).mul(255)
    ours = draw_pictures(load_generator(tiny_run).generator, [0, 1], batch_size=2)
    assert (drawn - ours).abs().max() <= 2  # rounding, and half precision in generator.safetensors


def test_a_checkpoint_of_the_trainer_is_sampled_and_trained_on(tmp_path, trainer):
    theirs = trainer()
    theirs.init_GAN()
    theirs.save(3)
    checkpoint = tmp_path / "models" / "theirs" / "model_3.pt"

    result = generate("sample", checkpoint, tmp_path / "samples", "--count", 2, "--format", "png", "--device", "cpu")

    assert result.exit_code == 0, result.output
    latents, noises = draw_inputs(theirs.GAN.GE, [1], TINY["latent_dim"])
    with torch.no_grad(), fixed_noise(theirs.GAN.GE.eval(), noises):
        drawn = theirs.GAN.GE(latents)[0].clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    sampled = np.asarray(Image.open(tmp_path / "samples" / "0000001.png"), dtype=float)
    assert np.abs(sampled - drawn).max() <= 1

    prepare(EMOJI, tmp_path / "prepared", size=32)
    options = replace(TrainOptions(**TINY), kimg=0.004, start_from=str(checkpoint), learning_rate=1e-9)
    train(tmp_path / "prepared", tmp_path / "run", options, device="cpu")

    trained = read_newest(tmp_path / "run")["discriminator"]
    for name, weight in read_checkpoint(checkpoint).discriminator.items():
        torch.testing.assert_close(trained[name], weight, atol=1e-6, rtol=1e-4)


def test_a_checkpoint_of_other_networks_says_which(tmp_path, trainer):
    theirs = trainer()
    theirs.init_GAN()
    theirs.save(3)
    prepare(EMOJI, tmp_path / "prepared", size=32)

    checkpoint = tmp_path / "models" / "theirs" / "model_3.pt"
    result = generate("train", tmp_path / "prepared", tmp_path / "run", "--from", checkpoint)

    assert result.exit_code == 1
    assert "latent_dim=16 fmap_max=16 attention=()" in result.output
    assert not (tmp_path / "run").exists()  # else the same command with the right options would be refused


class Explosive:
    """Unpickled, it would run code."""

    def __reduce__(self):
        return exec, ("raise SystemExit('the checkpoint ran code')",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    (tmp_path / ".config.json").write_text('{"image_size": 32, "disc_output_size": 1}')
    (tmp_path / "model_1.pt").write_bytes(pickle.dumps({"GAN": Explosive()}, protocol=2))
    torch.save({"GAN": Explosive()}, tmp_path / "model_2.pt")

    for name in ("model_1.pt", "model_2.pt"):
        result = generate("sample", tmp_path / name, tmp_path / "out", "--count", 1)
        assert result.exit_code == 1
        assert "no checkpoint of lightweight_gan that can be loaded safely" in result.output
        assert "the checkpoint ran code" not in result.output


def test_a_checkpoint_without_its_configuration_says_so(tmp_path):
    torch.save({}, tmp_path / "model_1.pt")

    result = generate("sample", tmp_path / "model_1.pt", tmp_path / "out", "--count", 1)

    assert result.exit_code == 1
    assert ".config.json is missing" in result.output


def test_what_the_package_does_not_know_is_not_handed_over(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    options = json.loads((tmp_path / "run" / "options.json").read_text())
    (tmp_path / "run" / "options.json").write_text(json.dumps(options | {"discriminator": "projected"}))

    result = generate("export", tmp_path / "run", tmp_path / "out")

    assert result.exit_code == 1
    assert "--discriminator projected, which the lightweight_gan command does not know" in result.output


def test_a_run_without_a_snapshot_can_not_be_exported(tmp_path):
    result = generate("export", tmp_path, tmp_path / "out")

    assert result.exit_code == 1
    assert "has no snapshot to export" in result.output
    assert not (tmp_path / "out").exists()
