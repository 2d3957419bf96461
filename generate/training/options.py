"""The options of a training run: their defaults, and RUN/options.json, which a resumed run is checked against."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import torch

from generate.devices import choose_precision
from generate.folders import check_outside_data, content
from generate.images import write_text
from generate.model.networks import NetworkOptions
from generate.training.choices import AUTO, TrainOptions
from generate.training.dataset import Pictures
from generate.training.pretrained import Pretrained
from generate.units import plural

MAY_CHANGE = {"kimg", "hours", "snapshot_kimg", "keep", "patience", "compile", "imle"}  # when a run is resumed
RECORD = "options.json"
VISION_KIMG = 30.0  # from the start, the second discriminator is fooled by textures before there are shapes
MIN_PICTURES = 2
UNSET: tuple[Any, ...] = (AUTO, (AUTO,), ("auto",))
DEFAULT = TrainOptions()


def defaults_of(discriminator: str, size: int, count: int) -> dict[str, Any]:
    """Return the defaults for `count` pictures of that size.

    benchmarks/README.md says how R3GAN's were chosen; above 128 px the generator gets more feature maps, so that its last
    layer keeps at least 16. Lightweight's are the package's.
    """
    augmented = round(min(0.5, max(0.0, (1e5 - count) * 3e-6)), 6)  # the package's rule: none from 100,000 pictures on
    if discriminator == "lightweight":
        return {
            "batch_size": 16, "accumulate": 4, "learning_rate": 2e-4, "gamma": 0.0, "burn_in_kimg": 0.0, "vision_kimg": 0.0, "width": 0,
            "augment": ("flip", "translation"), "augment_probability": augmented, "ema_kimg": 10.0,
            "latent_dim": 256, "fmap_max": 512, "fmap_inverse_coef": 12,
            "attention": tuple(r for r in (32,) if r < size),  # smaller pictures have no such layer
        }  # fmt: skip
    large = size > 128
    return {
        "batch_size": 16, "accumulate": 1, "learning_rate": 3e-4, "gamma": 5.0, "burn_in_kimg": 300.0,
        "vision_kimg": VISION_KIMG,
        "width": 32 if size <= 64 else 16,
        "augment": ("flip", "translation"), "augment_probability": augmented, "ema_kimg": 5.0,
        "latent_dim": 256 if large else 128, "fmap_max": 256 if large else 128,
        "fmap_inverse_coef": max(10, int(math.log2(size)) + 3), "attention": (),
    }  # fmt: skip


def resolve(
    options: TrainOptions, pictures: Pictures, device: torch.device, pretrained: Pretrained | None = None
) -> TrainOptions:
    """Replace AUTO by the values for these pictures.

    Values of `pretrained` take precedence over defaults. Raises click.ClickException if the options contradict them.
    """
    known = pretrained.options(pictures.size) if pretrained else {}
    for name, value in known.items():
        if getattr(options, name) not in (*UNSET, "auto", value):
            raise click.ClickException(
                f"{options.start_from} was trained with {name} {value}, not {getattr(options, name)}: leave that option out."
            )
    if options.discriminator == "auto":
        options = replace(options, discriminator=known.get("discriminator", "r3gan"))
    if options.imle and options.discriminator != "r3gan":
        raise click.BadParameter("It is for the r3gan discriminator: leave one of the two out.", param_hint="--imle")
    defaults = defaults_of(options.discriminator, pictures.size, len(pictures)) | known
    if pretrained and pretrained.network.size == pictures.size:
        defaults["vision_kimg"] = 0.0
    chosen = {name: value for name, value in defaults.items() if getattr(options, name) in UNSET}
    resolved = replace(options, precision=choose_precision(options.precision, device), **chosen)
    if resolved.imle and resolved.vision_kimg >= resolved.kimg:
        raise click.BadParameter(
            f"It begins at --vision-kimg {resolved.vision_kimg:g}, after the run's {resolved.kimg:g} kimg: lower that one, or leave it out.",
            param_hint="--imle",
        )
    return resolved


def record(
    run: Path, options: TrainOptions, pictures: Pictures, categories: Sequence[str] = (), data: Path | None = None
) -> None:
    """Write RUN/options.json, or check that an existing run was started with the same options.

    Raises click.ClickException for other options, and for a RUN that holds other files or lies in training data.
    """
    check_outside_data(run)
    of_pictures = {"size": pictures.size, "pictures": len(pictures), "categories": categories}
    now = json.loads(json.dumps(of_pictures | asdict(options)))
    before = read_options_of(run)
    for name, value in now.items() if before else ():
        if name not in MAY_CHANGE and before.get(name, value) != value:
            raise click.ClickException(
                f"{run} was started with {name} {before.get(name)}, not {value}: give it the same to continue, "
                f"or choose another RUN. Only {', '.join(sorted(MAY_CHANGE))} may change."
            )
    where = {"data": str(data.resolve())} if data else {}  # for the commands that `sample` suggests; not checked
    write_text(run / RECORD, json.dumps(where | now, indent=2) + "\n")


def read_options_of(run: Path) -> dict[str, Any]:
    """Read RUN/options.json; empty for a new RUN.

    Raises click.ClickException if RUN is a file or holds other files, or if its options.json is damaged.
    """
    if run.exists() and not run.is_dir():
        raise click.ClickException(f"{run} is a file: choose another RUN.")
    if not (run / RECORD).exists():
        if run.is_dir() and content(run):
            raise click.ClickException(f"{run} holds files that are not a training run: choose another RUN.")
        return {}
    try:
        values = json.loads((run / RECORD).read_text(encoding="utf-8"))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise click.ClickException(
            f"{run / RECORD} is damaged: delete that file, and give the run's original options to continue it."
        )
    return values


def network_of(options: TrainOptions, pictures: Pictures, categories: tuple[str, ...] = ()) -> NetworkOptions:
    """Return the network options for these pictures.

    Raises click.BadParameter for an impossible option, click.ClickException for a single picture.
    """
    size = pictures.size
    if len(pictures) < MIN_PICTURES:
        raise click.ClickException(
            f"{plural(len(pictures), 'picture')} is too few to train on: collect a few hundred of one kind of thing."
        )
    for resolution in options.attention:
        if resolution >= size or resolution & (resolution - 1):
            raise click.BadParameter(
                f"{resolution} is not a power of two below the pictures' size, {size}.", param_hint="--attention"
            )
    return NetworkOptions(
        size=size,
        latent_dim=options.latent_dim,
        fmap_max=options.fmap_max,
        fmap_inverse_coef=options.fmap_inverse_coef,
        attention=options.attention,
        disc_output_size=options.disc_output_size,
        channels=options.channels,
        categories=categories,
    )
