"""Convert pixels of any mode, depth and colour profile to 8-bit sRGB, as a viewer shows them.

python -c "from generate.colours import *; to_srgb(Image.open('16 bits.tif')).show()"
"""

from __future__ import annotations

import io
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from generate.formats import BadPicture

DEPTHS = (8, 10, 12, 14, 16, 24, 32)  # actual bit depths that cameras and scanners store in 16 or 32 bits
SIGNED = (7, 15, 31)
SAME = 2  # of 255: a profile that changes no colour by more is sRGB with rounded curves
PHOTOMETRIC, BITS, PLANAR, SAMPLE_FORMAT, SUBFILE = 262, 258, 284, 339, 254  # TIFF tags
WHITE_IS_ZERO, IN_PLANES, INTEGERS, REDUCED = 0, 2, 2, 1


def check_kind(image: Image.Image) -> None:
    """Raise BadPicture for a planar TIFF with more than 8 bits per sample, which Pillow decodes wrongly."""
    if _tag(image, PLANAR) == IN_PLANES and max(np.atleast_1d(_tag(image, BITS) or 8)) > 8:
        raise BadPicture("a TIFF of more than 8 bits in planes, a kind that is not read: save it as PNG")


def skip_thumbnails(image: Image.Image) -> None:
    """Seek to the first page of a TIFF that is not a smaller version of another, if there is one."""
    with suppress(EOFError):
        while (_tag(image, SUBFILE) or 0) & REDUCED:
            image.seek(image.tell() + 1)
        return
    image.seek(0)


def is_deep(image: Image.Image) -> bool:
    """Whether Pillow will drop the lower 8 of 16 bits of a colour picture. Call it before decoding."""
    return any("16" in str(tile.args) for tile in getattr(image, "tile", ()))


def scale_transparency(image: Image.Image) -> None:
    """Scale a PNG's transparent grey of 2 or 4 bits to the 8 bits that Pillow decodes to. Call it before decoding."""
    stored = [tile.args for tile in getattr(image, "tile", ())]
    bits = 2 if stored == ["L;2"] else 4 if stored == ["L;4"] else 0
    if bits and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= 255 // (2**bits - 1)


