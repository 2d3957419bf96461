"""One interface to a folder and to gs://bucket/prefix: read, list, create, compare-and-swap, delete.

    from gallery.bucket import open_bucket
    bucket = open_bucket("gs://my-pictures/emoji")
    bucket.create("releases/x/0.jpg", data, "image/jpeg")

Both implementations (gallery/folder.py, gallery/cloud.py) give the same guarantees: writes are atomic, `create` never replaces
an object, and `swap` replaces only the generation that the caller has read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from gallery.checksum import crc32c
from gallery.errors import BucketError, Conflict, Forbidden, NotFound, TooLarge, Unavailable
from gallery.folder import UNBOUNDED, FolderBucket

__all__ = [
    "Bucket",
    "BucketError",
    "Conflict",
    "Forbidden",
    "NotFound",
    "TooLarge",
    "Unavailable",
    "crc32c",
    "open_bucket",
]


class Bucket(Protocol):
    """The operations on a bucket. Names are relative paths with slashes. Every method may raise a BucketError."""

    url: str
    operations: Counter[str]  # billed requests so far, by Cloud Storage's class: "A" (write, list) or "B" (read)

    def read(self, name: str) -> bytes: ...

    def read_part(self, name: str, start: int, length: int) -> bytes:
        """Read up to `length` bytes of an object from `start` on."""

    def read_generation(self, name: str) -> tuple[bytes, int]:
        """Read an object and its generation, the number to pass to `swap`."""

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        """Write a new object. Returns False if the same bytes exist already; raises Conflict if others do."""

    def swap(self, name: str, data: bytes, content_type: str, generation: int) -> None:
        """Replace the generation that was read (0: none existed). Raises Conflict if it has changed since."""

    def names(self, prefix: str = "") -> Iterator[str]:
        """List the objects whose name starts with the prefix, sorted."""

    def folders(self, prefix: str = "") -> list[str]:
        """List the folders directly below `prefix/`, sorted."""

    def checksums(self, prefix: str) -> dict[str, int]:
        """Return the CRC32C of every object whose name starts with the prefix."""

    def versions(self, prefix: str = "") -> dict[str, str]:
        """Return the objects whose name starts with the prefix, sorted, each with a text that changes when it is replaced."""

    def delete(self, name: str) -> None:
        """Delete an object; no error if it does not exist."""


def open_bucket(url: str, patience_s: float = 60.0, largest: int = UNBOUNDED) -> Bucket:
    """Open `gs://bucket[/prefix]` or a folder, which must exist.

    `patience_s` bounds the retries of one call to Cloud Storage. Reading an object of more than `largest` bytes raises
    TooLarge. Raises BucketError for an invalid URL, missing credentials or a bucket that does not exist.
    """
    if url.startswith("gs://"):
        from gallery.cloud import CloudBucket  # imported late: slow, and large in memory

        return CloudBucket(url, patience_s, largest)
    if "://" in url:
        raise BucketError(f"{url!r} is not a bucket: use gs://bucket, gs://bucket/prefix or the path of a folder.")
    return FolderBucket(Path(url), largest)
