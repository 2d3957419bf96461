"""What a training run is made with: its options, what their defaults come to, and the record that a resumed run keeps to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import torch

from generate.devices import choose_precision
from generate.images import write_text
from generate.model.networks import NetworkOptions
from generate.training.dataset import Pictures

LIGHTWEIGHT_AUGMENT = ("flip", "translation")  # what the sushi site used; its author saw cutout leave artefacts
PROJECTED_AUGMENT = ("flip", "colour", "translation", "cutout")
MAY_CHANGE = {
    "kimg",
    "snapshot_kimg",
    "keep",
    "patience",
    "compile",
}  # on resuming; anything else would make another run


@dataclass(frozen=True)
class TrainOptions:
    """What a run is made with; written to RUN/options.json before it starts."""

    kimg: float = 800.0  # thousands of real pictures shown to the discriminator
    discriminator: str = "lightweight"  # or "projected"
    conditional: bool = False  # one model for all categories, told which
    batch_size: int = 16
    accumulate: int = 4  # batches a step
    learning_rate: float = 2e-4
    gradient_penalty: bool = True  # of the lightweight discriminator
    augment: tuple[str, ...] = ()  # those of the discriminator's authors
    augment_probability: float = -1.0  # -1: always for the projected one, else by the number of pictures
    adaptive: bool = False  # steer that probability by r_t
    ema_kimg: float = 10.0  # half-life of the generator's average
    latent_dim: int = 256
    fmap_max: int = 512
    attention: tuple[int, ...] = (32,)
    disc_output_size: int = 1
    channels: int = 3  # 1: grey, 4: with transparency
    precision: str = "auto"
    compile: bool = False
    seed: int = 0
    snapshot_kimg: float = 20.0
    keep: int = 3
    patience: int = 10  # snapshots without a better one until the run ends
    fid: str = ""  # Inception's weights, or "download"
    start_from: str = ""  # a checkpoint of the lightweight_gan command


DEFAULT = TrainOptions()


def resolve(options: TrainOptions, pictures: Pictures, device: torch.device) -> TrainOptions:
    """Fill in what the defaults stand for with these pictures, so that options.json says what was done."""
    projected = options.discriminator == "projected"
    options = replace(options, precision=choose_precision(options.precision, device))
    if projected:
        options = replace(options, gradient_penalty=False)  # its features leave nothing to penalise (section 3)
    if not options.augment:
        options = replace(options, augment=PROJECTED_AUGMENT if projected else LIGHTWEIGHT_AUGMENT)
    if options.augment_probability < 0:
        by_number = min(0.5, max(0.0, (1e5 - len(pictures)) * 3e-6))  # as the package does
        options = replace(options, augment_probability=1.0 if projected else by_number)
    if options.attention == DEFAULT.attention:  # small pictures have no layer of that resolution
        options = replace(options, attention=tuple(r for r in options.attention if r < pictures.size))
    return options


def record(run: Path, options: TrainOptions, pictures: Pictures, categories: Sequence[str] = ()) -> None:
    """Write RUN/options.json, or see that an existing run was started with the same."""
    of_pictures = {"size": pictures.size, "pictures": len(pictures), "categories": categories}
    now = json.loads(json.dumps(of_pictures | asdict(options)))
    if (run / "options.json").exists():
        before = json.loads((run / "options.json").read_text())
        for name, value in now.items():
            if name not in MAY_CHANGE and before.get(name, value) != value:
                raise click.ClickException(
                    f"{run} was started with {name} {before.get(name)}, not {value}: "
                    f"give it the same to continue, or choose another RUN. Only {', '.join(sorted(MAY_CHANGE))} may change."
                )
    write_text(run / "options.json", json.dumps(now, indent=2) + "\n")


def network_of(options: TrainOptions, pictures: Pictures, categories: tuple[str, ...] = ()) -> NetworkOptions:
    """The networks that suit these pictures. Raises click.BadParameter for what they can't do."""
    size = pictures.size
    if options.channels == 4 and options.discriminator == "projected":
        raise click.BadParameter("ImageNet has no transparency: use the lightweight one.", param_hint="--discriminator")
    for resolution in options.attention:
        if resolution >= size or resolution & (resolution - 1):
            raise click.BadParameter(
                f"{resolution} is not a power of two below the pictures' {size}.", param_hint="--attention"
            )
    return NetworkOptions(
        size=size,
        latent_dim=options.latent_dim,
        fmap_max=options.fmap_max,
        attention=options.attention,
        disc_output_size=options.disc_output_size,
        channels=options.channels,
        categories=categories,
    )
