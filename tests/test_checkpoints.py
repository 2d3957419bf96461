"""checkpoints: exchanged with the lightweight_gan package itself, its own Trainer, in both directions."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from generate.__main__ import main
from generate.model.checkpoints import read_checkpoint
from generate.model.generator import draw_pictures, load_generator
from generate.model.networks import package
from generate.model.noise import draw_inputs, fixed_noise
from generate.prepare import prepare
from generate.training.choices import TrainOptions
from generate.training.loop import train
from generate.training.snapshots import read_newest
from tests.conftest import EMOJI, TINY

LIGHTWEIGHT = TINY | {
    "discriminator": "lightweight",
    "latent_dim": 256,
    "fmap_inverse_coef": 12,
}  # what its command builds


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """The package's Trainer of tiny networks, kept on the CPU, which it was not made for."""
    monkeypatch.setattr(nn.Module, "cuda", lambda module, device=None: module)
    monkeypatch.setattr(package, "Blur", package.Blur)  # the Trainer replaces it for good

    def make(**options):
        sizes = {"image_size": 32, "fmap_max": TINY["fmap_max"]}
        return package.Trainer("theirs", base_dir=tmp_path, use_aim=False, disc_output_size=1, **sizes, **options)

    return make


@pytest.fixture(scope="module")
def lightweight_run(tmp_path_factory):
    """A run of two steps that the package can load."""
    folder = tmp_path_factory.mktemp("lightweight")
    prepare(EMOJI, folder / "prepared", size=32)
    train(folder / "prepared", folder / "run", TrainOptions(**LIGHTWEIGHT), device="cpu")
    return folder / "run"


