"""Prepare pictures for training: upright, square, of one size, without duplicates, blurred or damaged ones.

python -m generate prepare photos prepared --size 256
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gallery.names import slug_notes
from generate.advice import command_line
from generate.finding import Found, printable
from generate.folders import check_dest
from generate.images import atomic_path, beside, category_of, find_all, fitting, kind_of, read_json, write_text
from generate.preparing.detecting import NAME, NAMES
from generate.preparing.recipe import CROPS, CUTOUTS, Recipe, check_recipe
from generate.units import Number, plural

SHOWN = 20  # maximum number of rejected pictures to print


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@click.option("--size", type=int, default=Recipe.size, show_default=True, help="Side of the square in pixels: 32, 64, 128, 256, 512 or 1024.")  # fmt: skip
@click.option("--crop", type=click.Choice(CROPS), default=Recipe.crop, show_default=True, help="center: central square. object: around the object. pad: whole picture with bars.")  # fmt: skip
@click.option("--background", default=Recipe.background, show_default=True, help="Colour of transparent areas and bars: a name, #rrggbb, keep or transparent.")  # fmt: skip
@click.option("--cutout", type=click.Choice(CUTOUTS), default=Recipe.cutout, show_default=True, help="Remove the background of the object.")  # fmt: skip
@click.option("--label", multiple=True, help="Keep only pictures that show this COCO category, such as cake; repeatable.")  # fmt: skip
@click.option("--weights", default=Recipe.weights, help="Weights of the detector: hub to download them, or the path of a state dict.  [default: hub with --label, else no detector]")  # fmt: skip
@click.option("--detector", type=click.Choice(NAMES), default=NAME, show_default=True, help="A torchvision detector.")
@click.option("--rembg-model", default=Recipe.rembg_model, show_default=True, help="A rembg model name or an .onnx file.")  # fmt: skip
@click.option("--padding", type=Number(0, 2), default=Recipe.padding, show_default=True, help="Space around the object, as a fraction of its longer side.")  # fmt: skip
@click.option("--min-side", type=click.IntRange(1), help="Drop pictures and objects whose shorter side has fewer pixels.  [default: half of --size]")  # fmt: skip
@click.option("--max-aspect", type=Number(1), default=Recipe.max_aspect, show_default=True, help="Drop pictures whose longer side is more than this many times the shorter one.")  # fmt: skip
@click.option("--min-sharpness", type=Number(0), default=Recipe.min_sharpness, show_default=True, help="Drop pictures less sharp than this; 0 keeps all.")  # fmt: skip
@click.option("--near", type=click.IntRange(-1, 256), default=Recipe.near, show_default=True, help="Drop pictures whose 256-bit hash differs from another's by at most this many bits; -1 keeps near duplicates.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), help="Number of processes.  [default: one a core]")
def command(source: Path, dest: Path, label: tuple[str, ...], jobs: int | None, **options: Any) -> None:
    """Crop, resize and filter pictures for training.

    Reads jpg, png, webp, gif, bmp, tiff, avif and heic files below SOURCE, detected by content. First-level folders are
    categories. DEST/rejected.csv lists the files dropped or passed over, and why. A sheet beside DEST shows pictures
    before and after, and dropped ones. A rerun prepares only new and missing pictures.

    \b
    Example:
      python -m generate prepare photos prepared --size 256 --crop object
    """
    summary = prepare(source, dest, jobs=jobs, labels=label, **options)
    for name, reason in summary["rejected"][:SHOWN]:
        click.echo(f"dropped {printable(name)}: {reason}", err=True)
    if (more := len(summary["rejected"]) - SHOWN) > 0:
        click.echo(f"and {more} more: see {dest / 'rejected.csv'}", err=True)
    for line in summary["notes"]:
        click.echo(line, err=True)
    counts = ", ".join(f"{printable(name) or 'pictures'} {count}" for name, count in summary["categories"].items())
    size, passed_over = options["size"], summary["passed_over"]
    click.echo(
        f"{summary['count']} pictures of {size} px in {dest} ({counts}); {len(summary['rejected'])} dropped"
        + (f", {plural(sum(passed_over.values()), 'file')} passed over." if passed_over else ".")
    )
    loose = "" in summary["categories"]  # pictures in no category, which --conditional does not take
    conditional = ["--conditional"] if len(summary["categories"]) > 1 and not loose else []
    click.echo(f"Look at {sheet_path(dest)}.")
    click.echo(f"Next: {command_line('train', dest, f'runs/{dest.resolve().name}', *conditional)}")


def prepare(source: Path, dest: Path, jobs: int | None = None, **options: Any) -> dict[str, Any]:
    """Write every usable picture of `source` to the same place in `dest` as a `size` x `size` RGB PNG.

    The options are the fields of Recipe. The result depends neither on `jobs` nor on earlier runs.
    Returns {"count", "categories": {name: count}, "reasons": {reason: count}, "passed_over": {reason: count}, "rejected":
    [(name, reason)], "notes": [line]}; all but the last two are in `dest/dataset.json`. Every file below `source` is in one
    of the counts. Raises click.ClickException if no picture can be prepared; then nothing is written.
    """
    from generate.preparing.sheet import draw_sheet
    from generate.preparing.squares import JOURNAL, make_all, without_duplicates

    recipe = Recipe(**options)
    check_recipe(recipe)
    if source.resolve() in (dest.resolve(), *dest.resolve().parents):
        raise click.UsageError(
            f"{dest} is inside {source}, so the next run would read its own output: choose a DEST outside SOURCE."
        )
    found = find_all(source)
    pictures = found.pictures
    _check_links(found, source, dest)
    written = {"source": source.absolute().name} | asdict(recipe) | {"labels": list(recipe.labels)}
    _check_same_options(dest, written)
    write_text(dest / "dataset.json", json.dumps(written, indent=2) + "\n")

    targets = _targets(pictures, source, dest)
    outcomes = make_all(pictures, targets, source, dest, recipe, jobs or os.cpu_count() or 1)
    outcomes = without_duplicates(outcomes, recipe.near)
    kept = [target for target, outcome in zip(targets, outcomes, strict=True) if not outcome.reason]
    rejected = [(outcome.name, outcome.reason) for outcome in outcomes if outcome.reason]
    for target in set(targets).difference(kept):  # duplicates
        target.unlink(missing_ok=True)
    if not kept:
        for name in ("dataset.json", JOURNAL):
            (dest / name).unlink(missing_ok=True)
        with suppress(OSError):  # not empty: other files are in it
            dest.rmdir()
        raise click.ClickException(f"None of the {len(pictures)} pictures in {source} can be used: {rejected[0][1]}.")
    summary: dict[str, Any] = {
        "count": len(kept),
        "categories": dict(sorted(Counter(category_of(path, dest) for path in kept).items())),
        "reasons": dict(sorted(Counter(kind_of(reason) for _, reason in rejected).items())),
        "passed_over": dict(sorted(Counter(kind_of(reason) for _, reason in found.passed_over).items())),
    }
    passed_over = [(printable(str(path.relative_to(source))), f"passed over: {why}") for path, why in found.passed_over]
    _write_rejected(dest / "rejected.csv", [*rejected, *passed_over])
    with atomic_path(sheet_path(dest)) as temporary:
        draw_sheet(pictures, targets, [outcome.reason for outcome in outcomes], source).save(temporary, "PNG")
    os.sync()  # the pictures, which were written without fsync
    write_text(dest / "dataset.json", json.dumps(written | summary, indent=2) + "\n")
    notes = [*found.lines(source), *slug_notes(summary["categories"])]
    return summary | {"rejected": rejected, "notes": notes}


def _check_links(found: Found, source: Path, dest: Path) -> None:
    """Raises click.UsageError if a symbolic link in `source` leads to the folder that `dest` is in."""
    if any(dest.resolve() == link.resolve() or link.resolve() in dest.resolve().parents for link in found.outside):
        raise click.UsageError(
            f"A link in {source} leads to the folder that {dest} is in, so the next run would read its own output: "
            "choose another DEST."
        )


def _check_same_options(dest: Path, options: dict[str, Any]) -> None:
    """Raises click.ClickException if the options differ from those of the first run."""
    if not (dest / "dataset.json").exists():
        check_dest(dest, "dataset.json")
        return
    before = read_json(dest / "dataset.json")
    for name, value in json.loads(json.dumps(options)).items():
        if before.get(name) != value:
            raise click.ClickException(
                f"{dest} was prepared with {name} {before.get(name)!r}, not {value!r}: choose another DEST, or delete it."
            )


def _targets(pictures: list[Path], source: Path, dest: Path) -> list[Path]:
    """The target of each picture: the same relative path as PNG; a.jpg becomes a.jpg.png if a.png would have two sources."""
    names = [p.relative_to(source) for p in pictures]
    plain = [name.with_suffix(".png") for name in names]
    whole = [name.with_name(name.name + ".png") for name in names]
    taken = Counter([*plain, *whole])
    names = [short if taken[short] == 1 else long for short, long in zip(plain, whole, strict=True)]
    return [dest / name.with_name(fitting(name.name)) for name in names]


def _write_rejected(path: Path, rejected: list[tuple[str, str]]) -> None:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("file", "reason"), *rejected])
    write_text(path, table.getvalue())


def sheet_path(dest: Path) -> Path:
    """The path of the sheet: beside the folder, since a file inside it would be read as a training picture."""
    return beside(dest, "-sheet.png")
