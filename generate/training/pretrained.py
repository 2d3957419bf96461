"""Read the weights that `train --from` starts with: another run's or the lightweight_gan command's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from generate.model.checkpoints import misfit, read_checkpoint
from generate.model.generator import LightweightModel, load_generator
from generate.model.networks import NetworkOptions, build_discriminator
from generate.model.opening import open_model
from generate.model.r3gan import build_r3gan
from generate.model.saved import SAFETENSORS
from generate.training.growing import grow_discriminator, grow_generator

DISCRIMINATOR = "discriminator.safetensors"  # beside generator.safetensors
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Pretrained:
    """Network options, kind of discriminator, and weights. Optimizers start fresh."""

    source: Path
    network: NetworkOptions
    discriminator: str
    width: int  # of R3GAN's discriminator
    weights: Mapping[str, Weights]  # of "generator", "ema" and "discriminator"

    def options(self, size: int) -> dict[str, Any]:
        """Return the TrainOptions values that it sets for pictures of that size."""
        names = ("latent_dim", "fmap_max", "fmap_inverse_coef", "attention")
        found = {name: getattr(self.network, name) for name in names} | {"discriminator": self.discriminator}
        if self.discriminator == "r3gan":
            found["width"] = self.width // 2 if size == 2 * self.network.size else self.width
        return found

    def check(self, network: NetworkOptions) -> None:
        """Raise click.ClickException unless the weights fit `network` or can grow to it."""
        wide_enough = self.width // 2 >= 2 * network.channels
        grows = self.discriminator == "r3gan" and network.size == 2 * self.network.size and wide_enough
        ours, theirs = asdict(network), asdict(self.network)
        names = [name for name in ours if not (grows and name == "size")]
        if other := [f"{name} {theirs[name]}, not {ours[name]}" for name in names if ours[name] != theirs[name]]:
            raise click.ClickException(
                f"{self.source} can't be continued with these pictures and options: it was trained with {'; '.join(other)}."
            )
        if reason := self._misfit():
            raise click.ClickException(
                f"{self.source} can't be continued, since its discriminator has a problem ({reason}): it is damaged or of "
                "another version; start without --from."
            )

    def _misfit(self) -> str:
        """Return why the discriminator's weights don't match its description, or ""."""
        if self.discriminator not in ("r3gan", "lightweight"):
            return f"unknown kind {self.discriminator!r}"
        if self.discriminator == "r3gan" and self.width < 1:
            return "no width"
        try:
            with torch.device("meta"):  # shapes without memory
                r3gan = self.discriminator == "r3gan"
                judge = build_r3gan(self.network, self.width) if r3gan else build_discriminator(self.network)
        except (TypeError, ValueError, RuntimeError) as error:
            return f"impossible width {self.width}: {error}"
        return misfit(judge, self.weights["discriminator"])

    def load_into(self, parts: Mapping[str, Any], network: NetworkOptions) -> None:
        """Load the weights into these networks; grow them if `network` has twice the size."""
        if network.size == self.network.size:
            for name, weights in self.weights.items():
                parts[name].load_state_dict(weights)
            return
        for name in ("generator", "ema"):
            grow_generator(self.weights[name], parts[name])
        grow_discriminator(self.weights["discriminator"], parts["discriminator"])


def read_pretrained(source: Path) -> Pretrained:
    """Read a run folder, a generator.safetensors with its discriminator.safetensors, or a model_N.pt with its .config.json.

    Raises click.ClickException if a file is missing or damaged.
    """
    if source.is_file() and source.suffix != SAFETENSORS:
        if not isinstance(model := open_model(source), LightweightModel):
            raise click.ClickException(
                f"{source} is a {model.family} generator; --from takes a run of `train`, or a checkpoint of the lightweight_gan command."
            )
        found = read_checkpoint(source)
        weights = {"generator": found.generator, "ema": found.ema, "discriminator": found.discriminator}
        return Pretrained(source, found.network, "lightweight", 0, weights)
    model = load_generator(source)
    file = (source if source.is_dir() else source.parent) / DISCRIMINATOR
    try:
        judge = {name: weight.float() for name, weight in load_file(file).items()}
    except (OSError, SafetensorError) as error:
        raise click.ClickException(
            f"{file} can't be loaded ({error}): copy the discriminator that trained {source.name} beside it."
        ) from None
    made = model.made.get("train")
    made = made if isinstance(made, dict) else {}
    kind, width = made.get("discriminator", "lightweight"), made.get("width")
    drawn = model.generator.state_dict()
    weights = {"generator": drawn, "ema": drawn, "discriminator": judge}
    return Pretrained(source, model.network, kind, width if isinstance(width, int) else 0, weights)