@pytest.fixture(scope="module")
def prepared32(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    prepare(EMOJI, folder, size=32)
    return folder


def generate(*arguments: object):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_an_exported_run_is_loaded_by_the_packages_trainer(lightweight_run, tmp_path, trainer):
    result = generate("export", lightweight_run, tmp_path / "models" / "theirs", "--number", 7)
    assert result.exit_code == 0, result.output
    assert f"--models-dir={tmp_path / 'models'} --fmap-max 16 --load-from 7 --generate" in result.output

    theirs = trainer()
    theirs.init_GAN()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own use of torch
        theirs.load(7)  # strict: every weight, none too many

    latents, noises = draw_inputs(theirs.GAN.GE, [0, 1], LIGHTWEIGHT["latent_dim"])
    with torch.no_grad(), fixed_noise(theirs.GAN.GE.eval(), noises):
        drawn = theirs.GAN.GE(latents).clamp(0, 1).mul(255)
    ours = draw_pictures(load_generator(lightweight_run).generator, [0, 1], batch_size=2)
    assert (drawn - ours).abs().max() <= 2  # rounding, and half precision in generator.safetensors


def test_a_checkpoint_of_the_trainer_is_sampled_and_trained_on(tmp_path, trainer):
    theirs = trainer()
    theirs.init_GAN()
    theirs.save(3)
    checkpoint = tmp_path / "models" / "theirs" / "model_3.pt"

    result = generate("sample", checkpoint, tmp_path / "samples", "--count", 2, "--format", "png", "--device", "cpu")

    assert result.exit_code == 0, result.output
    latents, noises = draw_inputs(theirs.GAN.GE, [1], LIGHTWEIGHT["latent_dim"])
    with torch.no_grad(), fixed_noise(theirs.GAN.GE.eval(), noises):
        drawn = theirs.GAN.GE(latents)[0].clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    sampled = np.asarray(Image.open(tmp_path / "samples" / "0000001.png"), dtype=float)
    assert np.abs(sampled - drawn).max() <= 1

    prepare(EMOJI, tmp_path / "prepared", size=32)
    options = replace(TrainOptions(**LIGHTWEIGHT), kimg=0.004, start_from=str(checkpoint), learning_rate=1e-9)
    train(tmp_path / "prepared", tmp_path / "run", options, device="cpu")

    trained = read_newest(tmp_path / "run")["discriminator"]
    for name, weight in read_checkpoint(checkpoint).discriminator.items():
        torch.testing.assert_close(trained[name], weight, atol=1e-6, rtol=1e-4)


def test_a_checkpoint_under_the_names_of_the_hub_draws_the_same(tmp_path, trainer):
    theirs = trainer()
    theirs.init_GAN()
    theirs.save(3)
    home, hub = tmp_path / "models" / "theirs", tmp_path / "hub"
    hub.mkdir()
    for name, shared in (("model_3.pt", "model.pt"), (".config.json", "config.json")):
        (hub / shared).write_bytes((home / name).read_bytes())

    ours, file, folder = (
        draw_pictures(load_generator(path).generator, [0, 1], 2)
        for path in (home / "model_3.pt", hub / "model.pt", hub)
    )

    assert torch.equal(ours, file)
    assert torch.equal(ours, folder)


def test_a_checkpoint_brings_its_networks_and_other_pictures_are_refused(tmp_path, trainer):
    theirs = trainer()
    theirs.init_GAN()
    theirs.save(3)
    checkpoint = tmp_path / "models" / "theirs" / "model_3.pt"
    prepare(EMOJI, tmp_path / "prepared", size=32)
    prepare(EMOJI, tmp_path / "larger", size=64)

    small = "--kimg 0.004 --batch-size 4 --accumulate 1 --device cpu --from".split()
    result = generate("train", tmp_path / "prepared", tmp_path / "run", *small, checkpoint)
    assert result.exit_code == 0, result.output
    options = json.loads((tmp_path / "run" / "options.json").read_text())
    assert (options["discriminator"], options["latent_dim"], options["fmap_max"]) == ("lightweight", 256, 16)

    for changed, reason in (
        ([tmp_path / "larger"], "it was trained with size 32, not 64"),
        ([tmp_path / "prepared", "--fmap-max", "32"], "was trained with fmap_max 16, not 32: leave that option out"),
        ([tmp_path / "prepared", "--discriminator", "r3gan"], "was trained with discriminator lightweight, not r3gan"),
    ):
        result = generate("train", *changed[:1], tmp_path / "other", *changed[1:], *small, checkpoint)
        assert result.exit_code == 1
        assert reason in result.output
        assert not (tmp_path / "other").exists()


def save_changed(trainer, change) -> Path:
    """A checkpoint of the package's Trainer, its weights and configuration changed."""
    theirs = trainer
    theirs.init_GAN()
    theirs.save(3)
    path = Path(theirs.models_dir) / "theirs" / "model_3.pt"
    stored, config = torch.load(path, weights_only=True), json.loads((path.parent / ".config.json").read_text())
    change(stored["GAN"], config)
    torch.save(stored, path)
    (path.parent / ".config.json").write_text(json.dumps(config))
    return path


def drop_attention(weights, config):
    config["attn_res_layers"] = []


def rename_a_layer(weights, config):
    weights["G.first.weight"] = weights.pop("G.initial_conv.0.weight")


def widen_a_layer(weights, config):
    weights["GE.out_conv.weight"] = torch.zeros(3, 99, 3, 3)


def lose_a_weight_of_the_discriminator(weights, config):
    del weights["D.to_logits.1.weight"]


def another_size(weights, config):
    config["image_size"] = 64


def an_impossible_size(weights, config):
    config["image_size"] = 33


def no_list(weights, config):
    config["attn_res_layers"] = None


def weights_of_other_things(weights, config):
    weights["G.out_conv.weight"] = "white"


@pytest.mark.parametrize(
    ("options", "change", "words"),
    [
        ({"antialias": True}, lambda weights, config: None, "it was trained with --antialias"),
        ({"attn_res_layers": [16]}, drop_attention, "that its configuration has no layer for"),
        ({}, rename_a_layer, "no checkpoint of lightweight_gan"),
        ({}, widen_a_layer, "has the shape [3, 99, 3, 3]"),
        ({}, lose_a_weight_of_the_discriminator, "it lacks weights that its configuration asks for"),
        ({}, another_size, "can't be used, since"),
        ({}, an_impossible_size, "no checkpoint of lightweight_gan"),
        ({}, no_list, "no checkpoint of lightweight_gan"),
        ({}, weights_of_other_things, "no checkpoint of lightweight_gan"),
    ],
)
def test_a_checkpoint_that_does_not_fit_exactly_is_a_sentence(tmp_path, trainer, prepared32, options, change, words):
    checkpoint = save_changed(trainer(**options), change)

    for command in (
        ("sample", checkpoint, tmp_path / "out", "--count", 1),
        ("train", prepared32, tmp_path / "out", "--from", checkpoint, "--device", "cpu"),
    ):
        result = generate(*command)
        assert result.exit_code == 1, result.output
        assert words in result.output
        assert isinstance(result.exception, SystemExit)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("config", ["", "[1]", "{", '{"image_size": "large"}'])
def test_a_damaged_configuration_is_a_sentence(tmp_path, trainer, config):
    checkpoint = save_changed(trainer(), lambda weights, config: None)
    (checkpoint.parent / ".config.json").write_text(config)

    result = generate("sample", checkpoint, tmp_path / "out", "--count", 1)

    assert isinstance(result.exception, SystemExit)
    assert "no checkpoint of lightweight_gan" in result.output


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
        assert "which is not allowed" in result.output
        assert "the checkpoint ran code" not in result.output


def test_a_checkpoint_without_its_configuration_says_so(tmp_path):
    torch.save({}, tmp_path / "model_1.pt")

    result = generate("sample", tmp_path / "model_1.pt", tmp_path / "out", "--count", 1)

    assert result.exit_code == 1
    assert ".config.json is missing" in result.output


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"discriminator": "r3gan"}, "--discriminator r3gan"),
        ({"conditional": True}, "--conditional"),
        ({"latent_dim": 64}, "--latent-dim 64"),
        ({"fmap_inverse_coef": 10}, "--fmap-inverse-coef 10"),
    ],
)
def test_what_the_command_can_not_load_is_not_written(lightweight_run, tmp_path, changed, reason):
    shutil.copytree(lightweight_run, tmp_path / "run")
    options = json.loads((tmp_path / "run" / "options.json").read_text())
    (tmp_path / "run" / "options.json").write_text(json.dumps(options | changed))

    result = generate("export", tmp_path / "run", tmp_path / "out")

    assert result.exit_code == 1
    assert f"{reason}, which the lightweight_gan command can't load" in result.output
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_snapshot_can_not_be_exported(tmp_path):
    result = generate("export", tmp_path, tmp_path / "out")

    assert result.exit_code == 1
    assert "has no snapshot to export" in result.output
    assert not (tmp_path / "out").exists()
