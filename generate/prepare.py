"""Make pictures fit for training: upright, square, one size, transparency painted over, PNG.

python -m generate prepare photos prepared --size 256
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from PIL import Image, ImageColor, ImageOps
from tqdm import tqdm

from generate.images import (
    BadPicture,
    atomic_path,
    category_of,
    contact_sheet,
    decode,
    find_pictures,
    write_text,
)

SHEET_COLUMNS, SHEET_ROWS, SHEET_THUMB = 12, 6, 96


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--size", type=int, default=256, show_default=True, help="Side of the square in pixels, a power of two.")
@click.option(
    "--background",
    default="black",
    show_default=True,
    help="What transparency is painted on: a colour name or #rrggbb.",
)
def command(source: Path, dest: Path, size: int, background: str) -> None:
    """Square, resize and clean the pictures of a folder.

    Reads jpg, png, webp, gif, bmp and tiff below SOURCE; its first-level folders are the categories. What can't be
    used is named in DEST/rejected.csv with its reason. Run again, it does only what is missing.

    \b
    Example:
      python -m generate prepare photos prepared --size 256
    """
    summary = prepare(source, dest, size=size, background=background)
    for name, reason in summary["rejected"]:
        click.echo(f"left out {name}: {reason}", err=True)
    counts = ", ".join(f"{name or 'pictures'} {count}" for name, count in summary["categories"].items())
    click.echo(f"{summary['count']} pictures of {size} px in {dest} ({counts}); {len(summary['rejected'])} left out.")
    click.echo(f"Look at {sheet_path(dest)}, then: python -m generate train {dest} runs/{dest.name}")


def prepare(source: Path, dest: Path, size: int = 256, background: str = "black") -> dict[str, Any]:
    """Write every usable picture of `source` to the same place in `dest` as a `size` x `size` RGB PNG.

    Returns {"count", "categories": {name: count}, "rejected": [(name, reason)]}, which `dest/dataset.json`
    holds too. Raises click.ClickException where nothing can be prepared; then nothing is written.
    """
    check_size(size)
    check_color(background)
    if source.resolve() in (dest.resolve(), *dest.resolve().parents):
        raise click.UsageError(
            f"{dest} lies in {source}: choose a DEST outside SOURCE, or it would read its own output."
        )
    pictures = find_pictures(source)
    options = {"source": source.name, "size": size, "background": background}
    _check_same_options(dest, options)

    write_text(dest / "dataset.json", json.dumps(options, indent=2) + "\n")
    targets = _targets(pictures, source, dest)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(lambda picture, target: _prepare_one(picture, target, size, background), pictures, targets)
        reasons = list(tqdm(jobs, total=len(pictures), desc="prepare", unit="picture", disable=None))

    rejected = [(str(p.relative_to(source)), r) for p, r in zip(pictures, reasons, strict=True) if r]
    kept = [t for t, r in zip(targets, reasons, strict=True) if not r]
    if not kept:
        (dest / "dataset.json").unlink()
        dest.rmdir()
        raise click.ClickException(f"None of the {len(pictures)} pictures in {source} can be used: {rejected[0][1]}.")
    summary = {
        "count": len(kept),
        "categories": dict(sorted(Counter(category_of(path, dest) for path in kept).items())),
        "rejected": rejected,
    }
    _write_rejected(dest / "rejected.csv", rejected)
    _write_sheet(sheet_path(dest), kept)
    write_text(dest / "dataset.json", json.dumps(options | summary, indent=2) + "\n")
    return summary


def check_size(size: int) -> None:
    """The networks double their resolution layer by layer, so only powers of two will do."""
    if not (32 <= size <= 1024 and size & (size - 1) == 0):
        raise click.BadParameter(
            f"{size} is not a size the networks have: use 32, 64, 128, 256, 512 or 1024.", param_hint="--size"
        )


def check_color(color: str) -> None:
    """Raises click.BadParameter for what Pillow doesn't know as a colour."""
    try:
        ImageColor.getrgb(color)
    except ValueError:
        raise click.BadParameter(
            f"{color!r} is not a colour: use a name such as black, or #rrggbb.", param_hint="--background"
        ) from None


def _check_same_options(dest: Path, options: dict[str, Any]) -> None:
    """A second run continues the first only if it would make the same pictures."""
    if not (dest / "dataset.json").exists():
        return
    before = json.loads((dest / "dataset.json").read_text())
    for name, value in options.items():
        if before.get(name) != value:
            raise click.ClickException(
                f"{dest} was prepared with {name} {before.get(name)!r}, not {value!r}: choose another DEST or delete that one."
            )


def _targets(pictures: list[Path], source: Path, dest: Path) -> list[Path]:
    """Where each picture goes: the same relative name as PNG; a.jpg beside a.png becomes a.jpg.png."""
    plain = [p.relative_to(source).with_suffix(".png") for p in pictures]
    taken = Counter(plain)
    return [
        dest / (target if taken[target] == 1 else target.with_name(picture.name + ".png"))
        for picture, target in zip(pictures, plain, strict=True)
    ]


def _prepare_one(picture: Path, target: Path, size: int, background: str) -> str:
    """Prepare one picture; returns the reason why not, or "" where it went well or had been done before."""
    if target.exists():
        return ""
    try:
        image = decode(picture, background)
    except BadPicture as reason:
        return str(reason)
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    with atomic_path(target) as temporary:
        square.save(temporary, "PNG")
    return ""


def _write_rejected(path: Path, rejected: list[tuple[str, str]]) -> None:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("file", "reason"), *rejected])
    write_text(path, table.getvalue())


def sheet_path(dest: Path) -> Path:
    """Beside the folder, not in it, where it would be taken for one of the pictures."""
    return dest.with_name(dest.name + "-sheet.jpg")


def _write_sheet(path: Path, kept: list[Path]) -> None:
    """An evenly spread sample of what was made, since people look rather than read."""
    shown = kept[:: -(-len(kept) // (SHEET_COLUMNS * SHEET_ROWS))]
    thumbs = [Image.open(p).resize((SHEET_THUMB, SHEET_THUMB), Image.Resampling.LANCZOS) for p in shown]
    with atomic_path(path) as temporary:
        contact_sheet(thumbs, SHEET_COLUMNS).save(temporary, "JPEG", quality=90)
