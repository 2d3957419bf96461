"""Fingerprints of source pictures, and duplicates among them: the same file, or nearly the same picture.

python -c "from generate.preparing.fingerprints import *; print(perceptual_hash(Image.open('a.jpg')))"
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from PIL import Image

from generate.preparing.recipe import Recipe

SIDE = 16  # of the hash, which has 256 bits
COLOUR_SIDE, COLOUR_FAR = 8, 10  # side of the tiny picture; maximum mean difference of near duplicates, of 255


@dataclass(frozen=True)
class Fingerprint:
    """`sha256` of the file; `shape`, a perceptual hash; `colour`, an 8x8 picture; all hexadecimal."""

    sha256: str
    shape: str
    colour: str
    pixels: int  # of the original; the larger of two duplicates is kept


def perceptual_hash(image: Image.Image) -> str:
    """A perceptual hash of 256 bits: few bits change when a picture is resized or recompressed.

    ImageHash's pHash: the signs of low DCT frequencies (Zauner, 2010).
    """
    return str(imagehash.phash(image, hash_size=SIDE))


def tiny_colours(array: np.ndarray) -> str:
    """An (H, W, 3) uint8 picture averaged to 8x8. The hash ignores colour: a brown and a green heart have equal hashes."""
    return cv2.resize(array, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA).tobytes().hex()


def find_duplicates(prints: list[Fingerprint], near: int = Recipe.near) -> dict[int, tuple[int, bool]]:
    """Index of each duplicate -> (index of the picture that is kept, whether both files are equal).

    The largest is kept, or the first of equally large ones. Two pictures are near duplicates if at most `near` of the
    256 bits differ and their colours differ by at most 10 of 255. A negative `near` finds equal files only.
    """
    order = sorted(range(len(prints)), key=lambda i: (-prints[i].pixels, i))
    shapes = _bytes([p.shape for p in prints])  # (N, 32)
    colours = _bytes([p.colour for p in prints]).astype(np.int16)  # (N, 192)
    alike = Neighbours(shapes, near)
    first: dict[str, int] = {}
    found: dict[int, tuple[int, bool]] = {}
    for i in order:
        stays = first.setdefault(prints[i].sha256, i)
        if stays != i:
            found[i] = (found[stays][0] if stays in found else stays, True)
            continue
        close = alike.of(i)
        close = close[np.abs(colours[close] - colours[i]).mean(axis=1) <= COLOUR_FAR]
        if len(close):
            found[i] = (int(close[0]), False)
        else:
            alike.add(i)
    return found


class Neighbours:
    """Finds hashes within a Hamming distance of `near`, without comparing all pairs.

    Two such hashes have at least one of near + 1 pieces in common, so only hashes that share a piece are compared.
    """

    def __init__(self, hashes: np.ndarray, near: int) -> None:  # (N, 32) uint8
        self.words = hashes.view(np.uint64)  # (N, 4)
        self.near = near
        bits = np.unpackbits(hashes, axis=1)
        self.pieces = np.array_split(bits, min(near + 1, bits.shape[1]), axis=1) if near >= 0 else []
        self.indices: list[dict[bytes, list[int]]] = [{} for _ in self.pieces]
        self.added: dict[int, int] = {}  # index -> position in the order of adding

    def add(self, i: int) -> None:
        self.added[i] = len(self.added)
        for piece, index in zip(self.pieces, self.indices, strict=True):
            index.setdefault(piece[i].tobytes(), []).append(i)

    def of(self, i: int) -> np.ndarray:
        """The added hashes within `near` bits of the i-th, in the order of adding."""
        found = {
            j for piece, index in zip(self.pieces, self.indices, strict=True) for j in index.get(piece[i].tobytes(), ())
        }
        some = np.array(sorted(found, key=self.added.__getitem__), dtype=np.int64)
        return np.asarray(some[np.bitwise_count(self.words[some] ^ self.words[i]).sum(axis=1) <= self.near])


def _bytes(texts: list[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(
        len(texts), len(texts[0]) // 2 if texts else 32
    )
