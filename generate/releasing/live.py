"""Export the generator that a release offers to browsers: the ONNX file and its entry in the catalog (docs/live.md).

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

CARD = ("kimg", "pictures", "data", "licence")  # fields copied from the generator's file into the catalog


@dataclass(frozen=True)
class BrowserModel:
    """An exported generator and its catalog entry."""

    data: bytes
    described: LiveModel


def browser_model(model: Model, run: str, title: str | None, labels: Mapping[str, Label]) -> BrowserModel:
    """Export the generator as ONNX. Its categories are named by `name_categories`, as folders of pictures are.

    Raises click.ClickException if the generator can't be exported.
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
    """The number of parameters of the generator."""
    return sum(weight.numel() for weight in generator.parameters())
