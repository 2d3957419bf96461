"""One picture: nothing that is wrong with it goes beyond it, and what viewers show is shown."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from generate.collect import collect
from generate.collecting.polite import Manners
from generate.decoding import open_picture, size_of
from generate.formats import BadPicture
from generate.images import atomic_path
from generate.preparing import squares
from generate.preparing.recipe import Recipe
from tests.collecting import QUICK
from tests.corpus import encoded
from tests.nasty import emoji, jpeg, linear_profile
from tests.preparing import prepare

ASCII, LONG, RATIONAL, UNDEFINED, DOUBLE = 2, 4, 5, 7, 12  # types of tags


def lying_on_its_side(tag: int, type: int, value: bytes = bytes(8)) -> bytes:
    """A JPEG with orientation 6 whose EXIF has a tag of a wrong type."""
    start = 8 + 2 + 2 * 12 + 4
    entries = sorted([struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0), struct.pack("<HHII", tag, type, 1, start)])
    exif = (
        b"Exif\0\0II*\0\x08\0\0\0"
        + struct.pack("<H", 2)
        + b"".join(sorted(entries, key=lambda e: e[:2][::-1]))
        + bytes(4)
        + value
    )
    data = jpeg(emoji("food/cupcake"))
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def far(image: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(image, int) - np.asarray(other.convert(image.mode), int)).mean())


# 1: any failure inside a decoder is that picture's reason


@pytest.mark.parametrize(
    ("tag", "type"),
    [(0x010E, RATIONAL), (0x010E, DOUBLE), (0x0131, LONG), (0x8769, ASCII), (0x8825, RATIONAL), (0x9286, UNDEFINED)],
)
def test_a_photo_with_mistyped_exif_is_kept_and_upright(tag, type):
    image = open_picture(io.BytesIO(lying_on_its_side(tag, type)))
    assert far(image, emoji("food/cupcake").rotate(-90)) < 4


@pytest.mark.parametrize("before", [b"mdat", b"av1C", b"iloc"])
def test_a_damaged_avif_is_a_reason(tmp_path, before):
    data = encoded(emoji("food/lemon"), "AVIF")
    at, length = data.index(before) + 4, 60
    (tmp_path / "a.avif").write_bytes(
        data[:at] + bytes(255 - byte for byte in data[at : at + length]) + data[at + length :]
    )
    emoji("food/bread").save(tmp_path / "b.png")

    result = prepare(tmp_path, tmp_path.with_name(f"{tmp_path.name}-out"), "--size", 32)

    assert result.exit_code == 0, result.output
    assert "1 pictures" in result.output
    assert "dropped a.avif: damaged: " in result.output


def test_a_damaged_picture_of_a_url_has_a_status_and_a_reason(tmp_path, server):
    (tmp_path / "urls.txt").write_text(f"{server.url}/spoilt/a.avif\n{server.url}/good/b.jpg\n")

    rows = collect(str(tmp_path / "urls.txt"), tmp_path / "out", min_size=32, manners=Manners(**QUICK), jobs=1)

    assert [row.status for row in rows] == ["failed", "kept"]
    assert rows[0].reason.startswith("damaged: ")


def test_a_file_of_terabytes_is_a_reason(tmp_path):
    (tmp_path / "in").mkdir()
    with (tmp_path / "in" / "a.jpg").open("wb") as sparse:
        sparse.truncate(2**42)
    emoji("food/bread").save(tmp_path / "in" / "b.png")

    prepared = prepare(tmp_path / "in", tmp_path / "out", "--size", 32)

    assert prepared.exit_code == 0, prepared.output
    assert "dropped a.jpg: too large: over 500,000,000 bytes" in prepared.output
    for read in (open_picture, size_of):
        with pytest.raises(BadPicture, match="too large"):
            read(tmp_path / "in" / "a.jpg")


# 2: only formats that are read are opened


@pytest.mark.parametrize(
    "head", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", b"\xc5\xd0\xd3\xc6" + bytes(40)]
)
def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch, head):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    (tmp_path / "bin" / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(head)
    emoji("food/bread").save(tmp_path / "in" / "b.png")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 32)

    assert result.exit_code == 0, result.output
    assert "dropped a.jpg: EPS, a format that is not read: convert it to PNG or JPEG" in result.output
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("format", ["PPM", "ICO", "TGA", "JPEG2000", "PCX", "SGI", "DDS"])
def test_formats_that_are_not_read_are_reasons_whatever_the_name(format):
    data = encoded(emoji("food/bread"), format)
    for read in (open_picture, size_of):
        with pytest.raises(BadPicture, match=r"not read|not a picture"):
            read(io.BytesIO(data))


# 4: the colours that a viewer shows


def profile_of(kind: str) -> bytes:
    """A profile that is called sRGB: its curves have gamma 1, or its primaries are swapped."""
    if kind == "linear":
        return linear_profile()
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i
        for i in range(struct.unpack(">I", profile[128:132])[0])
    }
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_a_profile_is_known_by_its_curves_and_not_by_its_name(format):
    original = emoji("food/lemon")
    options = {"lossless": True} if format == "WEBP" else {}
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile_of("linear"))))

    linear = open_picture(io.BytesIO(encoded(original, format, icc_profile=profile_of("linear"), **options)))
    swapped = open_picture(io.BytesIO(encoded(original, format, icc_profile=profile_of("swapped"), **options)))
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = open_picture(io.BytesIO(encoded(original, format, icc_profile=plain, **options)))

    shown = Image.fromarray((255 * (np.asarray(original) / 255) ** (1 / 2.2)).round().astype(np.uint8))
    assert far(linear, shown) < 4
    assert far(swapped, original) > 10
    assert same.tobytes() == original.tobytes()


def grey_profile() -> bytes:
    """Grey with gamma 1."""

    def text(kind: bytes, words: str) -> bytes:
        return (
            kind
            + bytes(4)
            + struct.pack(">II", 1, 12)
            + b"enUS"
            + struct.pack(">II", 2 * len(words), 28)
            + words.encode("utf-16-be")
        )

    xyz = b"XYZ " + bytes(4) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, 0x0100, 0)
    parts = {b"desc": text(b"mluc", "sRGB"), b"cprt": text(b"mluc", "free"), b"wtpt": xyz, b"kTRC": curve}
    table, body, offset = b"", b"", 132 + 12 * len(parts)
    for name, data in parts.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s12s4s", 0, b"lcms", 0x04300000, b"mntr", b"GRAY", b"XYZ ", bytes(12), b"acsp")
    head += bytes(28) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D) + bytes(48)
    whole = head + struct.pack(">I", len(parts)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_profiles_of_grey_are_applied(mode):
    grey = emoji("food/lemon", "L")
    original = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)

    made = open_picture(io.BytesIO(encoded(original, "PNG", icc_profile=grey_profile())))

    shown = Image.fromarray((255 * (np.asarray(grey) / 255) ** (1 / 2.2)).round().astype(np.uint8))
    assert far(made.convert("L"), shown) < 4


@pytest.mark.parametrize("kind", ["grey", "CMYK", "3 bytes", "cut", "without tags"])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_a_profile_that_does_not_fit_changes_nothing(kind, format):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cmyk = linear_profile()[:16] + b"CMYK" + linear_profile()[20:]
    unfit = {
        "grey": grey_profile(),
        "CMYK": cmyk,
        "3 bytes": b"abc",
        "cut": srgb[:300],
        "without tags": srgb[:128] + bytes(4),
    }
    lemon = emoji("food/lemon")

    assert far(open_picture(io.BytesIO(encoded(lemon, format, icc_profile=unfit[kind]))), lemon) < 3


def test_a_png_that_says_its_gamma_is_shown_as_browsers_do():
    data = encoded(emoji("food/lemon"), "PNG")
    body = b"gAMA" + struct.pack(">I", 100_000)
    linear = data[:33] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]

    shown = Image.fromarray((255 * (np.asarray(emoji("food/lemon")) / 255) ** (1 / 2.2)).round().astype(np.uint8))
    assert far(open_picture(io.BytesIO(linear)), shown) < 2


# 8: what viewers show


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}])
def test_a_jpeg_without_its_end_marker_is_whole(options):
    data = jpeg(emoji("food/pizza"), **options)
    whole = open_picture(io.BytesIO(data))

    assert open_picture(io.BytesIO(data[:-2])).tobytes() == whole.tobytes()
    assert open_picture(io.BytesIO(data[:-1])).tobytes() == whole.tobytes()
    for cut in (30, 300, len(data) // 2):
        with pytest.raises(BadPicture, match="damaged: image file is truncated"):
            open_picture(io.BytesIO(data[:-cut]))


@pytest.mark.parametrize(("format", "end"), [("GIF", 1), ("PNG", 12), ("PNG", 4)])
def test_other_files_without_their_end_markers_are_whole(format, end):
    data = encoded(emoji("food/pizza"), format)
    assert open_picture(io.BytesIO(data[:-end])).tobytes() == open_picture(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("blank", ["white", (0, 0, 0, 0)])
def test_an_animation_that_begins_blank_is_its_first_frame_that_shows_something(format, blank):
    frames = [emoji("faces/nerd_face", "RGBA"), emoji("faces/angry_face", "RGBA")]
    empty = Image.new("RGBA", frames[0].size, blank)
    data = encoded(empty, format, save_all=True, append_images=[empty, *frames], duration=[100, 150, 200, 250])

    image = open_picture(io.BytesIO(data)).convert("RGB")

    assert np.asarray(image)[40:90, 40:90].std() > 20


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize(("blank", "dot"), [("white", "black"), ("black", "white"), ((0, 0, 0, 0), "red")])
def test_a_first_frame_of_one_pixel_is_blank_too(tmp_path, format, blank, dot):
    dotted = Image.new("RGBA", (128, 128), blank)
    dotted.paste(dot, (5, 5, 6, 6))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(
        encoded(dotted, format, save_all=True, append_images=[emoji("food/lemon", "RGBA")], duration=[100, 200])
    )

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 64)

    assert result.exit_code == 0, result.output


def test_an_animation_of_blank_frames_is_blank():
    empty = [Image.new("RGB", (64, 64), color) for color in ("white", "black")]
    image = open_picture(io.BytesIO(encoded(empty[0], "GIF", save_all=True, append_images=empty[1:])))
    assert image.convert("RGB").getextrema() == ((255, 255),) * 3


def test_a_jpeg_of_108_megapixels_is_shown():
    large = io.BytesIO(encoded(Image.new("L", (12_000, 9_000), 99), "JPEG", quality=20))

    assert size_of(large) == (12_000, 9_000)
    assert open_picture(large).size == (6_000, 4_500)
    assert open_picture(large, 256).size == (1_500, 1_125)


def test_dark_icons_on_transparency_say_which_background_shows_them(tmp_path):
    (tmp_path / "in").mkdir()
    for name, color in (("lemon", 0), ("bread", 0), ("pizza", 255)):
        icon = Image.new("RGBA", (128, 128), (color,) * 3)
        icon.putalpha(emoji(f"food/{name}", "RGBA").getchannel("A"))
        icon.save(tmp_path / "in" / f"{name}.png")

    black = prepare(tmp_path / "in", tmp_path / "black", "--size", 64)
    white = prepare(tmp_path / "in", tmp_path / "white", "--size", 64, "--background", "white")

    assert "dropped bread.png: as dark or bright as its background: contrast 0.0" in black.output
    assert "choose another --background, such as white" in black.output
    assert "2 pictures" in white.output
    assert "dropped pizza.png: as dark or bright as its background" in white.output
    assert "such as black" in white.output


def test_dark_icons_whose_background_stays_transparent_are_kept(tmp_path):
    (tmp_path / "in").mkdir()
    for name, color in (("lemon", 0), ("bread", 0), ("pizza", 255), ("banana", 0)):
        icon = Image.new("LA", (128, 128), (color, 0))
        icon.putalpha(emoji(f"food/{name}", "RGBA").getchannel("A"))
        icon.save(tmp_path / "in" / f"{name}.png")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 64, "--background", "transparent")

    assert "4 pictures of 64 px" in result.output, result.output


def png_with(kind: bytes, content: bytes, checksum: int | None = None) -> bytes:
    """A PNG with one more chunk, as the programs that make and edit pictures add."""
    data = encoded(emoji("food/lemon"), "PNG")
    end = zlib.crc32(kind + content) if checksum is None else checksum
    return data[:33] + struct.pack(">I", len(content)) + kind + content + struct.pack(">I", end) + data[33:]


@pytest.mark.parametrize(
    "chunk",
    [
        (b"tEXt", b"Comment\0by an editor that forgot the checksum", 0),
        (b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2_000_000))),
        (b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(bytes(2_000_000))),
        (b"iCCP", b"LUT\0\0" + zlib.compress(bytes(2_000_000))),
        (b"gAMA", struct.pack(">I", 100_000), 0),
        (b"pHYs", b"\0"),
        (b"prVt", bytes(99), 0),
    ],
    ids=lambda chunk: chunk[0].decode(),
)
def test_notes_in_a_png_do_not_hide_its_picture(chunk):
    data = io.BytesIO(png_with(*chunk))

    assert far(open_picture(data), emoji("food/lemon")) == 0
    assert size_of(data) == (128, 128)


# 7 and 9


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "a" * 250 + ".png"])
def test_a_name_of_255_bytes_can_be_written(tmp_path, name):
    with atomic_path(tmp_path / name) as temporary:
        temporary.write_bytes(b"x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_rerun_goes_through_the_targets_a_few_times_and_not_once_a_picture(tmp_path):
    class Counting(list):
        """Counts how often somebody goes through all of it."""

        times = 0

        def __iter__(self):
            self.times += 1
            return super().__iter__()

    (tmp_path / "in").mkdir()
    for number in range(20):
        emoji("food/lemon", size=32 + number).save(tmp_path / "in" / f"{number}.png")
    pictures = sorted((tmp_path / "in").iterdir())
    (tmp_path / "out").mkdir()
    for _ in range(2):
        targets = Counting(tmp_path / "out" / path.name for path in pictures)
        squares.make_all(pictures, targets, tmp_path / "in", tmp_path / "out", Recipe(size=32), 1)

    assert targets.times < 5
