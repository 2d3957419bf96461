"""Which pixels are the object: by the picture's own transparency, by OpenCV's GrabCut, or by a network of rembg.

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

VISIBLE = 16  # alpha from which on a pixel counts: soft shadows end there
GRABCUT_PX, GRABCUT_ROUNDS, GRABCUT_MARGIN = 256, 5, 0.04
ALTERNATIVES = "use --cutout grabcut, which needs none, or --rembg-model with the path of an .onnx file"


def own_mask(image: Image.Image) -> np.ndarray | None:
    """The alpha channel where it means something: some of the picture is there and some is not."""
    if image.mode != "RGBA":
        return None
    alpha = np.asarray(image.getchannel("A"))
    return alpha if 0.01 < (alpha < VISIBLE).mean() < 1 else None


def box_of(mask: np.ndarray) -> Box | None:
    """The smallest box around what is visible; None where nothing is."""
    rows, columns = (np.flatnonzero((mask >= VISIBLE).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def grabcut(image: Image.Image, box: Box | None = None) -> np.ndarray:
    """Foreground by GrabCut (Rother et al., SIGGRAPH 2004), started from a box or from all but the rim.

    Computed at 256 px, its largest piece kept with its holes filled, enlarged with a soft edge. Draws no random numbers
    of its own accord: the same picture gives the same mask. Raises BadPicture where it finds no object.
    """
    scale = min(1.0, GRABCUT_PX / max(image.size))
    width, height = (max(8, round(side * scale)) for side in image.size)
    small = cv2.resize(np.asarray(image.convert("RGB")), (width, height), interpolation=cv2.INTER_AREA)
    rim = (GRABCUT_MARGIN * width, GRABCUT_MARGIN * height)
    left, top, right, bottom = (v * scale for v in box) if box else (rim[0], rim[1], width - rim[0], height - rim[1])
    left, top = max(1, round(left)), max(1, round(top))  # it needs some background: a rim of one pixel at least
    rectangle = (left, top, max(1, min(round(right), width - 1) - left), max(1, min(round(bottom), height - 1) - top))
    marks = np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its k-means starts from OpenCV's generator, wherever the last picture left that
    try:
        cv2.grabCut(small, marks, rectangle, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_RECT)
    except cv2.error:
        raise BadPicture("no object found: GrabCut sees one colour") from None
    mask = _largest_piece(((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8) * 255)
    if not 0.01 < (mask > 0).mean() < 0.95:
        raise BadPicture("no object found: GrabCut sees no foreground apart from the background")
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
    """A session of rembg with one of its models by name (downloaded at first use) or an .onnx file of the u2net kind.

    Raises click.ClickException where the package or the model can't be had.
    """
    try:
        import rembg
    except ImportError:
        raise click.ClickException(
            "--cutout rembg needs the package: pip install -r generate/requirements-cutout.txt, or use --cutout grabcut, which needs none."
        ) from None
    try:
        if not model.endswith(".onnx"):
            return rembg.new_session(model)
        path = Path(model).resolve()
        home = os.environ.get("REMBG_HOME")
        os.environ["REMBG_HOME"] = str(path.parent)  # it takes files from its own folder only
        try:
            return rembg.new_session("u2net_custom", model_path=str(path))
        finally:
            os.environ.pop("REMBG_HOME")
            if home is not None:
                os.environ["REMBG_HOME"] = home
    except Exception as error:  # a wrong name, no network, a damaged file: each library below has its own
        reason = " ".join(str(error).partition(" (Caused")[0].split())[:200]
        raise click.ClickException(f"rembg's model {model!r} can't be had ({reason}): {ALTERNATIVES}.") from None


def rembg_mask(image: Image.Image, model: str) -> np.ndarray:
    """Foreground by a network; raises BadPicture where it finds none."""
    import rembg

    mask = np.asarray(rembg.remove(image.convert("RGB"), session=rembg_session(model), only_mask=True))
    if (mask >= 128).mean() < 0.01:
        raise BadPicture("no object found: rembg sees no foreground")
    return mask
