"""Masks of the object: from the picture's transparency, OpenCV's GrabCut, or a network of rembg.

    python -c "from generate.preparing.masks import *; print(box_of(grabcut(Image.open('cake.jpg').convert('RGB'))))"

A mask is (H, W) uint8, 255 on the object; a box is (left, top, right, bottom) in pixels.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from PIL import Image

from generate.images import BadPicture

Box = tuple[int, int, int, int]

VISIBLE = 16  # minimum alpha of a visible pixel; soft shadows are below it
GRABCUT_PX, GRABCUT_ROUNDS, GRABCUT_MARGIN = 256, 5, 0.04
ALTERNATIVES = "use --cutout grabcut, which needs no model, or --rembg-model with the path of an .onnx file"


def own_mask(image: Image.Image) -> np.ndarray | None:
    """The alpha channel if part of the picture is visible and part is not, else None."""
    if image.mode != "RGBA":
        return None
    alpha = np.asarray(image.getchannel("A"))
    return alpha if 0.01 < (alpha < VISIBLE).mean() < 1 else None


def box_of(mask: np.ndarray) -> Box | None:
    """The smallest box around the visible pixels; None if there are none."""
    rows, columns = (np.flatnonzero((mask >= VISIBLE).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def grabcut(image: Image.Image, box: Box | None = None) -> np.ndarray:
    """Foreground by GrabCut (Rother et al., SIGGRAPH 2004), starting from a box or from all but a margin.

    Computed at 256 px; the largest connected part is kept, its holes are filled, and it is enlarged with a soft edge.
    The same picture always gives the same mask. Raises BadPicture if there is no object.
    """
    scale = min(1.0, GRABCUT_PX / max(image.size))
    width, height = (max(8, round(side * scale)) for side in image.size)
    small = cv2.resize(np.asarray(image.convert("RGB")), (width, height), interpolation=cv2.INTER_AREA)
    rim = (GRABCUT_MARGIN * width, GRABCUT_MARGIN * height)
    left, top, right, bottom = (v * scale for v in box) if box else (rim[0], rim[1], width - rim[0], height - rim[1])
    left, top = max(1, round(left)), max(1, round(top))  # GrabCut needs a background pixel on each side
    rectangle = (left, top, max(1, min(round(right), width - 1) - left), max(1, min(round(bottom), height - 1) - top))
    marks = np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its k-means uses OpenCV's random numbers
    try:
        cv2.grabCut(small, marks, rectangle, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_RECT)
    except cv2.error:
        raise BadPicture("no object found: GrabCut found only one colour") from None
    mask = _largest_piece(((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8) * 255)
    if not 0.01 < (mask > 0).mean() < 0.95:
        raise BadPicture("no object found: GrabCut could not separate foreground and background")
    mask = cv2.GaussianBlur(mask, (3, 3), 0)
    return cv2.resize(mask, image.size, interpolation=cv2.INTER_LINEAR)


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(mask)
    if outlines:
        cv2.drawContours(filled, [max(outlines, key=cv2.contourArea)], -1, 255, thickness=cv2.FILLED)
    return filled


@lru_cache(maxsize=1)
def rembg_session(model: str) -> Any:
    """A session of rembg with a named model, which is downloaded at first use, or with a u2net model from an .onnx file.

    Raises click.ClickException if the package or the model can't be loaded.
    """
    try:
        import rembg
    except ImportError:
        raise click.ClickException(
            "--cutout rembg needs the package rembg: pip install -r generate/requirements-cutout.txt, or use --cutout grabcut."
        ) from None
    try:
        if not model.endswith(".onnx"):
            return rembg.new_session(model)
        path = Path(model).resolve()
        home = os.environ.get("REMBG_HOME")
        os.environ["REMBG_HOME"] = str(path.parent)  # rembg only loads files from its home folder
        try:
            return rembg.new_session("u2net_custom", model_path=str(path))
        finally:
            os.environ.pop("REMBG_HOME")
            if home is not None:
                os.environ["REMBG_HOME"] = home
    except Exception as error:  # wrong name, no network, damaged file: the libraries raise many types
        reason = " ".join(str(error).partition(" (Caused")[0].split())[:200]
        raise click.ClickException(f"The rembg model {model!r} can't be loaded ({reason}): {ALTERNATIVES}.") from None


def rembg_mask(image: Image.Image, model: str) -> np.ndarray:
    """Foreground by a network of rembg. Raises BadPicture if there is none."""
    import rembg

    mask = np.asarray(rembg.remove(image.convert("RGB"), session=rembg_session(model), only_mask=True))
    if (mask >= 128).mean() < 0.01:
        raise BadPicture("no object found: rembg found no foreground")
    return mask
