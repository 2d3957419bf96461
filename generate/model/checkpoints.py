"""Read and write checkpoints of the lightweight_gan command, models/<name>/model_<n>.pt.

    checkpoint = read_checkpoint(Path("models/sushi/model_12.pt"))

A checkpoint holds "GAN", one state dict with the prefixes G. (generator), GE. (its average) and D. (discriminator). The
configuration beside it (.config.json, or config.json on the Hugging Face hub) lacks the widths of the latent and the
layers, so these are read from the shapes of the weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from generate.images import atomic_path, write_text
from generate.model.networks import NetworkOptions, build_discriminator, build_generator, package
from generate.model.saved import CHECKPOINTS, NUMBERED, check_claims, load_saved

CONFIG = ".config.json"
HUB_MODEL = "model.pt"  # the name of a checkpoint on the Hugging Face hub
HUB_CONFIG = "config.json"  # its name on the Hugging Face hub
FIRST = ("G.initial_conv.", "GE.initial_conv.")  # layers of every version
OLDER = "G.layers.0.0.2.weight"  # a weight of versions before 1.0 only
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """The options and weights of the networks in a checkpoint."""

    network: NetworkOptions
    generator: Weights
    ema: Weights
    discriminator: Weights


def is_lightweight(path: Path, names: Sequence[str]) -> bool:
    """True for weights of these names; without any, for a file under that command's name or beside its configuration."""
    if names:
        return any(name.startswith(FIRST) for name in names)
    return bool(NUMBERED.fullmatch(path.name)) or (path.suffix in CHECKPOINTS and (path.parent / CONFIG).exists())


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a model_<n>.pt and the .config.json or config.json beside it, without running code from them.

    Raises click.ClickException if a file can't be read, or if the weights don't match the networks that the configuration
    describes.
    """
    config_path = path.parent / CONFIG
    if not config_path.exists():
        config_path = path.parent / HUB_CONFIG
    if not config_path.exists():
        raise click.ClickException(
            f"{path.parent / CONFIG} is missing: lightweight_gan writes it beside {path.name}; copy both."
        )
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
        stored = load_saved(path)
        weights = stored.get("GAN", stored)
        for prefix in ("G.", "GE.", "D."):
            check_claims(path, _part(weights, prefix).values())
        if OLDER in weights:
            raise ValueError(
                "its layers are those of versions before 1.0, which are not read: let that version's command draw the pictures"
            )
        generator = _part(weights, "G.")
        network = NetworkOptions(
            size=config["image_size"],
            latent_dim=generator["initial_conv.0.weight"].shape[0],
            fmap_max=generator["layers.0.0.2.1.weight"].shape[0] // 2,  # the gate halves it
            attention=tuple(config.get("attn_res_layers", ())),
            disc_output_size=config["disc_output_size"],
            channels=generator["out_conv.weight"].shape[0],
        )
        found = Checkpoint(network, generator, _part(weights, "GE."), _part(weights, "D."))
        reason = _unsupported(config, weights) or _misfit_of(found)
    except Exception as error:  # a file of any content was given
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        first = f"it lacks {first}" if isinstance(error, KeyError) else first
        raise click.ClickException(
            f"{path} is no checkpoint of lightweight_gan that can be loaded safely ({first}): copy it again with its "
            f"{CONFIG}, or train a new run."
        ) from None
    if reason:
        raise click.ClickException(
            f"{path} can't be used, since {reason}: this reads checkpoints of lightweight_gan {package.__version__} "
            f"(this one is of {stored.get('version', 'an unknown version')}) made with its default networks."
        )
    return found


def misfit(network: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Return why the weights don't match the network exactly, or "" if they do.

    `load_state_dict` is not enough: it silently drops the weights of an attention layer where the network has None.
    """
    expected = network.state_dict()
    if extra := sorted(weights.keys() - expected.keys()):
        return f"it has weights that its configuration has no layer for ({_some(extra)})"
    if missing := sorted(expected.keys() - weights.keys()):
        return f"it lacks weights that its configuration asks for ({_some(missing)})"
    for name, weight in expected.items():
        given = weights[name]
        if given.shape != weight.shape:
            return f"{name} has the shape {list(given.shape)}, not {list(weight.shape)}"
        if given.is_floating_point() != weight.is_floating_point():
            return f"{name} holds {str(given.dtype).removeprefix('torch.')}, which was rounded too far or is something else"
        if given.is_floating_point() and not given.isfinite().all():
            return f"{name} holds numbers that are none (NaN or infinite), as after a training that diverged"
    return ""


def _unsupported(config: Mapping[str, Any], weights: Weights) -> str:
    """Return the unsupported option of the package that the checkpoint was trained with, or ""."""
    if config.get("freq_chan_attn"):
        return "it was trained with FCANet (freq_chan_attn)"
    if any(name.startswith("G.") and name.endswith(".f") for name in weights):  # the kernel of Blur
        return "it was trained with --antialias"
    return ""


def _misfit_of(found: Checkpoint) -> str:
    with torch.device("meta"):  # shapes without memory
        generator, discriminator = build_generator(found.network), build_discriminator(found.network)
    parts = ((generator, found.generator), (generator, found.ema), (discriminator, found.discriminator))
    return next(filter(None, (misfit(network, weights) for network, weights in parts)), "")


def _some(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def write_checkpoint(folder: Path, number: int, checkpoint: Checkpoint) -> Path:
    """Write folder/model_<number>.pt and .config.json as the package's Trainer does; return the path of the .pt."""
    parts = {
        "G.": checkpoint.generator,
        "GE.": checkpoint.ema,
        "D.": checkpoint.discriminator,
        "D_aug.D.": checkpoint.discriminator,  # the same network inside the package's augmentation wrapper
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
