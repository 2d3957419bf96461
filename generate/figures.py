"""Write figures and videos atomically, and lay out contact sheets."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import av
import matplotlib.figure
import numpy as np
from PIL import Image

from generate.images import atomic_path


def save_figure(figure: matplotlib.figure.Figure, path: Path) -> None:
    """Write the figure as PNG at 110 dpi, atomically."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    with atomic_path(path) as temporary:
        temporary.write_bytes(drawn.getvalue())


def write_video(path: Path, frames: Iterable[np.ndarray], frames_per_s: int) -> None:
    """Write frames (H, W, 3), uint8, of one size with even sides, as H.264 in MP4."""
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as video:
        stream = video.add_stream("libx264", frames_per_s)
        stream.pix_fmt = "yuv420p"
        for number, pixels in enumerate(frames):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        video.mux(stream.encode())


def contact_sheet(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    """Tile pictures of one size in rows, without gaps."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % columns * width, i // columns * height))
    return sheet
