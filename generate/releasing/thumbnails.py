"""Make the thumbnails of a release, if its pictures are too large for a wall of them.

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

LARGEST = 4_700  # bytes of a thumbnail: a page of them, with its HTML, stays below 300 kB
# WebP of 160 px at 75 takes 3.6 kB on average of 92 squares cut out of photographs, and looks better (SSIM 0.951) than
# JPEG at 75, which takes 4.9 kB (0.942). AVIF is no smaller at that size and takes ten times as long to write.
SIZES = (160, 80, 40)  # pixels of the longer side; smaller ones for noise
QUALITIES = (75, 50, 25)


def shrink(data: bytes) -> bytes:
    """A thumbnail of at most LARGEST bytes, as WebP; a picture that is as small already stays as it is."""
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
    """Makes the thumbnail of each picture when it is first needed, and keeps it in a temporary file.

    `make` returns the thumbnail of the picture at a place. Many threads may ask.
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
    """The packs of a release: their checksums, and functions that load them, by their names below the release.

    None if its pictures are small enough: `catalog.thumbnails` is 0 then.
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
    """Thumbnails in a pack of a release of `count` pictures; 0 if these are small enough for a wall themselves."""
    return PAGE if total_bytes > count * LARGEST else 0
