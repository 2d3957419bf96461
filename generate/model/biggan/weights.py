"""Read published BigGAN-deep weights: config.json beside pytorch_model.bin or model.safetensors.

config = read_config(Path("biggan-deep-128/config.json"))
"""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from generate.model.biggan.network import Generator, Options
from generate.model.checkpoints import misfit
from generate.model.saved import check_claims, load_saved

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
LARGEST = 4096  # integer in a config
MOST_LAYERS = 64


def is_biggan(path: Path) -> bool:
    """True if the folder, or the file's folder, has the config.json of a BigGAN."""
    try:
        config = json.loads(_config_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and {"n_stats", "class_embed_dim", "attention_layer_position"} <= config.keys()


def read_biggan(path: Path) -> tuple[Generator, Tensor, Path]:
    """Return the generator, its category embeddings (num_classes, class_embed_dim), and the file they were read from.

    Raises click.ClickException if the files are missing, damaged or don't match each other. No code in them is run.
    """
    options = read_config(_config_of(path))
    candidates = (
        [path] if path.is_file() and path.name != CONFIG else [_config_of(path).parent / name for name in WEIGHTS]
    )
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise click.ClickException(f"{path} has neither {' nor '.join(WEIGHTS)}: download one of them beside {CONFIG}.")
    try:
        stored = load_saved(file)
        check_claims(file, (weight for weight in stored.values() if isinstance(weight, Tensor)))
        weights = fold_spectral_norms({str(name): weight for name, weight in stored.items()})
        embeddings = weights.pop("embeddings.weight").T
        weights = {name.removeprefix("generator."): weight for name, weight in weights.items()}
        with torch.device("meta"):  # shapes without memory, until they are known to be true
            generator = Generator(options)
        if reason := misfit(generator, weights):
            raise ValueError(reason)
        generator.load_state_dict(weights, assign=True)
        if embeddings.shape != (options.num_classes, options.class_embed_dim):
            raise ValueError(f"embeddings of {tuple(embeddings.shape)}")
    except Exception as error:  # a stranger's file can raise anything in the loaders
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise click.ClickException(
            f"{file} can't be read as BigGAN-deep weights ({reason}). Nothing in it was run. Download it and {CONFIG} again."
        ) from None
    return generator.eval().to(memory_format=torch.channels_last), embeddings, file


def fold_spectral_norms(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return float32 weights divided by their spectral norms, w / (u^T w v) (Miyato et al., "Spectral Normalization", ICLR 2018)."""
    weights = {}
    for name, weight in stored.items():
        if name.endswith(("weight_u", "weight_v")) or not isinstance(weight, Tensor):
            continue
        if name.endswith("weight_orig"):
            base = name.removesuffix("_orig")
            matrix = weight.float().flatten(1)
            norm = stored[f"{base}_u"].float() @ (matrix @ stored[f"{base}_v"].float())
            weights[base] = weight.float() / norm
        else:
            weights[name] = weight.float() if weight.is_floating_point() else weight
    return weights


def read_config(path: Path) -> Options:
    """Read and check config.json. Raises click.ClickException that names the field that is missing or out of range."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = {field.name: raw[field.name] for field in fields(Options)}
        layers = tuple((bool(doubles), int(dim), int(dim_out)) for doubles, dim, dim_out in found.pop("layers"))
        options = Options(layers=layers, **found)
        whole = [value for name, value in found.items() if name not in ("eps", "attention_layer_position")]
        whole += [dim for _, *dims in layers for dim in dims]
        if not all(type(value) is int and 1 <= value <= LARGEST for value in whole) or not 0 < options.eps < 1:
            raise ValueError(f"a number that is not from 1 to {LARGEST}")
        if not 1 <= len(layers) <= MOST_LAYERS or options.n_stats < 2 or layers[0][1] != 16 or layers[-1][2] != 1:
            raise ValueError("layers that don't follow each other")
        if any(before[2] != after[1] for before, after in pairwise(layers)):
            raise ValueError("layers that don't follow each other")
        if options.output_dim != 4 << sum(doubles for doubles, *_ in layers):
            raise ValueError(f"pictures of {options.output_dim} px, which its layers don't draw")
    except KeyError as name:
        raise click.ClickException(f"{path} lacks {name}: download the model's {CONFIG} again.") from None
    except (OSError, ValueError, TypeError, RecursionError, AttributeError) as error:
        raise click.ClickException(
            f"{path} is not the configuration of a BigGAN-deep ({error}): download it again."
        ) from None
    return options


def _config_of(path: Path) -> Path:
    return (path if path.is_dir() else path.parent) / CONFIG
