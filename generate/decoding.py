"""Decode one picture to upright 8-bit sRGB, or raise BadPicture with the reason.

python -c "from generate.decoding import *; open_picture(Path('a.jpg')).show()"
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageColor, PngImagePlugin, UnidentifiedImageError
from pillow_heif import register_heif_opener

from generate.code_points import named_profile
from generate.colours import check_kind, is_deep, scale_transparency, skip_thumbnails, to_srgb, use_full_range
from generate.formats import FORMATS, HEAD, BadPicture, refusal, sniff

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
PNG = b"\x89PNG\r\n\x1a\n"
FRAMES = (b"acTL", b"fcTL", b"fdAT")  # ancillary chunks of PNG that change what is shown
COLOURS = (b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"eXIf")
BLANK = 4.0  # of 255: a frame whose channels all deviate less shows nothing, even if some pixels are set
BLANK_FRAMES = 50  # maximum number skipped at the start of an animation
MOST_BYTES = 500_000_000  # of a file
MOST_PIXELS = 89_478_485  # limit for decoding, 256 MiB of RGB; for a JPEG, after libjpeg's scaling
register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)  # only the main picture of a file
PngImagePlugin.MAX_TEXT_CHUNK = 2**24  # bytes of a colour profile; Pillow's limit is for texts as well
Image.MAX_IMAGE_PIXELS = 2**27  # Pillow refuses twice as many pixels before it decodes
TURNS = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(path: Path | BinaryIO, background: str = "black") -> Image.Image:
    """Decode to upright RGB, with transparency painted on the background (a name or #rrggbb).

    Takes the first non-blank frame of an animation. Raises BadPicture if the file can't be decoded completely.
    """
    return paint(open_picture(path), background)


def open_picture(path: Path | BinaryIO, shrink_to: int | None = None) -> Image.Image:
    """Decode to upright sRGB: RGBA if the picture has transparency, else RGB.

    A JPEG much larger than `shrink_to` pixels (shorter side) is decoded at 1/2, 1/4 or 1/8 of its size by libjpeg's scaled
    DCT, keeping at least 1.9 times `shrink_to` for the resize. A JPEG of more than MOST_PIXELS is always decoded at half size
    or less. Takes the first non-blank frame of an animation. Raises BadPicture if the file can't be decoded completely.
    """
    with _bad_pictures(path):
        data = _bytes(path)
        try:
            return _decoded(data, shrink_to)
        except OSError:
            if (mended := with_its_end(data)) is None:
                raise
            return _decoded(mended, shrink_to)


def size_of(path: Path | BinaryIO) -> tuple[int, int]:
    """Width and height in pixels from the header, without decoding. Raises BadPicture if it can't be read."""
    with _opened(path) as image:
        return image.size


def suffix_of(path: Path | BinaryIO) -> str:
    """The usual suffix of a file's actual format: ".jpg", ".png", ...

    Raises BadPicture if the format is not in FORMATS.
    """
    with _opened(path) as image:
        name = "JPEG" if image.format == "MPO" else image.format or ""  # MPO: a JPEG followed by further pictures
    return FORMATS[name][0]


@contextmanager
def _opened(path: Path | BinaryIO) -> Iterator[Image.Image]:
    """Open the file with Pillow, only as one of FORMATS: other decoders, such as Ghostscript, are never started."""
    with _bad_pictures(path), Image.open(io.BytesIO(_bytes(path)), formats=list(FORMATS)) as image:
        skip_thumbnails(image)
        yield image


def _decoded(data: bytes, shrink_to: int | None) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
        skip_thumbnails(image)
        if image.format in ("JPEG", "MPO"):
            scale = min(image.size) / (1.9 * shrink_to) if shrink_to else 1.0
            scale = max(scale, 2.0 if image.width * image.height > MOST_PIXELS else 1.0)
            image.draft(None, (int(image.width / scale), int(image.height / scale)))
        if image.width * image.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        check_kind(image)
        deep = is_deep(image)
        scale_transparency(image)
        image.load()
        if image.format in ANIMATED and getattr(image, "is_animated", False):
            _skip_blank_frames(image)
        if (profile := named_profile(image, data)) is not None:
            image.info |= {"icc_profile": profile, "gamma": None}
        return upright(to_srgb(use_full_range(image, data) if deep else image), _orientation(image))


def _skip_blank_frames(image: Image.Image) -> None:
    """Seek to the first frame that is not blank, or to the first frame if all are."""
    with suppress(EOFError):
        for frame in range(1, BLANK_FRAMES):
            seen = np.asarray(
                image.convert("RGBA").convert("RGBa")
            )  # premultiplied, so that invisible pixels don't count
            if seen.std(axis=(0, 1)).max() >= BLANK:
                return
            image.seek(frame)
            image.load()
    image.seek(0)
    image.load()


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if the EXIF can't be read, and for HEIF, whose decoder turns the picture."""
    try:
        if image.format == "HEIF":
            return 1
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF can raise anything; viewers ignore it too
        return 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Rotate and mirror the picture by its EXIF orientation."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def with_its_end(data: bytes) -> bytes | None:
    """Append the end marker to a JPEG that lacks only that; None for any other file.

    The file is decoded with several filler bytes before the marker. If picture data were missing too, libjpeg would decode
    the filler, and the results would differ.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    ends = [data.removesuffix(b"\xff") + filler + b"\xff\xd9" for filler in (b"", b"\x55\xaa" * 99, b"\x92\x49" * 99)]
    pictures = []
    for mended in ends:
        with Image.open(io.BytesIO(mended), formats=["JPEG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            pictures.append(image.tobytes())
    return ends[0] if len(set(pictures)) == 1 else None


@contextmanager
def _bad_pictures(path: Path | BinaryIO) -> Iterator[None]:
    """Turn any exception from a decoder into BadPicture: damaged files can raise anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata, and about sizes, which _decoded checks
            yield
    except BadPicture:
        raise
    except Image.DecompressionBombError:
        most = MOST_PIXELS // 10**6
        raise BadPicture(f"too large to decode safely (over {most} megapixels): reduce its size") from None
    except UnidentifiedImageError:
        raise BadPicture(_unidentified(sniff(_bytes(path)[:HEAD]))) from None
    except Exception as error:
        raise BadPicture(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from None


def _unidentified(name: str) -> str:
    """The reason for refusing a file that starts like this format but that Pillow can't identify."""
    if name in FORMATS:
        return f"damaged: not a whole {name}, or of a kind that is not read; save it again as PNG or JPEG"
    return refusal(name) if name else "not a picture, whatever its name says"


def _bytes(path: Path | BinaryIO) -> bytes:
    if isinstance(path, Path):
        return without_notes(read_bytes(path))
    path.seek(0)
    return without_notes(path.read())


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises BadPicture if it can't be read or has more than MOST_BYTES."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadPicture(f"too large: over {MOST_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(f"can't be read: {error.strerror}") from None


def without_notes(data: bytes) -> bytes:
    """A PNG without chunks that change no pixel, such as text, or whose checksum is wrong, if they are ancillary.

    Viewers ignore those; Pillow refuses a file for a wrong checksum or a long text. Any other file is returned as it is.
    """
    if not data.startswith(PNG):
        return data
    parts, at = [PNG], len(PNG)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind, checksum = data[at + 4 : at + 8], data[end - 4 : end]
        right = kind in COLOURS and zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(checksum, "big")
        if kind[:1].isupper() or kind in FRAMES or right:  # upper case: critical
            parts.append(data[at:end])
        at = end
    return b"".join(parts)


def paint(image: Image.Image, background: str) -> Image.Image:
    """Convert to RGB, with transparency painted on the background (a name or #rrggbb)."""
    if image.mode != "RGBA":
        return image
    canvas = Image.new("RGBA", image.size, ImageColor.getrgb(background))
    return Image.alpha_composite(canvas, image).convert("RGB")


def pixels(path: Path, channels: int = 3) -> np.ndarray:
    """Decode to (H, W, channels) uint8: 1 is greyscale, 3 RGB on black, 4 RGBA. Raises BadPicture."""
    picture = open_picture(path)
    picture = picture.convert("RGBA") if channels == 4 else paint(picture, "black").convert(MODES[channels])
    array = np.asarray(picture)
    return array.reshape(*array.shape[:2], channels)
