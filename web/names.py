"""Cache what pictures were recognised as: texts such as "87 % a pineapple, 6 % a hedgehog".

names = Names()
names.get(bucket, catalog, "pineapple", 42)
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress

from gallery.bucket import Bucket, NotFound
from gallery.release import Catalog, CatalogError, parse_names

OBJECTS = 256  # kept in memory, about 6 kB each


class Names:
    """An LRU cache of the objects that hold the texts."""

    def __init__(self) -> None:
        self._objects: OrderedDict[str, list[str]] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()

    def get(self, bucket: Bucket, catalog: Catalog, slug: str, number: int) -> str:
        """The text of a picture; "" if it wasn't recognised. Raises a BucketError if storage doesn't answer."""
        place = catalog.names_object(slug, number)
        if place is None:
            return ""
        name, index = place
        with self._lock:
            texts = self._objects.get(name)
            if texts is not None:
                self._objects.move_to_end(name)
        if texts is None:
            texts = []
            with suppress(NotFound, CatalogError):  # show the picture without it
                texts = parse_names(bucket.read(name))
            with self._lock:
                self._objects[name] = texts
                while len(self._objects) > OBJECTS:
                    self._objects.popitem(last=False)
        return texts[index] if index < len(texts) else ""
