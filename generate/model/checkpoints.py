"""Checkpoints of the lightweight_gan command, models/<name>/model_<n>.pt: reads them, and writes them for that command.

    checkpoint = read_checkpoint(Path("models/sushi/model_12.pt"))

A checkpoint holds "GAN", one state dict with the prefixes G. (generator), GE. (its average) and D.; beside it
lies .config.json, which leaves out the latent's and the layers' widths. These are read off the weights.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import click
import torch
from torch import Tensor

from generate.images import atomic_path, write_text
from generate.model.networks import NetworkOptions, package

CONFIG = ".config.json"
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: the networks' shapes and their weights."""

    network: NetworkOptions
    generator: Weights
    ema: Weights
    discriminator: Weights


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a model_<n>.pt without running code from it; .config.json must lie beside it.

    Raises click.ClickException where that can't be.
    """
    config_path = path.parent / CONFIG
    if not config_path.exists():
        raise click.ClickException(
            f"{config_path} is missing: lightweight_gan writes it beside {path.name}; copy both."
        )
    config = json.loads(config_path.read_text())
    if config.get("freq_chan_attn"):
        raise click.ClickException(f"{path} was trained with FCANet (freq_chan_attn), which is not supported.")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)["GAN"]
        generator = _part(weights, "G.")
        network = NetworkOptions(
            size=config["image_size"],
            latent_dim=generator["initial_conv.0.weight"].shape[0],
            fmap_max=generator["layers.0.0.2.1.weight"].shape[0] // 2,  # the gate halves it
            attention=tuple(config.get("attn_res_layers", ())),
            disc_output_size=config["disc_output_size"],
            channels=generator["out_conv.weight"].shape[0],
        )
    except (UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, IndexError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise click.ClickException(
            f"{path} is no checkpoint of lightweight_gan that can be loaded safely ({reason})."
        ) from None
    return Checkpoint(network, generator, _part(weights, "GE."), _part(weights, "D."))


def write_checkpoint(folder: Path, number: int, checkpoint: Checkpoint) -> Path:
    """Write folder/model_<number>.pt and .config.json as the package's Trainer does; returns the first's path."""
    parts = {
        "G.": checkpoint.generator,
        "GE.": checkpoint.ema,
        "D.": checkpoint.discriminator,
        "D_aug.D.": checkpoint.discriminator,  # the same network once more, inside the package's augmentation
    }
    no_scaler: dict[str, Any] = {}
    state = {
        "GAN": {prefix + name: weight for prefix, part in parts.items() for name, weight in part.items()},
        "version": package.__version__,
        "G_scaler": no_scaler,
        "D_scaler": no_scaler,
    }
    config = {
        "image_size": checkpoint.network.size,
        "disc_output_size": checkpoint.network.disc_output_size,
        "attn_res_layers": list(checkpoint.network.attention),
        "fmap_max": checkpoint.network.fmap_max,
        "syncbatchnorm": False,
        "optimizer": "adam",
        "greyscale": checkpoint.network.channels == 1,
        "transparent": checkpoint.network.channels == 4,
        "freq_chan_attn": False,
    }
    path = folder / f"model_{number}.pt"
    with atomic_path(path) as temporary:
        torch.save(state, temporary)
    write_text(folder / CONFIG, json.dumps(config) + "\n")
    return path


def _part(weights: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
