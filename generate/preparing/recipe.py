"""What `prepare` is asked to do, with its defaults, and the checks of that before any work.

python -c "from generate.preparing.recipe import *; check_recipe(Recipe(size=128, crop='object'))"
"""

from __future__ import annotations

from dataclasses import dataclass

import click
from PIL import ImageColor

from generate.preparing import detecting

CROPS = ("center", "object", "pad")
CUTOUTS = ("none", "rembg", "grabcut")
KEEP, TRANSPARENT = "keep", "transparent"  # what `background` may be beside a colour


@dataclass(frozen=True)
class Recipe:
    """The options that make the result; they are written beside it."""

    size: int = 256
    crop: str = "center"
    background: str = "black"  # a colour, "keep" or "transparent"
    cutout: str = "none"
    labels: tuple[str, ...] = ()
    detector: str = detecting.NAME
    weights: str = ""  # "hub", the path of a state dict, or nothing for no detector
    rembg_model: str = "u2net"
    padding: float = 0.1  # of the object's longer side, on each side
    min_side: int | None = None  # None: half of the size
    max_aspect: float = 3.0
    min_sharpness: float = 10.0
    near: int = 6  # bits of 256 that near duplicates differ by at most

    @property
    def smallest(self) -> int:
        """Pixels of the shorter side, of a picture or of an object, below which there is nothing to enlarge."""
        return self.size // 2 if self.min_side is None else self.min_side

    @property
    def paint(self) -> str:
        """The colour of what is not there: black too where the background is kept or transparent."""
        return "black" if self.background in (KEEP, TRANSPARENT) else self.background

    @property
    def detects(self) -> str:
        """The weights to load, or "" where no detector is asked for. Labels ask for one."""
        return self.weights or (detecting.HUB if self.labels else "")


def check_recipe(recipe: Recipe) -> None:
    """Raises click.ClickException, before any work, for what can't be done: with a network, by loading it."""
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
    """The networks double their resolution layer by layer, so only powers of two will do."""
    if not (32 <= size <= 1024 and size & (size - 1) == 0):
        raise click.BadParameter(
            f"{size} is not a size the networks have: use 32, 64, 128, 256, 512 or 1024.", param_hint="--size"
        )


def check_color(color: str) -> None:
    """Raises click.BadParameter for what Pillow doesn't know as a colour."""
    try:
        ImageColor.getrgb(color)
    except ValueError:
        raise click.BadParameter(
            f"{color!r} is not a colour: use a name such as black, #rrggbb, keep or transparent.",
            param_hint="--background",
        ) from None
