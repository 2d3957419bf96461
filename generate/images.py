"""Folders of pictures: finding, decoding and writing them. The first-level folder is the category."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import numpy as np
from PIL import Image, ImageCms, ImageColor, ImageOps, UnidentifiedImageError
from tqdm import tqdm

if TYPE_CHECKING:  # load_pictures imports it: who only decodes need not wait for torch
    import torch

FORMATS = {  # that are read, by Pillow's name: how their files are called, the usual suffix first
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
LOSSY = ("JPEG", "WEBP")
SUFFIXES = {suffix: name for name, suffixes in FORMATS.items() for suffix in suffixes}
WRITTEN = ("jpg", "png", "webp")  # formats that samples are written in: what every browser shows

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels


class BadPicture(Exception):
    """A file that can't be used as a picture; the text says why in a few words."""


def kind_of(reason: str) -> str:
    """A reason without its details, to count by: "too small: 16x16, 32 px asked for" -> too small."""
    return re.split(r"[:(]", reason)[0].strip()


def find_pictures(folder: Path) -> list[Path]:
    """Every picture below the folder, sorted by path; hidden files and folders are passed over.

    Raises click.ClickException where the folder is missing or holds no picture, or a name that no table can hold.
    """
    if not folder.is_dir():
        raise click.ClickException(f"{folder} is not a folder: give one that holds pictures.")
    pictures = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not pictures:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise click.ClickException(f"{folder} holds no pictures ({kinds}), nor do its subfolders.")
    if odd := [path for path in pictures if any("\udc80" <= char <= "\udcff" for char in str(path))]:
        raise click.ClickException(
            f"{str(odd[0])!a} has a name that is not UTF-8: rename it, or have `collect` copy {folder}."
        )
    return pictures


def format_of(path: Path) -> str:
    """Pillow's name of the format that the suffix stands for, as in JPEG. KeyError for one that is not in FORMATS."""
    return SUFFIXES[path.suffix.lower()]


def beside(folder: Path, ending: str) -> Path:
    """The folder's neighbour of the same name and this ending, also of a folder given as . or .."""
    named = folder.resolve() if folder.name in ("", "..") else folder
    return named.with_name(named.name + ending)


def category_of(path: Path, folder: Path) -> str:
    """The first-level subfolder a picture lies in, or "" where it lies in the folder itself."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


def decode(path: Path | BinaryIO, background: str = "black") -> Image.Image:
    """The picture as RGB, upright, its transparency painted on the background (a name or #rrggbb).

    Of an animation, the first frame. Raises BadPicture for what can't be decoded whole.
    """
    return paint(open_picture(path), background)


def open_picture(path: Path | BinaryIO, shrink_to: int | None = None) -> Image.Image:
    """The picture upright and in sRGB, as RGBA where it has transparency, else as RGB.

    A JPEG whose shorter side is far above `shrink_to` pixels is decoded at a half, quarter or eighth of its size (libjpeg
    scales in the frequency domain), which still leaves 1.9 times as many for a resize: 52 dB from one of the whole.
    Of an animation, the first frame. Raises BadPicture for what can't be decoded whole.
    """
    with _bad_pictures(), Image.open(path) as image:
        if shrink_to and image.format == "JPEG":
            scale = min(image.size) / (1.9 * shrink_to)
            image.draft(None, (int(image.width / scale), int(image.height / scale)))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)


def size_of(path: Path | BinaryIO) -> tuple[int, int]:
    """Width and height as its header says, nothing decoded. Raises BadPicture where it has none."""
    with _bad_pictures(), Image.open(path) as image:
        return image.size


def suffix_of(path: Path | BinaryIO) -> str:
    """The usual suffix of a file's real format, whatever its name says: ".jpg", ".png", ...

    Raises BadPicture where it is not one of FORMATS.
    """
    with _bad_pictures(), Image.open(path) as image:
        name = "JPEG" if image.format == "MPO" else image.format or ""  # MPO: a JPEG with more pictures after it
    if name not in FORMATS:
        raise BadPicture(f"a format that is not read: {name}")
    return FORMATS[name][0]


@contextmanager
def _bad_pictures() -> Iterator[None]:
    """All that Pillow may raise on a file that is not as it should be, as BadPicture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise BadPicture(f"too large to decode safely (over {limit} megapixels)") from None
    except UnidentifiedImageError:
        raise BadPicture("not a picture, whatever its name says") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error) as error:
        raise BadPicture(f"damaged: {error}") from None


