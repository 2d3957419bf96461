"""Draw the sheet for `prepare`: sample pictures before and after, and dropped pictures with reasons.

python -c "from generate.preparing.sheet import *; draw_sheet([Path('a.jpg')], [Path('out/a.png')], [''], Path('.')).show()"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from generate.finding import printable
from generate.images import BadPicture, kind_of, open_picture, size_of

THUMB, GAP, TEXT, HEAD = 128, 12, 13, 20  # pixels; the last two are font sizes
PAIR_THUMB, ARROW = 120, 24
PAIRS, PAIR_COLUMNS = 24, 4
REJECTED, COLUMNS = 32, 8
PAPER, INK, FAINT, CROSS, RIM = "#ffffff", "#1a1a1a", "#6b6b6b", "#b3261e", "#c4c4c4"
WIDTH = GAP + COLUMNS * (THUMB + GAP)


def draw_sheet(pictures: Sequence[Path], squares: Sequence[Path], reasons: Sequence[str], source: Path) -> Image.Image:
    """Draw the sheet from an evenly spread sample; `reasons` holds "" for pictures that were prepared."""
    made = [i for i, reason in enumerate(reasons) if not reason]
    left_out = _some_of_each([i for i, reason in enumerate(reasons) if reason], reasons)
    blocks = [
        _title(f"{len(made)} of {len(pictures)} pictures of {source.absolute().name} were prepared: before and after")
    ]
    blocks += _rows([_pair(pictures[i], squares[i], source) for i in _spread(made, PAIRS)], PAIR_COLUMNS)
    if left_out:
        counts = Counter(kind_of(reason) for reason in reasons if reason)
        blocks.append(_title(f"{sum(counts.values())} were dropped"))
        blocks.append(_line(", ".join(f"{count} {kind}" for kind, count in counts.most_common())))
        blocks += _rows([_rejected(pictures[i], reasons[i], source) for i in left_out], COLUMNS)
    return _stack(blocks)


def _spread(items: list[int], count: int) -> list[int]:
    """At most `count` items, evenly spread."""
    return items if len(items) <= count else [items[i * len(items) // count] for i in range(count)]


def _some_of_each(items: list[int], reasons: Sequence[str]) -> list[int]:
    """At most REJECTED items, grouped by reason, with at least one of each reason."""
    kinds: dict[str, list[int]] = {}
    for i in items:
        kinds.setdefault(kind_of(reasons[i]), []).append(i)
    share = max(1, REJECTED // max(1, len(kinds)))
    return [i for _, group in sorted(kinds.items()) for i in _spread(group, share)][:REJECTED]


def _pair(picture: Path, square: Path, source: Path) -> Image.Image:
    """A tile with the picture before and after; name and size below."""
    tile = Image.new("RGB", (2 * PAIR_THUMB + ARROW, PAIR_THUMB + 2 * TEXT), PAPER)
    before, size = _thumb(picture, PAIR_THUMB)
    tile.paste(before, (0, 0))
    tile.paste(_thumb(square, PAIR_THUMB)[0], (PAIR_THUMB + ARROW, 0))
    draw = ImageDraw.Draw(tile)
    middle, left, right = PAIR_THUMB // 2, PAIR_THUMB + 5, PAIR_THUMB + ARROW - 5
    draw.line((left, middle, right, middle), fill=INK, width=2)
    draw.polygon([(right - 5, middle - 5), (right + 1, middle), (right - 5, middle + 5)], fill=INK)
    _write(draw, (0, PAIR_THUMB + 3), f"{picture.relative_to(source).as_posix()}  {size}", tile.width, FAINT)
    return tile


def _rejected(picture: Path, reason: str, source: Path) -> Image.Image:
    """A tile with a dropped picture, or a cross if it can't be decoded; name and reason below."""
    tile = Image.new("RGB", (THUMB, THUMB + 5 * (TEXT + 3)), PAPER)
    tile.paste(_thumb(picture, THUMB)[0], (0, 0))
    draw = ImageDraw.Draw(tile)
    _write(draw, (0, THUMB + 3), picture.relative_to(source).as_posix(), THUMB, FAINT)
    for row, text in enumerate(_wrapped(reason, THUMB, 3)):
        _write(draw, (0, THUMB + 3 + (row + 1) * (TEXT + 3)), text, THUMB, CROSS)
    return tile


def _thumb(path: Path, side: int) -> tuple[Image.Image, str]:
    """The picture in a frame, on a chequerboard if transparent, and its size as text; a cross if it can't be decoded."""
    frame = Image.new("RGB", (side, side), "#f0f0f0")
    draw = ImageDraw.Draw(frame)
    try:
        size = size_of(path)
        image = open_picture(path, side)
    except BadPicture:
        draw.line((side // 3, side // 3, side - side // 3, side - side // 3), fill=CROSS, width=3)
        draw.line((side // 3, side - side // 3, side - side // 3, side // 3), fill=CROSS, width=3)
        return frame, ""
    scale = side / max(image.size)
    filter = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), filter)
    if image.mode == "RGBA":
        board = _chequerboard(image.size)
        board.paste(image, mask=image.getchannel("A"))
        image = board
    frame.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    draw.rectangle((0, 0, side - 1, side - 1), outline=RIM)
    return frame, f"{size[0]}x{size[1]}"


def _chequerboard(size: tuple[int, int]) -> Image.Image:
    board = Image.new("RGB", size, "#ffffff")
    draw = ImageDraw.Draw(board)
    for y in range(0, size[1], 8):
        for x in range(y // 8 % 2 * 8, size[0], 16):
            draw.rectangle((x, y, x + 7, y + 7), fill="#d9d9d9")
    return board


def _rows(tiles: list[Image.Image], columns: int) -> list[Image.Image]:
    """Lay out tiles of one size in rows as wide as the sheet."""
    rows = []
    for start in range(0, len(tiles), columns):
        row = Image.new("RGB", (WIDTH, tiles[0].height + GAP), PAPER)
        step = (WIDTH - GAP) // columns
        for i, tile in enumerate(tiles[start : start + columns]):
            row.paste(tile, (GAP + i * step, 0))
        rows.append(row)
    return rows


def _title(text: str) -> Image.Image:
    block = Image.new("RGB", (WIDTH, HEAD + 2 * GAP), PAPER)
    _write(ImageDraw.Draw(block), (GAP, GAP - 2), text, WIDTH - 2 * GAP, INK, HEAD)
    return block


def _line(text: str) -> Image.Image:
    block = Image.new("RGB", (WIDTH, TEXT + GAP), PAPER)
    _write(ImageDraw.Draw(block), (GAP, 0), text, WIDTH - 2 * GAP, FAINT)
    return block


def _stack(blocks: list[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (WIDTH, sum(block.height for block in blocks)), PAPER)
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, width: int, fill: str, height: int = TEXT
) -> None:
    """Draw one line of text, with an ellipsis in the middle if it is too long."""
    text = printable(text)  # one line
    font, short = _font(height), text
    while font.getlength(short) > width and len(short) > 3:
        keep = len(short) // 2 - 1
        short = f"{short[:keep]}…{short[-keep:]}"
    draw.text(at, short, fill, font)


def _wrapped(text: str, width: int, lines: int) -> list[str]:
    """Wrap text to at most `lines` lines; the last line takes the rest."""
    rows = [""]
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        if rows[-1] and len(rows) < lines and _font(TEXT).getlength(longer) > width:
            rows.append(word)
        else:
            rows[-1] = longer
    return rows


@cache
def _font(height: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans from matplotlib, which has Latin, Greek, Cyrillic and more."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", height)
