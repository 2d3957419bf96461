"""The picture formats that are read, and how a file's first bytes tell its format, since its name can be wrong.

To read another format, add it to FORMATS and teach `sniff` its first bytes. Formats of published pictures are in
gallery/release.py.

python -c "from generate.formats import *; print(sniff(open('a.jpg', 'rb').read(HEAD)))"
"""

from __future__ import annotations

import re
from pathlib import PurePath

FORMATS = {  # supported formats by Pillow's name: their suffixes, the usual one first
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif", ".heics", ".heifs"),
}
SUFFIXES = {suffix: name for name, suffixes in FORMATS.items() for suffix in suffixes}
REFUSED = "a format that is not read"  # contained in every reason from `refusal`
HEAD = 1024  # bytes that `sniff` needs

RAW = (
    ".dng",
    ".nef",
    ".cr2",
    ".cr3",
    ".arw",
    ".orf",
    ".rw2",
    ".pef",
    ".raf",
    ".srw",
)  # TIFF containers; Pillow would read only the small preview
NOT_READ = {".tga": "TGA", ".svg": "SVG", ".psd": "PSD"} | dict.fromkeys(RAW, "camera raw")
SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0\x08\0", "TIFF"),  # BigTIFF
    (b"MM\0+\0\x08", "TIFF"),
    # Pillow 13.0 shows white of 16 bits as black in JPEG 2000, and ignores its colour profiles
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\x01\0", "ICO"),
    (b"8BPS", "PSD"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"%PDF-", "PDF"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"gimp xcf", "XCF"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
)
HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(HEIF, "HEIF")
SVG = re.compile(rb"^\s*(<\?xml.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>]", re.DOTALL)
NETPBM = re.compile(rb"P[1-7][\s#]+[\d#WE]")


class BadPicture(Exception):
    """A file that can't be used as a picture; the message gives the reason in a few words."""


def sniff(head: bytes) -> str:
    """The format by a file's first HEAD bytes: a key of FORMATS, or the name of an unsupported format.

    "" if it is not a picture.
    """
    head = head.removeprefix(b"\xef\xbb\xbf")
    for start, name in SIGNATURES:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124):
        return "BMP"
    if head[4:8] == b"ftyp":  # ISO base media file: major brand, version, compatible brands
        box = head[8 : max(16, int.from_bytes(head[:4], "big"))]
        brands = [box[i : i + 4] for i in range(0, len(box), 4)]
        return next((name for brand, name in BRANDS.items() if brand in brands), "video")
    if SVG.match(head):
        return "SVG"
    return "Netpbm" if NETPBM.match(head) else ""


def refusal(name: str) -> str:
    """The reason for refusing a picture of an unsupported format."""
    return f"{name}, {REFUSED}: convert it to PNG or JPEG"


def suffix_format(path: PurePath) -> str:
    """The format by a file's suffix: a key of FORMATS, the name of an unsupported format, or ""."""
    suffix = path.suffix.lower()
    return SUFFIXES.get(suffix) or NOT_READ.get(suffix, "")
