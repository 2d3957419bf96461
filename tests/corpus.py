"""Pictures of each supported format in each mode and depth, as other programs write them, and a mutator that damages them."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pillow_heif
import tifffile
from PIL import Image

from tests.nasty import emoji, linear_profile

NAMES = ["food/lemon", "food/pizza", "food/tomato", "animals/fox", "animals/lion", "faces/nerd_face"]


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def tiff(array: np.ndarray, **options: object) -> bytes:
    data = io.BytesIO()
    tifffile.imwrite(data, array, **options)
    return data.getvalue()


def png16(array: np.ndarray) -> bytes:
    """OpenCV's PNG of 16 bits: grey, RGB or RGBA."""
    swap = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[array.shape[2] if array.ndim == 3 else 2]
    return cv2.imencode(".png", array if swap is None else cv2.cvtColor(array, swap))[1].tobytes()


def heif10(mode: str, array: np.ndarray, **options: object) -> bytes:
    """HEIF of 10 bits; mode is RGB, RGBA or I (grey), the array uint16."""
    data = io.BytesIO()
    pillow_heif.from_bytes(f"{mode};16", array.shape[1::-1], array.tobytes()).save(data, **options)
    return data.getvalue()


def kinds(name: str = NAMES[0], size: int = 96) -> Iterator[tuple[str, bytes]]:
    """(name of the kind, file) of every mode and depth of every format."""
    rgba, rgb, grey = (emoji(name, mode, size) for mode in ("RGBA", "RGB", "L"))
    for quality, options in enumerate([{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}]):
        yield f"jpeg-rgb-{quality}.jpg", encoded(rgb, "JPEG", **options)
    yield "jpeg-grey.jpg", encoded(grey, "JPEG")
    yield "jpeg-cmyk.jpg", encoded(rgb.convert("CMYK"), "JPEG")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    yield "jpeg-exif.jpg", encoded(rgb, "JPEG", exif=exif, icc_profile=linear_profile())
    yield "mpo.jpg", encoded(rgb, "MPO", save_all=True, append_images=[grey.convert("RGB")])
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        image = rgba.convert(mode) if mode in ("LA", "RGBA") else rgb.convert(mode)
        yield f"png-{mode}.png", encoded(image, "PNG")
    yield "png-transparent-palette.png", encoded(rgb.quantize(16), "PNG", transparency=0)
    yield "png-apng.png", encoded(rgb, "PNG", save_all=True, append_images=[rgba.convert("RGB")])
    for top in (4095, 65535):
        yield f"png-grey-{top}.png", png16((np.asarray(grey) / 255 * top).astype(np.uint16))
        yield f"png-rgb-{top}.png", png16((np.asarray(rgb) / 255 * top).astype(np.uint16))
        yield f"tiff-rgb-{top}.tif", tiff((np.asarray(rgb) / 255 * top).astype(np.uint16), photometric="rgb")
    yield "png-rgba-16.png", png16(np.asarray(rgba).astype(np.uint16) * 257)
    yield "webp-lossy.webp", encoded(rgb, "WEBP")
    yield "webp-lossless.webp", encoded(rgba, "WEBP", lossless=True)
    yield "webp-animated.webp", encoded(rgb, "WEBP", save_all=True, append_images=[grey.convert("RGB")])
    yield "avif-rgb.avif", encoded(rgb, "AVIF", speed=10)
    yield "avif-rgba.avif", encoded(rgba, "AVIF", speed=10)
    yield "heif-rgb.heic", encoded(rgb, "HEIF")
    yield "heif-rgba.heic", encoded(rgba, "HEIF")
    yield "heif-grey.heic", encoded(grey, "HEIF")
    yield "heif-tiles.heic", encoded(rgb, "HEIF", tile_size=64)
    for kind, mode, image in (("RGB", "RGB", rgb), ("RGBA", "RGBA", rgba), ("grey", "I", grey)):
        yield f"heif-10-bits-{kind}.heic", heif10(mode, np.asarray(image).astype(np.uint16) * 257)
    yield "gif.gif", encoded(rgb, "GIF")
    yield "gif-animated.gif", encoded(rgb, "GIF", save_all=True, append_images=[grey.convert("RGB")], duration=9)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"bmp-{mode}.bmp", encoded((rgba if mode == "RGBA" else rgb).convert(mode), "BMP")
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"):
        image = rgba.convert(mode) if mode in ("LA", "RGBA") else rgb.convert(mode) if mode != "LAB" else lab(rgb)
        yield f"tiff-{mode}.tif", encoded(image, "TIFF")
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        yield f"tiff-{compression}.tif", encoded(rgb, "TIFF", compression=compression)
    shades = np.asarray(grey)
    for kind, scaled in depths(shades).items():
        yield f"tiff-grey-{kind}.tif", tiff(scaled, photometric="minisblack")
        if scaled.dtype.kind == "u" and scaled.dtype.itemsize < 4:
            inverted = (scaled.max() - scaled).astype(scaled.dtype)
            yield f"tiff-white-is-zero-{kind}.tif", tiff(inverted, photometric="miniswhite")


