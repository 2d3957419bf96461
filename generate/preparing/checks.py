"""Checks that raise BadPicture if a picture is too small, too elongated, nearly empty or blurred.

python -c "from generate.preparing.checks import *; print(sharpness(overview(Image.open('a.jpg').convert('L'))))"
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from generate.images import BadPicture

OVERVIEW = 256  # pixels of the longer side of an overview
EMPTY_CONTRAST = 4.0  # minimum standard deviation of grey levels, of 255
MIDDLE = 128  # between black and white
EMPTY_COVER = 0.01  # minimum share of visible pixels in a picture with transparency


def check_shape(size: tuple[int, int], min_side: int, max_aspect: float) -> None:
    """Check width and height, before the picture is decoded."""
    short, long = sorted(size)
    if short < min_side:
        raise BadPicture(f"too small: {size[0]}x{size[1]}, {min_side} px required")
    if long > max_aspect * short:
        raise BadPicture(f"odd shape: {size[0]}x{size[1]}, up to {max_aspect:g} to 1 allowed")


def overview(image: Image.Image) -> np.ndarray:
    """The picture reduced by an integer factor to about 256 px (171 to 384) on its longer side: (H, W, 3 or 4) uint8.

    An integer factor is faster, and the checks tolerate that range of sizes.
    """
    array = np.asarray(image)
    times = max(1, round(max(image.size) / OVERVIEW))
    if times == 1:
        return array
    height, width = max(1, image.height // times), max(1, image.width // times)
    array = array[: height * times, : width * times]
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA)


def check_content(grey: np.ndarray, alpha: np.ndarray | None, min_sharpness: float) -> None:
    """Check the grey (H, W) of an overview, and its alpha if it has one."""
    if alpha is not None and (alpha > 16).mean() < EMPTY_COVER:
        raise BadPicture(f"nearly empty: {(alpha > 16).mean():.1%} of the pixels are visible")
    if (contrast := _deviation(grey)) < EMPTY_CONTRAST:
        if alpha is not None and _deviation(alpha) >= EMPTY_CONTRAST:
            raise BadPicture(
                f"as dark or bright as its background: contrast {contrast:.1f}; choose another --background, such as "
                f"{'white' if grey.mean() < MIDDLE else 'black'}"
            )
        raise BadPicture(f"nearly empty: contrast {contrast:.1f}, {EMPTY_CONTRAST:g} required")
    if (sharp := sharpness(grey)) < min_sharpness:
        raise BadPicture(f"blurred: sharpness {sharp:.1f}, {min_sharpness:g} required")


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) of an (H, W) uint8 overview."""
    return _deviation(cv2.Laplacian(grey, cv2.CV_16S)) ** 2


def _deviation(array: np.ndarray) -> float:
    return float(cv2.meanStdDev(array)[1][0, 0])
