"""Find, load and write folders of pictures. The first-level folder is the category."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from PIL import Image
from tqdm import tqdm

from generate.decoding import decode as decode
from generate.decoding import open_picture as open_picture
from generate.decoding import paint as paint
from generate.decoding import pixels as pixels
from generate.decoding import size_of as size_of
from generate.decoding import suffix_of as suffix_of
from generate.finding import Found, look_through
from generate.formats import FORMATS, HEAD, SUFFIXES, sniff
from generate.formats import BadPicture as BadPicture

if TYPE_CHECKING:  # load_pictures imports it, so that decoding alone need not wait for torch
    import torch

LOSSY = ("JPEG", "WEBP")
LONGEST = 255  # bytes of a name
WRITTEN = ("jpg", "png", "webp")  # formats that samples are written in: what every browser shows


def kind_of(reason: str) -> str:
    """A reason without its details, to count by: "too small: 16x16, 32 px asked for" -> too small."""
    return re.split(r"[:(]", reason)[0].strip()


def find_pictures(folder: Path) -> list[Path]:
    """Every picture below the folder, sorted by path, see `generate.finding`.

    Raises click.ClickException if the folder is missing or holds no picture.
    """
    return find_all(folder).pictures


def find_all(folder: Path) -> Found:
    """The pictures of a folder and what is passed over. Raises click.ClickException if there is no picture."""
    if not folder.is_dir():
        raise click.ClickException(f"{folder} is not a folder: give one that holds pictures.")
    found = look_through(folder)
    if not found.pictures:
        kinds = ", ".join(sorted(suffixes[0][1:] for suffixes in FORMATS.values()))
        passed = "".join(f" ({line})" for line in found.lines(folder))
        raise click.ClickException(f"{folder} holds no pictures ({kinds}), nor do its subfolders{passed}.")
    return found


def format_of(path: Path) -> str:
    """Pillow's name of the format that the suffix stands for, as in JPEG; without a known suffix, that of the content."""
    if name := SUFFIXES.get(path.suffix.lower()):
        return name
    with path.open("rb") as file:
        return sniff(file.read(HEAD))


def beside(folder: Path, ending: str) -> Path:
    """The folder's neighbour of the same name and this ending, also of a folder given as . or .."""
    named = folder.resolve() if folder.name in ("", "..") else folder
    return named.with_name(named.name + ending)


def category_of(path: Path, folder: Path) -> str:
    """The first-level subfolder a picture lies in, or "" where it lies in the folder itself."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


def to_picture(pixels: torch.Tensor) -> Image.Image:
    """A uint8 tensor (1, 3 or 4, H, W) on the CPU as a picture, grey, RGB or RGBA."""
    return Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).squeeze(2).numpy()))


def load_pictures(folder: Path, channels: int = 3) -> torch.Tensor:
    """All pictures of a prepared folder as one (N, channels, size, size) uint8 tensor, in the order of their paths.

    Raises click.ClickException if they are not square pictures of one size.
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
    identity = sha256(os.fsencode(path.name)).hexdigest()[:16]  # the name itself may be as long as a name can be
    temporary = path.with_name(f".{identity}.{os.getpid()}.tmp")
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def fitting(name: str) -> str:
    """A file name, or one with a hash in it where it is longer than file systems take."""
    data = os.fsencode(name)
    if len(data) <= LONGEST:
        return name
    ending = f"-{sha256(data).hexdigest()[:16]}{Path(name).suffix}"
    return data[: LONGEST - len(os.fsencode(ending))].decode(errors="ignore") + ending


def write_text(path: Path, text: str) -> None:
    """Write a small text file so that nobody ever sees half of it."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """What an earlier run wrote beside its result. Raises click.ClickException if it was damaged since."""
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise click.ClickException(f"{path} is damaged: choose another DEST, or delete {path.parent} and begin anew.")
    return options
