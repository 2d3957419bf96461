"""Copy the pictures of a folder or an archive (zip, tar, tgz, an npm tarball) into a folder, and check each.

    python -c "from generate.collecting.unpacking import *; copy_pictures(Path('emoji.tgz'), Path('photos'))"

A file is a picture by its suffix or else its content. Only regular files of an archive are read; links, devices and paths
that lead out of it are passed over.
"""

from __future__ import annotations

import errno
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import click
from tqdm import tqdm

from generate.collecting.listing import reservoir
from generate.collecting.member_names import readable, without_clashes
from generate.collecting.provenance import FAILED, KEPT, Row, check_picture, digest, utc_now
from generate.finding import HIDDEN, NO_PICTURE, NOT_UTF8, is_hidden, look_through, passed_over_lines, why_not_content
from generate.formats import HEAD, REFUSED, SUFFIXES
from generate.images import BadPicture, atomic_path, fitting

LOCKED = "encrypted: unpack the archive with its password and give the folder"
MAX_BYTES = 100_000_000  # of one uncompressed picture
OFFICE = {  # documents that are zip archives, by the beginning of a member's name
    "xl/": "an Excel sheet",
    "word/": "a Word document",
    "content.xml": "an OpenDocument file",
    "Index/Document.iwa": "a file of Numbers, Pages or Keynote",
}
PREVIEW = re.compile(r"(Thumbnails|docProps|QuickLook)/|preview[-\w]*\.jpg$")  # their pictures of themselves
NOT_THE_PICTURES = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
)  # errors of DEST's disk, not of a picture


@dataclass
class Member:
    """A file of a source: the key to open it, its path with slashes, and the reason to pass it over, if already known."""

    key: Any
    name: str
    reason: str = ""


class Folder:
    """A folder. All three source classes have members() and open()."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def members(self) -> list[Member]:
        """Every file below the folder; links are followed."""
        found = look_through(self.path)
        for line in found.link_lines(self.path):
            click.echo(line, err=True)
        files = [(path, "") for path in found.pictures]
        files += [
            (path, "" if why == NOT_UTF8 else why) for path, why in found.passed_over
        ]  # such names can be converted
        return [Member(path, path.relative_to(self.path).as_posix(), why) for path, why in sorted(files)]

    def open(self, member: Member) -> IO[bytes]:
        return cast(Path, member.key).open("rb")


class Zip:
    """Members of a zip file. Names not flagged as UTF-8 are decoded from `encoding`, or a guess if None."""

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.archive = zipfile.ZipFile(path)
        self.path, self.encoding = path, encoding

    def members(self) -> list[Member]:
        infos = [info for info in self.archive.infolist() if not info.is_dir()]
        old = {info.filename: info.filename.encode("cp437") for info in infos if not info.flag_bits & 0x800}
        names = readable(old, self.path, self.encoding)
        # Windows tools have written backslashes
        return [
            Member(
                info, names.get(info.filename, info.filename).replace("\\", "/"), LOCKED if info.flag_bits & 1 else ""
            )
            for info in infos
        ]

    def open(self, member: Member) -> IO[bytes]:
        return self.archive.open(member.key)


class Tar:
    """Regular files of a tar, compressed or not, in the order of the archive, which is read from front to back."""

    def __init__(self, path: Path) -> None:
        self.archive = tarfile.open(path)  # noqa: SIM115  # closed by open_source

    def members(self) -> list[Member]:
        files = {info.name: info for info in self.archive if not info.isdir()}  # the last of several with one name
        self._check_end()
        return [
            Member(info, name, "" if info.isfile() else "a link or device in an archive")
            for name, info in files.items()
        ]

    def _check_end(self) -> None:
        """Raise an error for a damaged header, which tarfile reads as the end of the archive."""
        file = cast(IO[bytes], self.archive.fileobj)
        file.seek(self.archive.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"unreadable from byte {self.archive.offset:,} on")

    def open(self, member: Member) -> IO[bytes]:
        return cast(IO[bytes], self.archive.extractfile(member.key))  # never None for a regular file


@contextmanager
def open_source(path: Path, encoding: str | None = None) -> Iterator[Folder | Zip | Tar]:
    """A folder or an archive, detected by content. Raises the errors of zipfile and tarfile for a damaged archive."""
    if path.is_dir():
        yield Folder(path)
        return
    source = Zip(path, encoding) if zipfile.is_zipfile(path) else Tar(path)
    with source.archive:
        yield source


def is_archive(path: Path) -> bool:
    """True if the content is an archive, whatever its name."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def copy_pictures(
    path: Path,
    dest: Path,
    limit: int | None = None,
    seed: int = 0,
    min_size: int = 0,
    before: Sequence[Row] = (),
    encoding: str | None = None,
) -> list[Row]:
    """Copy the pictures of a folder or an archive, or a random `limit` of them, below `dest`; a row each.

    Folders that contain all pictures (`package/`, `photos-main/`) are dropped, so that those below become the categories.
    Pictures from an earlier run are not written again and keep their rows in `before`. What is passed over is counted on
    stderr. Raises click.ClickException if there is no picture or the archive is damaged.
    """
    known = {row.url: row for row in before if row.status == KEPT and (dest / row.file).exists()}
    with _damage_is_told(path), open_source(path, encoding) as source:
        members = source.members()
        for member in members:
            member.reason = member.reason or _why_not(source, member)
        pictures = [member for member in members if not member.reason or REFUSED in member.reason]
        lines = passed_over_lines((m.name, m.reason) for m in members if m.reason and REFUSED not in m.reason)
        office = next((OFFICE[start] for start in OFFICE for member in members if member.name.startswith(start)), "")
        if office and all(PREVIEW.match(member.name) for member in pictures):
            raise click.ClickException(f"{path} is {office}, which is not read: save it as CSV or text.")
        if not pictures:
            passed = "".join(f" ({line})" for line in lines)
            raise click.ClickException(f"{path} holds no pictures{passed}: give a folder or an archive that does.")
        for line in lines:
            click.echo(line, err=True)
        common = _common_folder([member.name for member in pictures])
        about = _npm_package(source, members)
        rows = []
        files = without_clashes([_file_name(PurePosixPath(member.name).relative_to(common)) for member in pictures])
        chosen = reservoir(zip(pictures, files, strict=True), limit, seed)
        for member, name in tqdm(chosen, desc="copy", unit="picture", disable=None):
            file = PurePosixPath(name)
            row = Row(
                file=str(file),
                category=file.parts[0] if len(file.parts) > 1 else "",
                url=f"{path.absolute().name}/{_utf8(member.name)}",
                fetched=utc_now(),
                **about,
            )
            rows.append(known.get(row.url) or _copy(source, member, dest, row, min_size))
    return rows


