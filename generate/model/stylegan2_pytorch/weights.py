"""Read a checkpoint of the stylegan2_pytorch command, models/NAME/model_N.pt, and the .config.json beside it.

generator, made = read_stylegan2_pytorch(Path("models/flowers/model_150.pt"))

The checkpoint holds "GAN", one state dict with the prefixes S. and G. (the two networks), SE. and GE. (their averages, which
are read) and D. (discriminator, whose options don't matter here). All dimensions are read from names and shapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import count, takewhile
from math import isfinite
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from generate.model.checkpoints import CONFIG, HUB_CONFIG, misfit
from generate.model.saved import CHECKPOINTS, check_claims, load_saved
from generate.model.stylegan2_pytorch.network import Generator, Options

MAPPING, SYNTHESIS = "SE.", "GE."  # prefixes of the averaged networks
MAPPING_RATE = 0.1  # learning rate multiplier of the mapping network unless the configuration has another
MOST_LEVELS = 10  # pictures of 2,048 px
CHANNELS = (3, 4)

Weights = dict[str, Tensor]


def is_stylegan2_pytorch(path: Path, names: Sequence[str]) -> bool:
    """True for weights of these names, and for any damaged checkpoint beside that command's configuration."""
    if names:
        return any(name.startswith(("S.", MAPPING)) for name in names)
    return path.suffix in CHECKPOINTS and _is_configured(path)


def read_stylegan2_pytorch(path: Path) -> tuple[Generator, dict[str, Any]]:
    """Return the averaged generator in eval mode, and how it was made. No code in the files is run.

    Raises click.ClickException if they are damaged, don't match each other, or are of a version with other layers.
    """
    try:
        config = _config_of(path)
        check_claims(path, _averaged(load_saved(path, "meta")).values())
        stored = load_saved(path)
        weights = _averaged(stored)
        with torch.device("meta"):  # shapes without memory, until they are known to be true
            generator = Generator(options_of(weights))
        if reason := _unlike(config, generator.options) or misfit(generator, weights):
            raise ValueError(reason)
        rate = {True: _rate(config), False: 1.0}
        scaled = {name: weight.float() * rate[name.startswith("mapping.")] for name, weight in weights.items()}
        generator.load_state_dict(scaled, assign=True)
    except Exception as error:  # a stranger's file can raise anything in the loaders
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise click.ClickException(
            f"{path} can't be read as a checkpoint of stylegan2_pytorch ({reason}). Nothing in it was run. docs/models.md says "
            "which files are read; get a damaged one again."
        ) from None
    if not config:
        click.echo(
            f"{path.parent / CONFIG} is missing: its lr_mlp is taken to be {MAPPING_RATE}, the package's default."
        )
    return generator.eval(), {"checkpoint": path.name, "version": str(stored.get("version", "unknown"))[:20]}


def options_of(weights: Weights) -> Options:
    """Infer the options. Raises ValueError or KeyError if these are not this generator's weights."""
    levels = _numbered(weights, "synthesis.blocks.{}.conv1.weight")
    depth = len(_numbered(weights, "mapping.net.{}.weight", step=2))
    if not 2 <= len(levels) <= MOST_LEVELS or not depth:
        raise ValueError("it lacks the averaged networks SE and GE")
    attention = [name for name in weights if name.startswith("synthesis.attns.")]
    if old := [name for name in attention if ".layer." not in name and ".norm." not in name]:
        raise ValueError(f"its attention is that of an older version of the package, with {old[0]}")
    options = Options(
        latent_dim=weights["mapping.net.0.weight"].shape[1],
        depth=depth,
        widths=tuple(weights[name].shape[0] for name in levels),
        channels=weights["synthesis.blocks.0.to_rgb.conv.weight"].shape[0],
        attention=tuple(
            level
            for level in range(len(levels))
            if any(name.startswith(f"synthesis.attns.{level}.") for name in attention)
        ),
        constant="synthesis.initial_block" in weights,
        blurred="synthesis.blocks.0.to_rgb.upsample.1.f" in weights,
    )
    if options.channels not in CHANNELS:
        raise ValueError(f"it draws pictures of {options.channels} channels, not of 3 or 4")
    return options


def _state_dict(stored: Any) -> dict[Any, Any]:
    found = stored.get("GAN", stored) if isinstance(stored, dict) else None  # old files have nothing else in them
    if not isinstance(found, dict):
        raise ValueError("it holds no weights by name")
    return found


def _averaged(stored: Any) -> Weights:
    """Return the weights of the averaged networks under our names."""
    weights = {}
    for name, weight in _state_dict(stored).items():
        if str(name).startswith((MAPPING, SYNTHESIS)):
            if not isinstance(weight, Tensor):
                raise ValueError(f"{name} is no array")
            name = re.sub(f"^{MAPPING}", "mapping.", re.sub(f"^{SYNTHESIS}", "synthesis.", name))
            name = name.replace(".fn.fn.", ".layer.").replace(".fn.norm.", ".norm.").replace(".to_kv.net.", ".to_kv.")
            weights[name] = weight
    return weights


def _numbered(weights: Weights, pattern: str, step: int = 1) -> list[str]:
    """Return the names with the numbers 0, step, ..., up to the first that is missing."""
    return list(takewhile(weights.__contains__, map(pattern.format, count(step=step))))


def _is_configured(path: Path) -> bool:
    try:
        return "network_capacity" in _config_of(path)
    except (OSError, ValueError):
        return False


def _config_of(path: Path) -> dict[str, Any]:
    """Return the configuration beside a checkpoint, {} if there is none. Raises ValueError if it is damaged."""
    for name in (CONFIG, HUB_CONFIG):
        if (path.parent / name).is_file():
            try:
                config = json.loads((path.parent / name).read_text(encoding="utf-8"))
            except (ValueError, RecursionError):
                config = None
            if not isinstance(config, dict):
                raise ValueError(f"{name} beside it is damaged")
            return config
    return {}


def _unlike(config: dict[str, Any], options: Options) -> str:
    size = config.get("image_size", options.size)
    if size == options.size:
        return ""
    return f"the configuration beside it is of another model, of {size!r} px, while its weights draw {options.size} px"


def _rate(config: dict[str, Any]) -> float:
    """Return the scale of the mapping network's weights, which no shape tells."""
    rate = config.get("lr_mlp", MAPPING_RATE)
    if type(rate) not in (int, float) or not isfinite(rate) or rate <= 0:
        raise ValueError(f"the configuration beside it has lr_mlp {rate!r}, not a number above 0")
    return float(rate)