def use_full_range(image: Image.Image, data: bytes) -> Image.Image:
    """Decode a 16-bit colour picture again with all its bits if its values use only the low end of the range."""
    if (
        image.mode not in ("RGB", "RGBA", "LA")
        or np.asarray(image)[..., : len(image.mode) - image.mode.count("A")].max() >= 64
    ):
        return image
    import cv2  # slow to import, and rarely needed

    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise BadPicture(
            "colour of 16 bits of which the upper are unused, in a compression that is not read: save it as PNG"
        )
    if array.dtype != np.uint16 or array.ndim != 3 or array.shape[1::-1] != image.size:
        return image
    rgb = Image.fromarray(np.ascontiguousarray(_to_bytes(array[..., 2::-1])))
    rgb.info = dict(image.info)
    if "A" in image.mode:
        full = array.shape[2] == len("BGRA")
        rgb.putalpha(Image.fromarray(_to_bytes(array[..., 3])) if full else image.getchannel("A"))
    return rgb


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert a decoded picture of any mode to sRGB: RGBA if it has transparency, else RGB."""
    profile, alpha = image.info.get("icc_profile"), None
    signed = image.mode == "L" and _tag(image, SAMPLE_FORMAT) == INTEGERS
    if image.mode.startswith(("I", "F")) or signed:
        image, alpha = _grey(image, signed)
    elif image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        if image.format == "BMP" and alpha.getextrema() == (0, 0):  # an unused channel, as viewers see it
            alpha = None
        grey = image.mode in ("1", "L", "LA", "La")
        gamma = image.info.get("gamma")
        image = (
            image.convert("L") if grey and image.mode != "La" else image.convert("RGBA").convert("L" if grey else "RGB")
        )
        image.info["gamma"] = gamma
    elif image.mode in ("P", "PA", "1"):
        image = image.convert("RGB")
    image = _with_gamma(image) if not profile and image.info.get("gamma") else _with_profile(image, profile)
    if alpha is not None:
        image.putalpha(alpha)
    return image


def _grey(image: Image.Image, signed: bool) -> tuple[Image.Image, Image.Image | None]:
    """Scale 16- or 32-bit greyscale to 8 bits (Pillow would clip it); also return a mask if one value is transparent."""
    array = np.asarray(image)
    if signed:
        array = array.view(np.int8)
    if array.dtype == np.int32 and _tag(image, SAMPLE_FORMAT) in (None, 1) and _tag(image, BITS) == 32:
        array = array.view(np.uint32)
    clear = image.info.get("transparency")
    alpha = Image.fromarray(np.where(array == clear, 0, 255).astype(np.uint8)) if isinstance(clear, int) else None
    if depth := image.info.get("bit_depth"):  # HEIF says how many of the 16 bits, the upper ones, are used
        grey = (array / (2**16 - 2 ** (16 - depth)) * 255).round().astype(np.uint8)
    else:
        grey = _to_bytes(array, _tag(image, SAMPLE_FORMAT) == INTEGERS)
    if _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    made = Image.fromarray(grey)
    made.info["gamma"] = image.info.get("gamma")
    return made, alpha


def _to_bytes(array: np.ndarray, signed: bool = False) -> np.ndarray:
    """Scale samples of any type to uint8 by the smallest depth that holds them all: 12 bits stored in 16 are 12."""
    values = np.nan_to_num(array.astype(np.float64), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if low < 0 and (array.dtype.kind != "f" or -low > high / 2):
        values, white = values - low, high - low
    elif array.dtype.kind == "f" and 1 / 16 < high <= 2:  # 0..1; resizing may overshoot
        white = 1.0
    elif array.dtype.kind == "f" and not (
        127 < high < 256 or 2**15 <= high < 2**16
    ):  # physical units: percent, degrees, metres
        white = high
    else:
        depths = sorted(DEPTHS + SIGNED) if signed else DEPTHS
        white = next((2.0**bits - 1 for bits in depths if high < 2**bits), high)
    return np.asarray((values * (255 / (white or 1))).round().clip(0, 255).astype(np.uint8))


def _tag(image: Image.Image, number: int) -> Any:
    """The value of a TIFF tag, the first if there is one per channel; None if it is missing."""
    value = getattr(image, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) and value else value


def _with_gamma(image: Image.Image) -> Image.Image:
    """Apply a PNG's gamma chunk if it has no profile, as browsers do."""
    exponent = 1 / (2.2 * float(image.info["gamma"]))
    image = image.convert("RGB")
    if image.info.get("srgb") is not None or not 0.2 < exponent < 5 or abs(exponent - 1) < 0.05:
        return image
    return image.point([round(255 * (value / 255) ** exponent) for value in range(256)] * 3)


def _with_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert by the embedded profile; without a usable profile, assume sRGB."""
    if image.mode == "L" and profile and profile[16:20] == b"RGB ":
        image = image.convert("RGB")
    transform = _lab() if image.mode == "LAB" else _transform(profile, image.mode) if profile else None
    if transform is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    return ImageCms.applyTransform(image, transform) or image


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """LittleCMS's transform to sRGB; None if it changes nothing or the profile doesn't fit the mode.

    Ignores the profile's name, because the names of GIMP's linear profiles contain sRGB.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        return transform if mode == "CMYK" or _changes(transform, mode) else None
    except Exception:  # a broken profile can raise anything
        return None


def _changes(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """True if the transform changes any of a grid of colours."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(len(steps), -1, 3)
    sample = Image.fromarray(colours).convert(mode)
    made = ImageCms.applyTransform(sample, transform)
    return made is None or int(np.abs(np.asarray(made, int) - np.asarray(sample.convert("RGB"), int)).max()) > SAME


@lru_cache(maxsize=1)
def _lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
