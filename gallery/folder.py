"""A local folder as a bucket: implements `gallery.bucket.Bucket` with hard links, renames and fsync."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gallery.checksum import crc32c
from gallery.errors import Conflict, Forbidden, NotFound, TooLarge, Unavailable

log = logging.getLogger(__name__)

TEMPORARY = ".tmp"  # folder of unfinished files; a rename makes them visible
UNBOUNDED = 1 << 50  # bytes
NO_FILE = (errno.ENXIO, errno.ENODEV)  # from opening a socket
STALE_S = 24 * 3600  # age at which a temporary file must be left over from a killed process


class FolderBucket:
    """A local folder. Writes a temporary file, syncs it, renames it, and syncs the folder."""

    def __init__(self, root: Path, largest: int = UNBOUNDED) -> None:
        self.url = str(root)
        self._largest = largest  # bytes
        self.operations: Counter[str] = Counter()  # nothing is billed
        self._warned: set[str] = set()
        try:
            self._given = root.absolute()
            there = self._given.resolve().is_dir()
        except (OSError, RuntimeError, ValueError) as error:  # name too long, a loop of links, a NUL
            raise NotFound(f"The bucket {str(root)!r:.200} can't be a folder ({error!s:.60}): give another.") from None
        if not there:
            raise NotFound(f"The bucket {str(root)!r} does not exist: create that folder, or give gs://bucket.")

    def read(self, name: str) -> bytes:
        return self.read_generation(name)[0]

    def read_generation(self, name: str) -> tuple[bytes, int]:
        with self._translated(name), _open(self._path(name)) as file:
            before = os.fstat(file.fileno())
            if before.st_size > self._largest:
                raise TooLarge(
                    f"{name} in {self.url} has {before.st_size:,} bytes, over the limit of {self._largest:,}."
                )
            data, after = file.read(), os.fstat(file.fileno())
        if after.st_size != len(data) or after.st_mtime_ns != before.st_mtime_ns:
            raise Unavailable(f"{name} in {self.url} is being written.")
        return data, _generation(data, after)

    def read_part(self, name: str, start: int, length: int) -> bytes:
        with self._translated(name), _open(self._path(name)) as file:
            file.seek(start)
            return file.read(length)

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        path = self._path(name)
        with self._translated(), self._temporary(data) as temporary:
            _make_folders(path.parent)
            try:
                self._link(temporary, path)
            except FileExistsError:
                if path.read_bytes() == data:
                    return False
                raise Conflict(f"{name} exists in {self.url} with other content.") from None
            _fsync_folder(path.parent)
        return True

    def swap(self, name: str, data: bytes, content_type: str, generation: int) -> None:
        path = self._path(name)
        with self._translated(), self._lock():
            now = _generation(path.read_bytes(), path.stat()) if path.exists() else 0
            if now != generation:
                raise Conflict(f"{name} in {self.url} was changed by someone else in the meantime.")
            with self._temporary(data) as temporary:
                _make_folders(path.parent)
                temporary.replace(path)
                _fsync_folder(path.parent)
            self._sweep()

    def names(self, prefix: str = "") -> Iterator[str]:
        root = self._root
        with self._translated():
            self._path(folder := prefix.rpartition("/")[0])  # raises NotFound if that is outside
            found = list(self._walk(folder))
            if not found:
                self._check_there()
        names = [name for name in found if name.startswith(prefix)]
        self._warn("name", "not in UTF-8, rename", [name for name in names if not _is_utf8(name)])
        names = [name for name in names if _is_utf8(name)]
        outside = {name for name in names if (root / name).is_symlink() and not self._holds(root / name)}
        self._warn("link", "leads outside, copy the file instead", sorted(outside))
        yield from sorted(set(names) - outside)

    def folders(self, prefix: str = "") -> list[str]:
        start = self._path(prefix)
        with self._translated():
            below = list(start.iterdir()) if start.is_dir() else []
            if not below:
                self._check_there()
        return sorted(
            path.name for path in below if path.is_dir() and not path.name.startswith(".") and _is_utf8(path.name)
        )

    def checksums(self, prefix: str) -> dict[str, int]:
        return {name: crc32c(self.read(name)) for name in self.names(prefix)}

    def versions(self, prefix: str = "") -> dict[str, str]:
        root = self._root
        return {name: _version(root / name) for name in self.names(prefix)}

    def delete(self, name: str) -> None:
        root, path = self._root, self._path(name)
        with self._translated():
            path.unlink(missing_ok=True)
            with suppress(OSError):  # stops at a folder that is not empty or that another thread has removed
                for parent in path.parents:
                    if parent == root:
                        break
                    parent.rmdir()  # Cloud Storage has no empty folders

    @property
    def _root(self) -> Path:
        """The folder with links resolved each time, since a link to it may be replaced."""
        return Path(os.path.realpath(self._given))

    def _walk(self, start: str) -> Iterator[str]:
        """Yield the names of the visible files below a folder, without following links to folders."""
        root, folders, closed = self._root, [start], []
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(root / folder) as entries:
                    found = [entry for entry in entries if not entry.name.startswith(".")]
            except (FileNotFoundError, NotADirectoryError):  # deleted in the meantime
                continue
            except PermissionError:
                if folder == start:
                    raise
                closed.append(folder)
                continue
            for entry in found:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                else:
                    with suppress(OSError):  # of links in a circle
                        yield from [name] if entry.is_file() else []
        self._warn("folder", "can't be read, change the owner or mode", closed)

    def _path(self, name: str) -> Path:
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\0" in name:
            raise NotFound(f"{name!r} is not a name in {self.url}.")
        path = self._root / pure
        if not self._holds(path):
            raise NotFound(f"{name} is a link to a file outside {self.url}: copy that file into the folder.")
        return path

    def _check_there(self) -> None:
        """Raise Unavailable if the folder itself is gone. Then nothing is known about what was in it."""
        there = False
        with suppress(OSError):  # a stale mount
            there = self._root.is_dir()
        if not there:
            raise Unavailable(f"The folder {self.url} is gone: mount its drive, or move it back.")

    def _holds(self, path: Path) -> bool:
        """False if a symbolic link leads out of the folder."""
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def _warn(self, kind: str, why: str, names: list[str]) -> None:
        """Log what a listing ignores, once: the site lists every minute."""
        if names and kind not in self._warned:
            self._warned.add(kind)
            count = f"{len(names)} {kind}{'s' * (len(names) != 1)}"
            log.warning("%s: %s left out (%s): %s.", self.url, count, why, ascii(names[:3]))

    @contextmanager
    def _temporary(self, data: bytes) -> Iterator[Path]:
        """A context with a hidden file of that content, synced to disk, in the same file system."""
        folder = self._root / TEMPORARY
        folder.mkdir(exist_ok=True)
        path = folder / f"{os.getpid()}-{threading.get_ident()}"
        try:
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _link(self, temporary: Path, path: Path) -> None:
        """Give the file its final name. Unlike a rename, this never replaces a file. Raises FileExistsError."""
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            with self._lock():  # no hard links, as on FAT
                if path.exists():
                    raise FileExistsError(path) from None
                temporary.replace(path)

    def _sweep(self) -> None:
        """Delete temporary files left by killed processes."""
        for path in (self._root / TEMPORARY).iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """A context that only one process can be in. The system releases the lock when the process dies."""
        descriptor = os.open(self._root / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _translated(self, name: str = "") -> Iterator[None]:
        """Convert OSErrors to BucketErrors; those about a missing file to NotFound if its `name` is given."""
        try:
            yield
        except OSError as error:
            absent = isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError)
            if name and (absent or error.errno in NO_FILE):
                self._check_there()
                raise NotFound(f"There is no {name} in {self.url}.") from None
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise Forbidden(
                    f"No permission for {error.filename or self.url} ({error.strerror}): change its owner or mode."
                ) from error
            raise Unavailable(f"Can't use {error.filename or self.url} ({error.strerror}).") from error


def _open(path: Path) -> BinaryIO:
    """Open a file. Raises FileNotFoundError for a pipe or a device, where reading could block forever."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(path)
    return file


def _generation(data: bytes, status: os.stat_result) -> int:
    """Return a number that every write changes, from the file's inode, time and content."""
    identity = f"{status.st_ino} {status.st_mtime_ns} ".encode() + data
    return int.from_bytes(hashlib.sha256(identity).digest()[:8], "big") or 1


def _version(path: Path) -> str:
    """Return a text that changes with the file, even if its size and time are restored; "" if it has been deleted."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _make_folders(folder: Path) -> None:
    """Make the folder and its parents, and sync each to disk."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        _fsync_folder(folder.parent)


def _is_utf8(name: str) -> bool:
    """False for a name that is not UTF-8: Python decodes such bytes to lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
