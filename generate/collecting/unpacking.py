"""Copy the pictures of a folder or an archive (zip, tar, tgz, an npm tarball) into a folder, and check each.

    python -c "from generate.collecting.unpacking import *; copy_pictures(Path('emoji.tgz'), Path('photos'))"

Only regular files with a picture's suffix are read; links, devices and paths outside the archive are ignored.
"""

from __future__ import annotations

import gzip
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import click
from tqdm import tqdm

from generate.collecting.listing import reservoir
from generate.collecting.provenance import FAILED, KEPT, Row, check_picture, digest, utc_now
from generate.images import SUFFIXES, BadPicture, atomic_path

MAX_BYTES = 100_000_000  # of one uncompressed picture
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)


class Folder:
    """A folder. The three kinds of source have the same two methods: names() and open()."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> Iterator[str]:
        """Paths below the folder, sorted, including hidden files."""
        return (p.relative_to(self.path).as_posix() for p in sorted(self.path.rglob("*")) if p.is_file())

    def open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb")


class Zip:
    """Members of a zip file."""

    def __init__(self, path: Path) -> None:
        self.archive = zipfile.ZipFile(path)

    def names(self) -> Iterator[str]:
        return (member.filename for member in self.archive.infolist() if not member.is_dir())

    def open(self, name: str) -> IO[bytes]:
        return self.archive.open(name)


class Tar:
    """Regular files of a tar, compressed or not. Names are in the order of the archive, which is read from front to back."""

    def __init__(self, path: Path) -> None:
        self.archive = tarfile.open(path)  # noqa: SIM115  # closed by open_source
        self.members: dict[str, tarfile.TarInfo] = {}

    def names(self) -> Iterator[str]:
        self.members = {member.name: member for member in self.archive if member.isfile()}
        self._check_end()
        return iter(self.members)

    def _check_end(self) -> None:
        """tarfile takes a damaged header for the end of the archive; raise an error instead."""
        file = cast(IO[bytes], self.archive.fileobj)
        file.seek(self.archive.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"unreadable from byte {self.archive.offset:,} on")

    def open(self, name: str) -> IO[bytes]:
        return cast(IO[bytes], self.archive.extractfile(self.members[name]))  # never None for a regular file


@contextmanager
def open_source(path: Path) -> Iterator[Folder | Zip | Tar]:
    """A folder or an archive, recognised by its content. Raises one of DAMAGED for a damaged archive."""
    if path.is_dir():
        yield Folder(path)
        return
    source = Zip(path) if zipfile.is_zipfile(path) else Tar(path)
    with source.archive:
        yield source


def is_archive(path: Path) -> bool:
    """Whether the content is that of an archive, whatever the name."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def copy_pictures(
    path: Path,
    dest: Path,
    limit: int | None = None,
    seed: int = 0,
    min_size: int = 0,
    before: Sequence[Row] = (),
) -> list[Row]:
    """Copy the pictures of a folder or an archive, or a random `limit` of them, below `dest`; a row each.

    Folders that contain all pictures (`package/`, `photos-main/`) are dropped, so that those below become the categories.
    Pictures from an earlier run are not written again and keep their rows in `before`. Raises click.ClickException if
    there is no picture or the archive is damaged.
    """
    known = {row.url: row for row in before if row.status == KEPT and (dest / row.file).exists()}
    rows = []
    try:
        with open_source(path) as source:
            every = [name for name in source.names() if _is_picture(name)]
            if not every:
                raise click.ClickException(f"{path} holds no pictures: give a folder or an archive that does.")
            common = _common_folder(every)
            about = _npm_package(source)
            for name in tqdm(reservoir(every, limit, seed), desc="copy", unit="picture", disable=None):
                file = PurePosixPath(_utf8(PurePosixPath(name).relative_to(common).as_posix()))
                row = Row(
                    file=str(file),
                    category=file.parts[0] if len(file.parts) > 1 else "",
                    url=f"{path.absolute().name}/{_utf8(name)}",
                    fetched=utc_now(),
                    **about,
                )
                rows.append(known.get(row.url) or _copy(source, name, dest, row, min_size))
    except DAMAGED as error:
        raise click.ClickException(f"{path} is a damaged archive ({error}): download it again.") from None
    return rows


def _utf8(name: str) -> str:
    """The name with bytes that are not UTF-8, as in old archives, written as %E9."""
    return "".join(f"%{ord(char) - 0xDC00:X}" if "\udc80" <= char <= "\udcff" else char for char in name)


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    safe = not path.is_absolute() and not any(part.startswith(".") for part in path.parts)  # neither hidden nor ..
    return safe and path.suffix.lower() in SUFFIXES


def _common_folder(names: list[str]) -> PurePosixPath:
    """The deepest folder that holds all of them."""
    common = PurePosixPath(names[0]).parent
    for name in names:
        while not PurePosixPath(name).is_relative_to(common):
            common = common.parent
    return common


def _copy(source: Folder | Zip | Tar, name: str, dest: Path, row: Row, min_size: int) -> Row:
    """Copy one picture; returns its row with the outcome."""
    target = dest / row.file
    try:
        with source.open(name) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise BadPicture(f"too large: over {MAX_BYTES:,} bytes")
        check_picture(data, min_size)
        if not target.exists():
            with atomic_path(target) as temporary:
                temporary.write_bytes(data)
        return replace(row, sha256=digest(data), status=KEPT)
    except (BadPicture, OSError, RuntimeError, *DAMAGED) as error:  # RuntimeError: an encrypted member
        return replace(row, file="", status=FAILED, reason=str(error))


def _npm_package(source: Folder | Zip | Tar) -> dict[str, str]:
    """Licence, author and page from the package.json of an npm tarball, which apply to all of its pictures."""
    if not isinstance(source, Tar):
        return {}
    try:
        with source.open("package/package.json") as file:
            package: Any = json.load(file)
    except (KeyError, ValueError):
        return {}
    if not isinstance(package, dict):
        return {}
    author = package.get("author") or ""
    return {
        "licence": str(package.get("license") or ""),
        "author": str(author.get("name", "") if isinstance(author, dict) else author),
        "page": str(package.get("homepage") or f"https://www.npmjs.com/package/{package.get('name')}"),
    }