def paint(image: Image.Image, background: str) -> Image.Image:
    """RGB, transparency painted on the background (a name or #rrggbb)."""
    if image.mode != "RGBA":
        return image
    canvas = Image.new("RGBA", image.size, ImageColor.getrgb(background))
    return Image.alpha_composite(canvas, image).convert("RGB")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB or RGBA in sRGB."""
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits of grey; Pillow would clip, not scale
        grey = np.asarray(image, dtype=np.float64)
        return Image.fromarray((grey / 257 if grey.max() > 255 else grey).clip(0, 255).astype(np.uint8)).convert("RGB")
    profile = image.info.get("icc_profile")
    if image.mode in ("P", "LA", "PA", "La", "RGBa") or image.has_transparency_data:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        image = _to_srgb(image.convert("RGB"), profile)
        image.putalpha(alpha)
        return image
    return _to_srgb(image, profile)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB of what the profile says the numbers mean; of no profile, or a broken one, as if they were sRGB."""
    transform = _transform(profile, image.mode) if profile else None
    if transform is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    return ImageCms.applyTransform(image, transform) or image


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """LittleCMS' conversion to sRGB; None where none is needed or the profile is not one for this mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def pixels(path: Path, channels: int = 3) -> np.ndarray:
    """A picture as (H, W, channels) uint8: 1 is grey, 3 RGB on black, 4 RGB and transparency. Raises BadPicture."""
    picture = open_picture(path)
    picture = picture.convert("RGBA") if channels == 4 else paint(picture, "black").convert(MODES[channels])
    array = np.asarray(picture)
    return array.reshape(*array.shape[:2], channels)


def to_picture(pixels: torch.Tensor) -> Image.Image:
    """A uint8 tensor (1, 3 or 4, H, W) on the CPU as a picture, grey, RGB or RGBA."""
    return Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).squeeze(2).numpy()))


def load_pictures(folder: Path, channels: int = 3) -> torch.Tensor:
    """All pictures of a prepared folder as one (N, channels, size, size) uint8 tensor, in the order of their paths.

    Raises click.ClickException where they are not square pictures of one size.
    """
    import torch

    paths = find_pictures(folder)
    loaded: torch.Tensor | None = None
    for row, path in enumerate(tqdm(paths, desc="load", unit="picture", disable=None, leave=False)):
        try:
            array = pixels(path, channels)
        except BadPicture as reason:
            raise click.ClickException(f"{path} is {reason}. Delete it and run `prepare` again.") from None
        size = array.shape[0]
        if array.shape[1] != size or size & (size - 1) or (loaded is not None and loaded.shape[-1] != size):
            raise click.ClickException(
                f"{path} is {array.shape[1]}x{size}, but training takes squares of one size, a power of two: "
                f"make them with `python -m generate prepare {folder} prepared`."
            )
        if loaded is None:
            loaded = torch.empty((len(paths), channels, size, size), dtype=torch.uint8)
        loaded[row] = torch.from_numpy(array.copy()).permute(2, 0, 1)
    assert loaded is not None
    return loaded


@contextmanager
def atomic_path(path: Path, sync: bool = True) -> Iterator[Path]:
    """A temporary neighbour to write to, moved onto `path` when the block ends well, else removed.

    Without `sync` a power failure may leave an empty or incomplete file, a killed process may not: for many small files, of
    which a last one, written with it after os.sync(), says that all are there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file so that nobody ever sees half of it."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """What an earlier run wrote beside its result. Raises click.ClickException where it was damaged since."""
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise click.ClickException(f"{path} is damaged: choose another DEST, or delete {path.parent} and begin anew.")
    return options
