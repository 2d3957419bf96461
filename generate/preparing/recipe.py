"""The options of `prepare` with their defaults, and their checks.

python -c "from generate.preparing.recipe import *; check_recipe(Recipe(size=128, crop='object'))"
"""

from __future__ import annotations

from dataclasses import dataclass

import click
from PIL import ImageColor

from generate.preparing import detecting

CROPS = ("center", "object", "pad")
CUTOUTS = ("none", "rembg", "grabcut")
KEEP, TRANSPARENT = "keep", "transparent"  # values of `background` other than colours


@dataclass(frozen=True)
class Recipe:
    """The options that decide the result; they are written beside it."""

    size: int = 256
    crop: str = "center"
    background: str = "black"  # a colour, "keep" or "transparent"
    cutout: str = "none"
    labels: tuple[str, ...] = ()
    detector: str = detecting.NAME
    weights: str = ""  # "hub", the path of a state dict, or empty for no detector
    rembg_model: str = "u2net"
    padding: float = 0.1  # of the object's longer side, on each side
    min_side: int | None = None  # None: half of the size
    max_aspect: float = 3.0
    min_sharpness: float = 10.0
    near: int = 6  # maximum differing bits of 256 between near duplicates

    @property
    def smallest(self) -> int:
        """Minimum shorter side of a picture or an object, in pixels."""
        return self.size // 2 if self.min_side is None else self.min_side

    @property
    def paint(self) -> str:
        """The colour of transparent areas; black if the background is kept or transparent."""
        return "black" if self.background in (KEEP, TRANSPARENT) else self.background

    @property
    def detects(self) -> str:
        """The weights of the detector, or "" for no detector. Labels need one."""
        return self.weights or (detecting.HUB if self.labels else "")


def check_recipe(recipe: Recipe) -> None:
    """Raises click.ClickException for options that can't work. Loads the networks they name."""
    check_size(recipe.size)
    check_color(recipe.paint)
    if recipe.labels:
        detecting.check_labels(recipe.labels, recipe.detector)
    if recipe.detects:
        detecting.load_detector(recipe.detector, recipe.detects)
    if recipe.cutout == "rembg":
        from generate.preparing.masks import rembg_session

        rembg_session(recipe.rembg_model)


def check_size(size: int) -> None:
    """Only powers of two, because each layer of the networks doubles the resolution."""
    if not (32 <= size <= 1024 and size & (size - 1) == 0):
        raise click.BadParameter(
            f"{size} is not a size of the networks: use 32, 64, 128, 256, 512 or 1024.", param_hint="--size"
        )


def check_color(color: str) -> None:
    """Raises click.BadParameter for a colour that Pillow does not know."""
    try:
        ImageColor.getrgb(color)
    except ValueError:
        raise click.BadParameter(
            f"{color!r} is not a colour: use a name such as black, #rrggbb, keep or transparent.",
            param_hint="--background",
        ) from None
