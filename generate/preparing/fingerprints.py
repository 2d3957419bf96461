"""Fingerprints of pictures, and which of many are duplicates of another: the same file, or nearly the same picture.

python -c "from generate.preparing.fingerprints import *; print(perceptual_hash(Image.open('a.jpg')))"
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from PIL import Image

from generate.preparing.recipe import Recipe

SIDE = 16  # of the hash: 256 bits
COLOUR_SIDE, COLOUR_FAR = 8, 10  # of a tiny picture; and how far two may be apart, of 255, on average


@dataclass(frozen=True)
class Fingerprint:
    """What tells pictures apart: `sha256` of the file; `shape`, a perceptual hash; `colour`, an 8x8 picture; all hexadecimal."""

    sha256: str
    shape: str
    colour: str
    pixels: int  # of the original: of two duplicates the larger one is kept


def perceptual_hash(image: Image.Image) -> str:
    """256 bits that stay nearly the same when a picture is resized or compressed again.

    pHash, the signs of low frequencies of the DCT (Zauner, 2010), of ImageHash. Of Fluent Emoji's 1,015 pictures at 256 px,
    compressed again as JPEG of quality 50 they lie 2 bits away (one in ten over 4), at half the size 0 (2).
    """
    return str(imagehash.phash(image, hash_size=SIDE))


def tiny_colours(array: np.ndarray) -> str:
    """An (H, W, 3) uint8 picture averaged to 8x8, because the hash sees grey alone: brown and green hearts are one to it."""
    return cv2.resize(array, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA).tobytes().hex()


def find_duplicates(prints: list[Fingerprint], near: int = Recipe.near) -> dict[int, tuple[int, bool]]:
    """Index of each duplicate -> (index of the picture that stays, whether the file is the same).

    The largest stays, of equals the first. Two pictures are near where at most `near` of the hash's 256 bits differ
    and their colours do too by at most 10 of 255: among the 515,000 pairs of Fluent Emoji that are two identical pictures
    at 6, and faces that differ only by a mouth from 8 on. Below 0 only the same file counts.
    """
    order = sorted(range(len(prints)), key=lambda i: (-prints[i].pixels, i))
    shapes = _bytes([p.shape for p in prints]).view(np.uint64)  # (N, 4)
    colours = _bytes([p.colour for p in prints]).astype(np.int16)  # (N, 192)
    kept_shapes, kept = np.empty_like(shapes), np.empty(len(prints), np.int64)  # the first `count` are filled
    count = 0
    first: dict[str, int] = {}
    found: dict[int, tuple[int, bool]] = {}
    for i in order:
        stays = first.setdefault(prints[i].sha256, i)
        if stays != i:
            found[i] = (found[stays][0] if stays in found else stays, True)
            continue
        close = kept[:count][np.bitwise_count(kept_shapes[:count] ^ shapes[i]).sum(axis=1) <= near]
        close = close[np.abs(colours[close] - colours[i]).mean(axis=1) <= COLOUR_FAR]
        if len(close):
            found[i] = (int(close[0]), False)
        else:
            kept_shapes[count], kept[count] = shapes[i], i
            count += 1
    return found


def _bytes(texts: list[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(
        len(texts), len(texts[0]) // 2 if texts else 32
    )
