"""Find, load and write folders of pictures. First-level folders are categories."""

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
from generate.decoding import read_bytes as read_bytes
from generate.decoding import size_of as size_of
from generate.decoding import suffix_of as suffix_of
from generate.finding import Found, look_through
from generate.formats import FORMATS, HEAD, SUFFIXES, sniff
from generate.formats import BadPicture as BadPicture
from generate.units import shell_path

if TYPE_CHECKING:  # torch is slow to import; only load_pictures needs it
    import torch

LOSSY = ("JPEG", "WEBP")
LONGEST = 255  # bytes of a file name
WRITTEN = ("jpg", "png", "webp")  # formats that samples are written in; every browser shows them


def kind_of(reason: str) -> str:
    """A reason without its details, for counting: "too small: 16x16, 32 px asked for" -> "too small"."""
    return re.split(r"[:(]", reason)[0].strip()


def find_pictures(folder: Path) -> list[Path]:
    """Every picture below the folder, sorted by path, see `generate.finding`.

    Raises click.ClickException if the folder is missing or holds no picture.
    """
    return find_all(folder).pictures


def find_all(folder: Path) -> Found:
    """The pictures below a folder, and skipped files. Raises click.ClickException if there is no picture."""
    if folder.is_file():
        raise click.ClickException(
            f"{folder} is not a folder: give one that holds pictures, or unpack an archive with `python -m generate collect "
            f"{shell_path(folder)} photos`."
        )
    if not folder.is_dir():
        raise click.ClickException(f"{folder} is not a folder: give one that holds pictures.")
    found = look_through(folder)
    if not found.pictures:
        kinds = ", ".join(sorted(suffixes[0][1:] for suffixes in FORMATS.values()))
        passed = "".join(f" ({line})" for line in found.lines(folder))
        raise click.ClickException(f"{folder} holds no pictures ({kinds}), nor do its subfolders{passed}.")
    return found


def format_of(path: Path) -> str:
    """Pillow's name of the format, such as JPEG, by suffix; if the suffix is unknown, by content."""
    if name := SUFFIXES.get(path.suffix.lower()):
        return name
    with path.open("rb") as file:
        return sniff(file.read(HEAD))


def beside(folder: Path, ending: str) -> Path:
    """A path beside the folder: its name plus `ending`. Also works for . and .."""
    named = folder.resolve() if folder.name in ("", "..") else folder
    return named.with_name(named.name + ending)


def category_of(path: Path, folder: Path) -> str:
    """The first-level subfolder that holds a picture; "" for the folder itself."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


def to_picture(pixels: torch.Tensor) -> Image.Image:
    """Convert a uint8 CPU tensor (1, 3 or 4, H, W) to a greyscale, RGB or RGBA picture."""
    return Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).squeeze(2).numpy()))


def load_pictures(folder: Path, channels: int = 3) -> torch.Tensor:
    """Load a prepared folder as one (N, channels, size, size) uint8 tensor, sorted by path.

    Raises click.ClickException unless all are squares of one size, a power of two.
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
    """Yield a temporary path in the same folder; rename it to `path` on success, delete it on failure.

    Without `sync`, a power failure may leave an incomplete file; a killed process can't. Use it for many small files, followed
    by os.sync() and one file with `sync` that marks them complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    identity = sha256(os.fsencode(path.name)).hexdigest()[
        :16
    ]  # a hash, because the name may already have the maximum length
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
    """The file name, truncated and made unique by a hash if it exceeds LONGEST bytes."""
    data = os.fsencode(name)
    if len(data) <= LONGEST:
        return name
    ending = f"-{sha256(data).hexdigest()[:16]}{Path(name).suffix}"
    return data[: LONGEST - len(os.fsencode(ending))].decode(errors="ignore") + ending


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that an earlier run wrote. Raises click.ClickException if it is damaged."""
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise click.ClickException(f"{path} is damaged: choose another DEST, or delete {path.parent} and begin anew.")
    return options
