"""Cache generators for browsers: copy each once from storage to a temporary file and send it from there.

models = Models(read_part)
path = models.get("releases/20261122T121500Z-1f3a5b7c/generator.onnx", length=4_000_000, sha256="...", encoding="br")

Compressed forms are written beside it on first request. No generator is held in memory, storage is read once for all
visitors, and slow visitors don't block a thread.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gallery.bucket import Unavailable
from web.compression import compress_parts
from web.lookup import Busy

PART = 1 << 20  # bytes per read from storage
KEPT = 3  # generators: the live one, and earlier ones that open pages still use
WAIT_S = 1.0  # to wait for another request's copy

SUFFIXES = {"": "", "br": ".br", "gzip": ".gz"}  # of the compressed forms

ReadPart = Callable[[str, int, int], bytes]  # name, offset, length in bytes


class Models:
    """Temporary files of the KEPT generators used last. `read_part` reads from storage, with its own timeout."""

    def __init__(self, read_part: ReadPart) -> None:
        self._read_part = read_part
        self._folder: Path | None = None  # created on first use, deleted with this object or the process
        self._paths: OrderedDict[str, Path] = OrderedDict()  # by checksum, least recently used first
        self._lock = threading.Lock()  # one copy at a time; other requests raise Busy

    def get(self, name: str, length: int, sha256: str, encoding: str) -> Path:
        """Return the path of the generator in this encoding.

        Raises Busy while another one is being copied, Unavailable if the bytes don't match `sha256`, and what `read_part`
        raises.
        """
        if not self._lock.acquire(timeout=WAIT_S):
            raise Busy("another generator is being read")
        try:
            if sha256 not in self._paths or not self._paths[sha256].exists():  # the system may clean temporary folders
                self._paths[sha256] = self._copy(name, length, sha256)
            self._paths.move_to_end(sha256)
            while len(self._paths) > KEPT:
                self._forget(self._paths.popitem(last=False)[1])
            path = self._paths[sha256]
            compressed = path.with_suffix(SUFFIXES[encoding])
            if not compressed.exists():
                _compress(path, compressed, encoding)
            return compressed
        finally:
            self._lock.release()

    def _forget(self, path: Path) -> None:
        """Delete a generator in all encodings; responses in progress have their file open."""
        for suffix in SUFFIXES.values():
            path.with_suffix(suffix).unlink(missing_ok=True)

    def _copy(self, name: str, length: int, sha256: str) -> Path:
        if self._folder is None or not self._folder.is_dir():
            self._folder = Path(tempfile.mkdtemp(prefix="generators-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path, digest = self._folder / sha256, hashlib.sha256()
        with path.open("wb") as file:
            for start in range(0, length, PART):
                part = self._read_part(name, start, min(PART, length - start))
                digest.update(part)
                file.write(part)
        if digest.hexdigest() != sha256:
            path.unlink()
            raise Unavailable(f"{name} has other bytes than were published: publish again.")
        return path


def _compress(path: Path, compressed: Path, encoding: str) -> None:
    """Compress a file; it gets its name when it is complete."""
    unfinished = compressed.with_suffix(".unfinished")
    with path.open("rb") as source, unfinished.open("wb") as dest:
        dest.writelines(compress_parts(iter(partial(source.read, PART), b""), encoding))
    unfinished.replace(compressed)
