"""pretrained: a run starts with the weights of another run."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace

import pytest
import torch
from click import ClickException
from safetensors.torch import load_file, save_file

from generate.model.generator import FAMILY, load_generator, save_generator
from generate.training.choices import TrainOptions
from generate.training.loop import train
from generate.training.pretrained import read_pretrained
from generate.training.snapshots import read_newest
from tests.conftest import TINY


def test_a_run_goes_on_from_a_released_generator(tiny_run, tmp_path):
    for name in ("generator.safetensors", "discriminator.safetensors"):
        shutil.copy(tiny_run / name, tmp_path)
    options = replace(
        TrainOptions(), kimg=0.004, batch_size=4, learning_rate=1e-9, start_from=str(tmp_path / "generator.safetensors")
    )

    train(tiny_run.parent / "prepared", tmp_path / "run", options, device="cpu")

    trained = read_newest(tmp_path / "run")
    for name, weight in load_generator(tiny_run).generator.named_parameters():
        torch.testing.assert_close(trained["generator"][name], weight.data, atol=1e-6, rtol=0)
    for name, weight in read_newest(tiny_run)["discriminator"].items():
        torch.testing.assert_close(trained["discriminator"][name], weight, atol=1e-3, rtol=1e-3)  # half precision
    assert load_generator(tmp_path / "run").network.latent_dim == TINY["latent_dim"]


def test_without_its_discriminator_it_is_a_sentence(tiny_run, tmp_path):
    shutil.copy(tiny_run / "generator.safetensors", tmp_path)

    with pytest.raises(ClickException, match=r"discriminator\.safetensors can't be loaded"):
        read_pretrained(tmp_path / "generator.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights, made: weights.pop("to_logit.bias"), "lacks weights"),
        (lambda weights, made: weights.update(attention=torch.zeros(1)), "has weights that"),
        (lambda weights, made: made.update(width=4), "has the shape"),
        (lambda weights, made: made.update(discriminator="projected"), "unknown kind 'projected'"),
    ],
)
def test_a_discriminator_that_does_not_fit_leaves_no_run_behind(tiny_run, tmp_path, change, words):
    model = load_generator(tiny_run)
    weights, made = load_file(tiny_run / "discriminator.safetensors"), model.made
    change(weights, made["train"])
    save_generator(tmp_path / "generator.safetensors", model.generator, model.network, made)
    save_file(weights, tmp_path / "discriminator.safetensors")
    options = replace(TrainOptions(), start_from=str(tmp_path / "generator.safetensors"))

    with pytest.raises(ClickException, match=words):
        train(tiny_run.parent / "prepared", tmp_path / "run", options, device="cpu")

    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("made", ["x", [], None, {"discriminator": "r3gan", "width": "8"}, {"discriminator": "r3gan"}])
def test_a_description_of_any_content_is_a_sentence(tiny_run, tmp_path, made):
    model = load_generator(tiny_run)
    save_generator(tmp_path / "generator.safetensors", model.generator, model.network, {"train": made})
    shutil.copy(tiny_run / "discriminator.safetensors", tmp_path)
    options = replace(TrainOptions(), start_from=str(tmp_path / "generator.safetensors"))

    with pytest.raises(ClickException, match="its discriminator has a problem"):
        train(tiny_run.parent / "prepared", tmp_path / "run", options, device="cpu")

    assert not (tmp_path / "run").exists()


def test_a_generator_with_weights_too_many_is_refused(tiny_run, tmp_path):
    model = load_generator(tiny_run)
    weights = {name: weight.contiguous() for name, weight in model.generator.state_dict().items()}
    weights["layers.0.2.to_q.weight"] = torch.zeros(1)
    metadata = {"family": FAMILY, "network": json.dumps(asdict(model.network)), "made": "{}"}
    save_file(weights, tmp_path / "generator.safetensors", metadata)

    with pytest.raises(ClickException, match="weights that its configuration has no layer for"):
        load_generator(tmp_path)
