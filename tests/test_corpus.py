"""Every format in every mode and depth, whole and damaged: the right pixels, or a reason; in bounded time, never a traceback."""

from __future__ import annotations

import csv
import io
import json
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from generate.decoding import open_picture, paint, size_of
from generate.formats import BadPicture
from generate.images import find_pictures, load_pictures
from tests.conftest import ROOT
from tests.corpus import NAMES, damage, depths, kinds, png16, tiff
from tests.nasty import emoji

KINDS = dict(kinds())
ROUGH = {"1": 60, "palette": 12, "P": 12, "gif": 12, "cmyk": 12, "CMYK": 12, "LAB": 6}  # mean difference, of 255
PER_FILE_S = 1.5  # generous: a whole prepare, decoding included, is a tenth of it


def expected(name: str) -> np.ndarray:
    """What every file of KINDS shows, on black."""
    mode = "L" if any(word in name for word in ("grey", "white-is-zero", "-L.", "-LA.")) else "RGB"
    clear = any(word in name for word in ("RGBA", "rgba", "LA.", "lossless"))
    picture = paint(emoji(NAMES[0], "RGBA", 96), "black") if clear else emoji(NAMES[0], "RGB", 96)
    return np.asarray(picture.convert(mode).convert("RGB"), int)


@pytest.mark.parametrize("name", [name for name in KINDS if "exif" not in name and "transparent" not in name])
def test_every_mode_and_depth_has_the_pixels_of_the_original(name):
    made = np.asarray(paint(open_picture(io.BytesIO(KINDS[name])), "black"), int)

    rough = next((far for word, far in ROUGH.items() if f"-{word}." in name or word in name.split("-")[0]), 5)
    assert made.shape == expected(name).shape
    assert np.abs(made - expected(name)).mean() < rough


@pytest.mark.parametrize("kind", depths(np.zeros((1, 1), np.uint8)))
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
def test_grey_of_any_depth_is_what_tifffile_reads(kind, photometric, compression):
    shades = np.add.outer(np.arange(0, 128), np.arange(0, 128)).astype(np.uint8)
    array = depths(shades)[kind]
    if photometric == "miniswhite":
        array = (array.max() - array + array.min()).astype(array.dtype)
    data = tiff(array, photometric=photometric, compression=compression)
    read = tifffile.imread(io.BytesIO(data)).astype(float)
    shown = (read - read.min()) / (read.max() - read.min()) * 254

    if photometric == "miniswhite" and kind in ("uint32", "int16"):
        with pytest.raises(BadPicture, match="of a kind that is not read; save it again as PNG or JPEG"):
            open_picture(io.BytesIO(data))
        return
    made = np.asarray(open_picture(io.BytesIO(data)).convert("L"), int)
    assert np.abs(made - (254 - shown if photometric == "miniswhite" else shown)).max() <= 7


@pytest.mark.parametrize("top", [1023, 4095, 16383, 65535])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("format", ["png", "tiff", "tiff in planes"])
def test_colour_of_sixteen_bits_is_what_another_decoder_reads(top, channels, format):
    array = (np.asarray(emoji("food/lemon", "RGBA", 96))[..., :channels] / 255 * top).round().astype(np.uint16)
    if channels == 4:
        array[..., 3] = 65535
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    if format == "png":
        data = png16(array)
        swap = cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB
        read = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), swap)
    else:
        planar = "separate" if "planes" in format else "contig"
        written = np.moveaxis(array, -1, 0) if planar == "separate" else array
        data = tiff(written, photometric="rgb", planarconfig=planar, **extra)
        read = array
    if format == "tiff in planes":
        with pytest.raises(BadPicture, match="more than 8 bits in planes, a kind that is not read: save it as PNG"):
            open_picture(io.BytesIO(data))
        return

    made = np.asarray(open_picture(io.BytesIO(data)), int)

    assert np.abs(made[..., :3] - read[..., :3] / top * 255).max() <= 2
    if channels == 4:
        assert (made[..., 3] == 255).all()