def depths(shades: np.ndarray) -> dict[str, np.ndarray]:
    """Grey of 0..255 in other types, over all of their range or the part that cameras use."""
    unit = shades / 255
    return {
        "uint8": shades,
        "uint16": (shades * 257.0).astype(np.uint16),
        "10-in-16": (unit * 1023).round().astype(np.uint16),
        "12-in-16": (unit * 4095).round().astype(np.uint16),
        "14-in-16": (unit * 16383).round().astype(np.uint16),
        "uint32": (unit * (2**32 - 1)).astype(np.uint32),
        "int16": (unit * 32767).round().astype(np.int16),
        "float 0..1": unit.astype(np.float32),
        "float 0..255": shades.astype(np.float32),
        "float 0..65535": (shades * 257.0).astype(np.float32),
        "float 0..100": (unit * 100).astype(np.float32),
        "float 0..360": (unit * 360).astype(np.float32),
        "float 0..0.001": (unit * 0.001).astype(np.float32),
        "float -1..1": (unit * 2 - 1).astype(np.float32),
        "float with a bit more": (unit * 1.04 - 0.02).astype(np.float32),
    }


def lab(rgb: Image.Image) -> Image.Image:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(rgb, *profiles, outputMode="LAB")
    assert image is not None
    return image


def damage(data: bytes, draw: random.Random) -> bytes:
    """One of the things that happen to files: cut, bytes inverted, zeroed, doubled, tags of another type, the head of another."""
    ways: list[Callable[[bytes, random.Random], bytes]] = [
        _cut,
        _inverted,
        _zeroed,
        _doubled,
        _mistyped,
        _mistyped,
        _cut_end,
    ]
    return draw.choice(ways)(data, draw)


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def _cut_end(data: bytes, draw: random.Random) -> bytes:
    return data[: -draw.randrange(1, 20)]


def _inverted(data: bytes, draw: random.Random) -> bytes:
    start, length = draw.randrange(len(data)), draw.choice((1, 4, 60))
    return data[:start] + bytes(255 - byte for byte in data[start : start + length]) + data[start + length :]


def _zeroed(data: bytes, draw: random.Random) -> bytes:
    start, length = draw.randrange(len(data)), draw.choice((1, 16, 200))
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def _doubled(data: bytes, draw: random.Random) -> bytes:
    start, length = draw.randrange(len(data)), draw.choice((4, 60))
    return data[: start + length] + data[start : start + length] + data[start + length :]


def _mistyped(data: bytes, draw: random.Random) -> bytes:
    """Another type or count for a tag of TIFF or EXIF; of a file with neither, some bytes near its start."""
    at = data.find(b"II*\0") if b"II*\0" in data else data.find(b"MM\0*")
    if at < 0:
        start = draw.randrange(min(200, len(data)))
        return data[:start] + draw.randbytes(4) + data[start + 4 :]
    order = "<" if data[at : at + 1] == b"I" else ">"
    (offset,) = struct.unpack_from(f"{order}I", data, at + 4)
    if at + offset + 2 > len(data):
        return data[: at + 4] + draw.randbytes(4) + data[at + 8 :]
    (count,) = struct.unpack_from(f"{order}H", data, at + offset)
    entry = at + offset + 2 + 12 * draw.randrange(max(1, count))
    changed = bytearray(data)
    if draw.random() < 0.7:
        changed[entry + 2 : entry + 4] = struct.pack(f"{order}H", draw.randrange(1, 14))
    else:
        changed[entry + 4 : entry + 8] = struct.pack(f"{order}I", draw.choice((0, 2, 7, 2**20, 2**32 - 1)))
    return bytes(changed)
