"""Make the thumbnails of a release whose pictures are too large for the wall.

python -c "from generate.releasing.thumbnails import *; print(len(shrink(open('photo.jpg', 'rb').read())))"
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from PIL import Image
from tqdm import tqdm

from gallery.bucket import crc32c
from gallery.release import Catalog
from gallery.thumbnails import PAGE, Key, pack, packs
from generate.decoding import open_picture

LARGEST = 4_700  # bytes: keeps a page of thumbnails, with its HTML, below 300 kB
# WebP: smaller than JPEG at higher SSIM at this size; AVIF is no smaller and much slower to encode.
SIZES = (160, 80, 40)  # pixels of the longer side; the smaller ones are for noisy pictures
QUALITIES = (75, 50, 25)


def shrink(data: bytes) -> bytes:
    """Make a WebP thumbnail of at most LARGEST bytes; smaller pictures are returned unchanged."""
    if len(data) <= LARGEST:
        return data
    picture = open_picture(io.BytesIO(data), SIZES[0])
    for size in SIZES:
        small = picture.copy()
        small.thumbnail((size, size), Image.Resampling.LANCZOS)
        for quality in QUALITIES:
            file = io.BytesIO()
            small.save(file, "WEBP", quality=quality)
            if file.tell() <= LARGEST:
                return file.getvalue()
    return file.getvalue()


class Thumbnails:
    """Makes thumbnails on first use and caches them in a temporary file. Thread-safe.

    `make` returns the thumbnail of the picture at a place.
    """

    def __init__(self, make: Callable[[Key], bytes]) -> None:
        self._make = make
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._kept: dict[Key, tuple[int, int]] = {}  # length and offset in the file
        self._lock = threading.Lock()
        self._end = 0

    def get(self, place: Key) -> bytes:
        """The thumbnail of the picture at a place."""
        if kept := self._kept.get(place):
            return os.pread(self._file.fileno(), *kept)
        data = self._make(place)
        with self._lock:
            offset, self._end = self._end, self._end + len(data)
        os.pwrite(self._file.fileno(), data, offset)
        self._kept[place] = len(data), offset
        return data


def pack_thumbnails(catalog: Catalog, make: Callable[[Key], bytes]) -> dict[str, tuple[int, Callable[[], bytes]]]:
    """The packs of a release by name: their checksums, and functions that load them.

    Empty if the pictures are small enough to need none (`catalog.thumbnails` is 0).
    """
    if not catalog.thumbnails:
        return {}
    thumbnails = Thumbnails(make)

    def load(places: list[Key]) -> bytes:
        return pack({place: thumbnails.get(place) for place in places})

    loads = {name: partial(load, places) for name, places in packs(catalog)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checksums = pool.map(lambda load: crc32c(load()), loads.values())
        bar = tqdm(checksums, total=len(loads), desc="thumbnails", unit="pack", disable=None)
        return {name: (checksum, loads[name]) for name, checksum in zip(loads, bar, strict=True)}


def per_pack(count: int, total_bytes: int) -> int:
    """The number of thumbnails in a pack; 0 if the release's pictures average at most LARGEST bytes and need none."""
    return PAGE if total_bytes > count * LARGEST else 0