@contextmanager
def _damage_is_told(path: Path) -> Iterator[None]:
    """Turn any error of zipfile or tarfile on a damaged archive into a click.ClickException."""
    try:
        yield
    except click.ClickException:
        raise
    except Exception as error:
        if path.is_dir() or (isinstance(error, OSError) and error.errno):
            raise
        raise click.ClickException(f"{path} is a damaged archive ({error}): download it again.") from None


def _why_not(source: Folder | Zip | Tar, member: Member) -> str:
    """Why the member is passed over, "" for a picture."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        return "a path that leads out of the archive"
    if is_hidden(path):
        return HIDDEN
    if path.suffix.lower() in SUFFIXES:
        return ""
    try:
        with source.open(member) as file:
            return why_not_content(path, file.read(HEAD))
    except Exception:  # of a damaged or encrypted member
        return NO_PICTURE


def _utf8(name: str) -> str:
    """The name with bytes that are not UTF-8, as in old archives, written as %E9."""
    return "".join(f"%{ord(char) - 0xDC00:X}" if "\udc80" <= char <= "\udcff" else char for char in name)


def _file_name(path: PurePosixPath) -> str:
    """The path in UTF-8 with parts of at most 255 bytes, as file systems require."""
    return "/".join(fitting(_utf8(part)) for part in path.parts)


def _common_folder(names: list[str]) -> PurePosixPath:
    """The deepest folder that holds all of them."""
    common = PurePosixPath(names[0]).parent
    for name in names:
        while not PurePosixPath(name).parent.is_relative_to(common):
            common = common.parent
    return common


def _copy(source: Folder | Zip | Tar, member: Member, dest: Path, row: Row, min_size: int) -> Row:
    """Copy one picture; returns its row with the outcome."""
    target = dest / row.file
    try:
        if member.reason:
            raise BadPicture(member.reason)
        data = _read(source, member)
        check_picture(data, min_size)
        if not target.exists():
            with atomic_path(target) as temporary:
                temporary.write_bytes(data)
        return replace(row, sha256=digest(data), status=KEPT)
    except Exception as error:  # of the archive or a decoder
        if isinstance(error, OSError) and error.errno in NOT_THE_PICTURES:
            raise
        return replace(row, file="", status=FAILED, reason=str(error) or type(error).__name__)


def _read(source: Folder | Zip | Tar, member: Member) -> bytes:
    """The member's content. Raises BadPicture if it is too large or its file can't be read."""
    try:
        with source.open(member) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadPicture(f"can't be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise BadPicture(f"too large: over {MAX_BYTES:,} bytes")
    return data


def _npm_package(source: Folder | Zip | Tar, members: Sequence[Member]) -> dict[str, str]:
    """Licence, author and page from the package.json of an npm tarball, which apply to all of its pictures."""
    found = [member for member in members if member.name == "package/package.json"]
    if not isinstance(source, Tar) or not found:
        return {}
    try:
        with source.open(found[0]) as file:
            package: Any = json.load(file)
    except ValueError:
        return {}
    if not isinstance(package, dict):
        return {}
    author = package.get("author") or ""
    return {
        "licence": str(package.get("license") or ""),
        "author": str(author.get("name", "") if isinstance(author, dict) else author),
        "page": str(package.get("homepage") or f"https://www.npmjs.com/package/{package.get('name')}"),
    }
