"""The catalogs of releases that are no longer live, for their permalinks.

releases = Releases()
catalog = releases.get(bucket, "20261122T121500Z-1f3a5b7c")
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from gallery.bucket import Bucket, NotFound
from gallery.errors import TooLarge
from gallery.release import Catalog, CatalogError, parse, release_name

CATALOGS = 16  # kept in memory
LISTED_S = 10.0  # how long a listing is trusted about missing releases, and a catalog counts as damaged


class Releases:
    """An LRU cache of catalogs. Between listings, unknown ids and damaged catalogs cost no reads."""

    def __init__(self) -> None:
        self._catalogs: OrderedDict[str, Catalog] = OrderedDict()  # least recently used first
        self._damaged: dict[str, str] = {}  # errors by release, since the last listing
        self._ids: set[str] = set()
        self._listed = -LISTED_S  # time of the listing
        self._lock = threading.Lock()

    def get(self, bucket: Bucket, release: str) -> Catalog:
        """A release's catalog. Raises NotFound if the bucket doesn't hold it, or another GalleryError."""
        with self._lock:
            if catalog := self._catalogs.get(release):
                self._catalogs.move_to_end(release)
                return catalog
            known = release in self._ids and release not in self._damaged
            if not known and time.monotonic() - self._listed >= LISTED_S:
                self._ids = set(bucket.folders("releases"))
                self._damaged.clear()
                self._listed = time.monotonic()
            if damage := self._damaged.get(release):
                raise CatalogError(damage)
            if release not in self._ids:
                raise NotFound(f"{bucket.url} holds no release {release}.")
        try:
            catalog = parse(bucket.read(release_name(release)))
        except NotFound:  # pruned meanwhile or not yet published
            with self._lock:
                self._ids.discard(release)
            raise
        except (CatalogError, TooLarge) as error:
            with self._lock:
                self._damaged[release] = str(error)
            raise
        with self._lock:
            self._catalogs[release] = catalog
            while len(self._catalogs) > CATALOGS:
                self._catalogs.popitem(last=False)
        return catalog
