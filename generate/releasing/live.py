"""The generator that a release holds for browsers to draw with: the file, and what the catalog says of it (docs/live.md).

from generate.model.opening import open_model
browser = browser_model(open_model("runs/emoji"), "emoji", "This Emoji Does Not Exist", {})
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from gallery.live import LiveModel
from gallery.names import Label
from generate.model.family import Model
from generate.model.generator import FAMILY
from generate.model.portable import noise_sides, require_lightweight, to_onnx
from generate.releasing.naming import name_categories

CARD = ("kimg", "pictures", "data", "licence")  # of what a generator's file says of how it was made


@dataclass(frozen=True)
class BrowserModel:
    """A generator to publish."""

    data: bytes
    described: LiveModel


def browser_model(model: Model, run: str, title: str | None, labels: Mapping[str, Label]) -> BrowserModel:
    """The generator as ONNX. Its categories are named as pictures in folders of their names are, see `name_categories`.

    Raises click.ClickException for a generator that can't be exported.
    """
    ours = require_lightweight(model)
    exported = to_onnx(ours)
    named = name_categories(dict.fromkeys(model.categories, 1), title, labels)
    made: dict[str, Any] = {"family": FAMILY, "run": run, "parameters": parameters_of(ours.generator)}
    described = LiveModel(
        bytes=len(exported.data),
        sha256=hashlib.sha256(exported.data).hexdigest(),
        size=ours.size,
        channels=ours.channels,
        latent_dim=ours.network.latent_dim,
        noises=tuple(noise_sides(ours.size)),
        categories=tuple({"slug": named[name].slug, "name": named[name].name} for name in model.categories),
        directions=tuple(round(share, 4) for share in exported.directions),
        card=made | {name: model.made[name] for name in CARD if name in model.made},
    )
    return BrowserModel(exported.data, described)


def parameters_of(generator: nn.Module) -> int:
    """How many weights the generator has."""
    return sum(weight.numel() for weight in generator.parameters())
