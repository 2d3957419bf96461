"""Cache unpacked objects that hold many pictures.

packs = Packs()
thumbnails = packs.get(bucket, "releases/x/thumbnails-00000.zip", unpack)
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from gallery.bucket import Bucket

PACKS = 16  # kept in memory: 5 MB of thumbnails

Unpacked = TypeVar("Unpacked")


class Packs:
    """An LRU cache of unpacked objects."""

    def __init__(self) -> None:
        self._packs: OrderedDict[str, Any] = OrderedDict()  # by name, least recently used first
        self._lock = threading.Lock()

    def find(self, name: str) -> Any:
        """Return an unpacked object if it is in memory, else None."""
        with self._lock:
            if found := self._packs.get(name):
                self._packs.move_to_end(name)
            return found

    def get(self, bucket: Bucket, name: str, unpack: Callable[[bytes], Unpacked]) -> Unpacked:
        """Return an unpacked object from memory or storage. Raises NotFound or another GalleryError."""
        found: Unpacked | None = self.find(name)
        if found is None:  # no other request has read it meanwhile
            found = unpack(bucket.read(name))
            with self._lock:
                self._packs[name] = found
                while len(self._packs) > PACKS:
                    self._packs.popitem(last=False)
        return found
