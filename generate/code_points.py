"""Colour spaces that a file names by code points instead of an embedded profile: cICP of PNG, nclx of AVIF and HEIF.

The code points are those of ITU-T H.273, tables 2 (primaries) and 3 (transfer characteristics).

python -c "from generate.code_points import *; print(len(profile_of(12, 13)))"
"""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from functools import lru_cache

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from generate.formats import BadPicture

D65, C, E, DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
PRIMARIES = {  # x and y of red, green, blue and white
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),  # BT.2020
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), E),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),  # Display P3
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}  # others are sRGB's
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
LIKE_SRGB = (0, 1, 2, 3, 6, 7, 11, 12, 13, 14, 15)  # viewers show the curves of video as they show sRGB's
HDR = {16: "PQ", 18: "HLG"}
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1.0, 0.8249])


def named_profile(image: Image.Image, data: bytes) -> bytes | None:
    """The profile of the colour space that the file names; b"" for sRGB, None if it names none or an embedded one counts.

    Raises BadPicture for HDR.
    """
    codes = None
    if image.format == "PNG":
        codes = _cicp(data)
    elif image.format in ("AVIF", "HEIF") and not image.info.get("icc_profile"):
        codes = _nclx(data)
    return profile_of(*codes) if codes else None


@lru_cache(maxsize=16)
def profile_of(primaries: int, transfer: int) -> bytes:
    """An ICC profile of these code points; b"" for sRGB. Raises BadPicture for curves other than sRGB's and powers."""
    if transfer not in LIKE_SRGB and transfer not in GAMMAS:
        name = HDR.get(transfer, f"transfer {transfer} of H.273")
        raise BadPicture(f"HDR or film colours ({name}), which are not read: save it as 8-bit sRGB")
    if primaries not in PRIMARIES and transfer in LIKE_SRGB:
        return b""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    columns = _to_d50(*PRIMARIES[primaries]).T if primaries in PRIMARIES else None
    for i in range(struct.unpack_from(">I", profile, 128)[0]):
        name, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * i)
        if name in (b"rTRC", b"gTRC", b"bTRC") and transfer in GAMMAS:
            struct.pack_into(">4sIIH", profile, offset, b"curv", 0, 1, round(256 * GAMMAS[transfer]))
        elif name in (b"rXYZ", b"gXYZ", b"bXYZ") and columns is not None:
            column = columns["rgb".index(chr(name[0]))]
            struct.pack_into(">3i", profile, offset + 8, *(round(65536 * value) for value in column))
    return bytes(profile)


def _to_d50(*chromaticities: tuple[float, float]) -> np.ndarray:
    """The (3, 3) matrix from linear RGB to XYZ, adapted from its white to D50 (Bradford) as profiles require."""
    *primaries, white = (np.array([x, y, 1 - x - y]) for x, y in chromaticities)
    matrix = np.stack(primaries, 1)
    white = white / white[1]
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = BRADFORD @ D50 / (BRADFORD @ white)
    return np.asarray(np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ matrix)


def _cicp(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of a PNG's cICP chunk, which precedes its pixels."""
    at = 8
    while at + 12 <= len(data) and data[at + 4 : at + 8] != b"IDAT":
        if data[at : at + 8] == b"\0\0\0\4cICP":
            return data[at + 8], data[at + 9]
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return None


def _nclx(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of the main picture of an AVIF or HEIF file."""
    with suppress(Exception):  # damaged boxes can raise anything; then the picture has no profile
        named = pillow_heif.open_heif(io.BytesIO(data)).info["nclx_profile"]
        return int(named["color_primaries"]), int(named["transfer_characteristics"])
    return None
