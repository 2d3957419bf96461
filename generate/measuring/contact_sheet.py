"""Write the contact sheets of a curation: a page on which to choose pictures, and a PNG.

    write_page(Path("chosen/contact-sheet.html"), curated, Path("samples"), Path("prepared"))

The page inlines its pictures, so it opens without a server.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import jinja2
from PIL import Image, ImageDraw, ImageFont

from generate.images import BadPicture, atomic_path, decode, write_text
from generate.measuring.verdicts import DUPLICATE, REASONS, Curated, Verdict

TEMPLATE = Path(__file__).with_name("contact-sheet.html")
THUMBNAIL = 128  # px, the longer side
COLUMNS, GAP, HEADING = 12, 6, 34
MAX_SHOWN = 384  # pictures of each group in the PNG


def write_page(path: Path, curated: Curated, samples: Path, training: Path | None) -> None:
    """Write the page, which can save a list of rejects or a keep list."""
    shown = [verdict for verdict in curated.verdicts if not verdict.note]
    partners = [(_partner(verdict, samples, training)) for verdict in shown]
    pictures = {partner: _inline(partner) for partner in dict.fromkeys(partners) if partner}
    number = {partner: i for i, partner in enumerate(pictures)}
    cards = [
        {
            "verdict": verdict,
            "picture": _inline(samples / verdict.file),
            "partner": number.get(partner) if partner else None,
            "partner_name": verdict.repeats or verdict.nearest,
            "partner_is": "its better twin" if verdict.reason == DUPLICATE else "nearest in training",
        }
        for verdict, partner in zip(shown, partners, strict=True)
    ]
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    groups = [
        (reason, text, [card for card, verdict in zip(cards, shown, strict=True) if verdict.reason == reason])
        for reason, text in {"": "kept", **REASONS}.items()
    ]
    page = template.render(
        name=str(samples),
        summary=curated.summary(),
        limit=curated.limit,
        compared=training is not None,
        groups=[group for group in groups if group[2]],
        partners=list(pictures.values()),
        damaged=[verdict for verdict in curated.verdicts if verdict.note],
    )
    write_text(path, page)


def write_sheet(path: Path, curated: Curated, samples: Path, training: Path | None) -> None:
    """Write a PNG: the kept pictures, then the rejected ones by reason, copies and duplicates beside what they repeat."""
    groups: list[tuple[str, list[Image.Image]]] = [
        (
            f"{len(curated.kept)} kept{_some(len(curated.kept))}",
            [_thumbnail(samples / v.file) for v in curated.kept[:MAX_SHOWN]],
        )
    ]
    for reason, text in REASONS.items():
        members = [v for v in curated.verdicts if v.reason == reason and not v.note]
        if members:
            pairs = [_side_by_side(v, samples, training) for v in members[:MAX_SHOWN]]
            beside = {"copy": ", each beside the training picture", DUPLICATE: ", each beside the better one"}.get(
                reason, ""
            )
            groups.append((f"{len(members)} left out: {text}{beside}{_some(len(members))}", pairs))
    with atomic_path(path) as temporary:
        _lay_out(groups).save(temporary, "PNG")


def _some(count: int) -> str:
    return f" (the first {MAX_SHOWN})" if count > MAX_SHOWN else ""


def _lay_out(groups: Sequence[tuple[str, Sequence[Image.Image]]]) -> Image.Image:
    """Lay out the groups one below the other, each under its heading."""
    widest = max((picture.width for _, pictures in groups for picture in pictures), default=THUMBNAIL)
    side = max((picture.height for _, pictures in groups for picture in pictures), default=THUMBNAIL)
    font = ImageFont.load_default(20)
    longest = max(ceil(font.getlength(heading)) for heading, _ in groups)
    width = max(COLUMNS * (side + GAP) + GAP, widest + 2 * GAP, longest + 2 * GAP)
    placed: list[tuple[Image.Image, int, int]] = []
    headings: list[tuple[str, int]] = []
    y = GAP
    for heading, pictures in groups:
        headings.append((heading, y))
        y += HEADING
        x = GAP
        for picture in pictures:
            if x + picture.width + GAP > width:
                x, y = GAP, y + side + GAP
            placed.append((picture, x, y))
            x += picture.width + (GAP if picture.width <= side else 3 * GAP)
        y += (side if pictures else 0) + 3 * GAP
    sheet = Image.new("RGB", (width, y), "#f4f4f2")
    for picture, x, top in placed:
        sheet.paste(picture, (x, top))
    pen = ImageDraw.Draw(sheet)
    for heading, top in headings:
        pen.text((GAP, top + 4), heading, fill="#111", font=font)
    return sheet


def _side_by_side(verdict: Verdict, samples: Path, training: Path | None) -> Image.Image:
    picture = _thumbnail(samples / verdict.file)
    partner = _partner(verdict, samples, training)
    if verdict.reason not in ("copy", DUPLICATE) or partner is None:
        return picture
    other = _thumbnail(partner).resize(picture.size)
    pair = Image.new("RGB", (2 * picture.width, picture.height))
    pair.paste(picture, (0, 0))
    pair.paste(other, (picture.width, 0))
    return pair


def _partner(verdict: Verdict, samples: Path, training: Path | None) -> Path | None:
    """Return the picture to show beside a sample: the one it repeats, or the nearest training picture."""
    if verdict.repeats:
        return samples / verdict.repeats
    return training / verdict.nearest if training and verdict.nearest else None


def _thumbnail(path: Path) -> Image.Image:
    try:
        picture = decode(path)
    except BadPicture:
        return Image.new("RGB", (THUMBNAIL, THUMBNAIL), "#888")
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return picture


def _inline(path: Path) -> str:
    stored = io.BytesIO()
    _thumbnail(path).save(stored, "WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(stored.getvalue()).decode()
