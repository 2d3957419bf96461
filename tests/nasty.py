"""A folder of every kind of file that has ever stopped somebody's training, and what `prepare` has to say of each."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFilter

from tests.conftest import EMOJI


def emoji(name: str, mode: str = "RGB", size: int = 128) -> Image.Image:
    """A real picture, on white where the mode has no transparency."""
    with Image.open(EMOJI / f"{name}.webp") as image:
        image = image.convert("RGBA").resize((size, size))
    return (
        image if mode == "RGBA" else Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert(mode)
    )


def on_a_lawn(name: str, at: tuple[int, int], size: int = 160) -> Image.Image:
    """An object before a background with a texture, as a photograph has it, 480x320."""
    noise = np.random.default_rng(0).normal(0, 12, (320, 480, 1))
    picture = Image.fromarray((np.array([96, 130, 80]) + noise).clip(0, 255).astype(np.uint8))
    object = emoji(name, "RGBA", size)
    picture.paste(object, at, object)
    return picture


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that would become a picture of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def jpeg(image: Image.Image, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", **options)
    return data.getvalue()


def linear_profile() -> bytes:
    """A colour profile like sRGB's but with gamma 1: whoever ignores it sees a picture that is too dark.

    As GIMP writes them, it is called sRGB.
    """
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for i in range(struct.unpack(">I", profile[128:132])[0]):
        name, offset, _ = struct.unpack(">4sII", profile[132 + 12 * i : 144 + 12 * i])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + 14] = b"curv" + bytes(4) + struct.pack(">IH", 1, 0x0100)
    return bytes(profile)


def make_nasty(folder: Path) -> dict[str, str]:
    """Fill the folder; returns the start of each file's reason, "" for what has to be prepared."""
    folder.mkdir()
    expected: dict[str, str] = {}

    def put(name: str, content: Image.Image | bytes, reason: str = "", **options: object) -> None:
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content.save(folder / name, **options)
        expected[name] = reason

    put("bomb.png", png_that_claims(50_000, 50_000), "too large to decode safely")
    put("large claim.png", png_that_claims(10_000, 9_500), "too large to decode safely")
    put("lying.png", png_that_claims(200, 200), "damaged")
    put("truncated.jpg", jpeg(emoji("food/banana"))[:2000], "damaged")
    put("empty.png", b"", "not a picture")
    put("letter.jpg", b"Dear picture,", "not a picture")
    put("pixel.png", Image.new("RGB", (1, 1), "red"), "too small: 1x1")
    put("wide.png", emoji("food/bread").resize((10_000, 64)), "odd shape: 10000x64")
    put("flat.png", Image.new("RGB", (128, 128), "navy"), "nearly empty: contrast")
    put("invisible.png", Image.new("RGBA", (128, 128), (255, 255, 255, 0)), "nearly empty: 0.0% of the pixels")
    put("blurred.png", emoji("food/pizza").filter(ImageFilter.GaussianBlur(5)), "blurred: sharpness")
    put("a folder.png", jpeg(emoji("food/avocado")), "")  # a JPEG by another name is a picture all the same
    put("cmyk.jpg", emoji("food/lemon", "CMYK"))
    put("sixteen bits.png", Image.fromarray(np.asarray(emoji("food/tomato", "L")).astype(np.uint16) * 257))
    put("palette.png", emoji("food/doughnut", "P"))
    put("animated.gif", emoji("faces/nerd_face"), save_all=True, append_images=[emoji("faces/angry_face")], duration=9)
    put("alpha.webp", emoji("food/cherries", "RGBA"), lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    put("turned.jpg", emoji("food/cupcake"), exif=exif)
    put("ананас и пробелы 菠萝.png", emoji("food/pineapple"))
    put("first.png", emoji("animals/fox"))
    put("second.png", (folder / "first.png").read_bytes(), "duplicate: of first.png")
    put("third.jpg", emoji("animals/fox").resize((120, 120)), "near duplicate: of first.png", quality=60)
    put("broken profile.jpg", emoji("animals/lion"), icc_profile=b"no profile")
    return expected
