"""Packs of thumbnails in memory: those that were used last.

packs = Packs()
thumbnails = packs.get(bucket, catalog, "food", 0)
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from gallery.bucket import Bucket
from gallery.release import Catalog
from gallery.thumbnails import Key, pack_name, unpack

PACKS = 16  # kept in memory: 5 MB


class Packs:
    """Reads each pack once while it is in use."""

    def __init__(self) -> None:
        self._packs: OrderedDict[str, dict[Key, bytes]] = OrderedDict()  # the one used last comes last
        self._lock = threading.Lock()

    def find(self, catalog: Catalog, slug: str, page: int) -> dict[Key, bytes] | None:
        """The thumbnails of a page of the wall of a category, or of all if `slug` is "", if they are in memory."""
        name = _name(catalog, slug, page)
        with self._lock:
            if found := self._packs.get(name):
                self._packs.move_to_end(name)
            return found

    def get(self, bucket: Bucket, catalog: Catalog, slug: str, page: int) -> dict[Key, bytes]:
        """The same from memory or storage. Raises NotFound if there is no such pack, or another GalleryError."""
        if found := self.find(catalog, slug, page):  # read for another request meanwhile
            return found
        name = _name(catalog, slug, page)
        found = unpack(bucket.read(name))
        with self._lock:
            self._packs[name] = found
            while len(self._packs) > PACKS:
                self._packs.popitem(last=False)
        return found


def _name(catalog: Catalog, slug: str, page: int) -> str:
    return f"releases/{catalog.release}/{pack_name(slug, page)}"