def png(side: int, bits: int, kind: int, rows: np.ndarray, clear: bytes | None = None) -> bytes:
    """A PNG of a square from the bytes of its rows; `kind` is its colour type, `clear` the content of tRNS."""
    parts = {b"IHDR": struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, 0)}
    parts |= {b"tRNS": clear} if clear else {}
    parts |= {b"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)), b"IEND": b""}
    chunks = (
        struct.pack(">I", len(b)) + name + b + struct.pack(">I", zlib.crc32(name + b)) for name, b in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_of_twelve_bits_is_as_strong_as_of_eight(mode):
    array = np.asarray(emoji("food/lemon", "RGBA", 96).convert(mode))
    rows = (array * np.uint16(16)).astype(">u2").reshape(96, -1)
    kind = {"RGBA": 6, "LA": 4}[mode]

    made = open_picture(io.BytesIO(png(96, 16, kind, rows)))

    assert np.abs(np.asarray(made.getchannel("A"), int) - array[..., -1]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_of_twelve_bits_is_no_darker(orientation):
    lemon = emoji("food/lemon").crop((0, 0, 128, 80))
    turned = [(274, "H", 1, orientation, True)]
    array = np.asarray(lemon).astype(np.uint16)

    deep = open_picture(io.BytesIO(tiff(array * 16, photometric="rgb", extratags=turned)))
    shallow = open_picture(io.BytesIO(tiff(np.asarray(lemon), photometric="rgb", extratags=turned)))

    assert deep.size == shallow.size
    assert np.abs(np.asarray(deep, int) - np.asarray(shallow, int)).max() <= 2


@pytest.mark.parametrize("pages", [(24, 96), (24, 48, 96)])
def test_thumbnails_before_the_picture_are_skipped(pages):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for side in pages:
            writer.write(np.asarray(emoji("food/lemon", size=side)), photometric="rgb", subfiletype=int(side < 96))

    assert size_of(file) == open_picture(file).size == (96, 96)


def test_a_file_of_only_a_thumbnail_is_that():
    file = io.BytesIO(tiff(np.asarray(emoji("food/lemon", size=24)), photometric="rgb", subfiletype=1))
    assert size_of(file) == open_picture(file).size == (24, 24)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_one_transparent_grey_of_few_bits_is_transparent(bits):
    shades = np.asarray(emoji("food/lemon", "L", 96)) >> (8 - bits)
    rows = np.packbits(np.unpackbits(shades[..., None], axis=2)[..., 8 - bits :].reshape(96, -1), axis=1)
    clear = int(shades[0, 0])

    alpha = np.asarray(open_picture(io.BytesIO(png(96, bits, 0, rows, struct.pack(">H", clear)))))[..., 3]

    assert ((alpha == 0) == (shades == clear)).all()


def test_an_unused_channel_of_a_bmp_is_not_transparency():
    lemon = np.asarray(emoji("food/lemon", size=96))
    pixels = np.dstack([lemon[::-1, :, ::-1], np.zeros((96, 96), np.uint8)]).tobytes()
    masks = struct.pack("<IIII4s", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    header = struct.pack("<IiiHHIIiiII", 108, 96, 96, 1, 32, 3, len(pixels), 0, 0, 0, 0) + masks + bytes(48)
    data = b"BM" + struct.pack("<IHHI", 122 + len(pixels), 0, 0, 122) + header + pixels

    made = open_picture(io.BytesIO(data))

    assert made.mode == "RGB"
    assert (np.asarray(made) == lemon).all()


def test_planes_of_eight_bits_are_read():
    array = np.asarray(emoji("food/lemon"))
    data = tiff(np.moveaxis(array, -1, 0), photometric="rgb", planarconfig="separate")
    assert (np.asarray(open_picture(io.BytesIO(data))) == array).all()


def test_one_transparent_value_of_sixteen_bits_is_transparent():
    grey = np.asarray(emoji("food/lemon", "L")).astype(np.uint16) * 257
    data = io.BytesIO()
    Image.fromarray(grey).save(data, "PNG", transparency=int(grey[0, 0]))

    alpha = np.asarray(open_picture(data))[..., 3]

    assert ((alpha == 0) == (grey == grey[0, 0])).all()


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_files_of_every_kind_are_pictures_or_reasons(tmp_path, count):
    draw = random.Random(count)
    folder = tmp_path / "in"
    folder.mkdir()
    whole = [pair for name in NAMES[: 1 if count < 1000 else 6] for pair in kinds(name)]
    for number in range(count):
        name, data = whole[number % len(whole)]
        data = damage(data, draw) if number >= len(KINDS) else data
        folder.joinpath(f"{number:04}-{name}" if number % 7 else f"{number:04}").write_bytes(data)
    command = [sys.executable, "-m", "generate", "prepare", folder, tmp_path / "out", "--size", "32", "--jobs", "2"]

    done = subprocess.run(
        [*map(str, command), "--near", "-1", "--min-sharpness", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 + PER_FILE_S * count,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert dataset["count"] + sum(dataset["reasons"].values()) + sum(dataset["passed_over"].values()) == count
    with (tmp_path / "out" / "rejected.csv").open(encoding="utf-8") as table:
        reasons = [row["reason"] for row in csv.DictReader(table)]
    assert len(reasons) == count - dataset["count"]
    assert all(reasons)
    assert len(load_pictures(tmp_path / "out")) == dataset["count"] > len(KINDS) / 2
    assert not list(Path(tmp_path / "out").rglob("*.tmp"))


def test_collect_counts_damaged_files_too(tmp_path):
    from tests.collecting import run

    draw = random.Random(1)
    (tmp_path / "in").mkdir()
    for number, (name, data) in enumerate(KINDS.items()):
        (tmp_path / "in" / f"{number:04}-{name}").write_bytes(damage(data, draw))

    result = run(tmp_path / "in", tmp_path / "out", "--min-size", 32)

    assert result.exit_code == 0, result.output
    with (tmp_path / "out" / "sources.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == len(KINDS)
    assert {row["status"] for row in rows} == {"kept", "failed"}
    assert all(row["reason"] for row in rows if row["status"] == "failed")
    assert len(find_pictures(tmp_path / "out")) == sum(row["status"] == "kept" for row in rows)
