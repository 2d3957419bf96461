"""Draw pictures from a generator into a folder, one file per seed, for `sample`, `refill` and `evaluate`."""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from torch import Tensor
from tqdm import tqdm

from generate.devices import choose_precision
from generate.folders import check_dest
from generate.images import BadPicture, decode, format_of, paint, read_json, to_picture, write_text
from generate.model.family import Model, as_rgb, labels_of
from generate.rows import SAMPLES_OPTIONS, SAMPLES_TABLE

Work = Sequence[tuple[str, int]]  # category ("" for an unconditional model) and seed


def draw_folder(
    model: Model,
    dest: Path,
    seeds: Sequence[int],
    *,
    categories: Sequence[str] = (),
    batch_size: int = 0,
    truncation: float = 1.0,
    format: str = "jpg",
    quality: int = 90,
    precision: str = "auto",
    rank: int = 0,
    world: int = 1,
) -> int:
    """Write dest/<seed>.<format> for every seed, and dest/samples.jsonl with a row per picture: file, seed, truncation, model.

    A conditional model draws every seed in each of `categories` (default: all) as dest/<category>/<seed>.<format>. Threads
    encode and write one batch while the next is computed. Intact pictures are kept, so an interrupted run continues. Each
    of `world` processes draws its share; returns the size of this process's share. Raises click.ClickException if `dest`
    holds samples drawn with other settings.
    """
    precision = choose_precision(precision, model.device)
    batch_size = batch_size or choose_batch_size(model, precision)
    settings = {
        "truncation": truncation,
        "model": model.sha256,
        "format": format,
        "quality": quality,
        "precision": precision,
    }
    work = _work(model, seeds, categories)
    _check_same_drawing(dest, settings, batch_size, model.made.get("source"))
    _check_same_names(dest, model)
    share = work[rank::world]
    missing = _missing(dest, share, model.size, format)
    there, hidden = len(share) - len(missing), True if rank else None  # None: hidden unless stderr is a terminal

    with (
        ThreadPoolExecutor(8) as pool,
        tqdm(total=len(share), initial=there, desc="sample", unit="picture", disable=hidden) as bar,
    ):
        writing: list[Future[None]] = []
        for start in range(0, len(missing), batch_size):
            batch = missing[start : start + batch_size]
            pictures = draw_batch(model, batch, batch_size, truncation, precision)
            for done in writing:  # the previous batch: at most two are in memory
                done.result()
            paths = [dest / file_name(seed, format, category) for category, seed in batch]
            writing = [
                pool.submit(_write, picture, path, quality) for picture, path in zip(pictures, paths, strict=True)
            ]
            bar.update(len(batch))
        for done in writing:
            done.result()
    _write_rows(dest, work, format, settings)
    return len(share)


def file_name(seed: int, format: str, category: str = "") -> str:
    """Return the path of a seed's file, relative to the folder."""
    return f"{category}/{seed:07d}.{format}" if category else f"{seed:07d}.{format}"


def choose_batch_size(model: Model, precision: str) -> int:
    """Return a batch size that fits a CPU's caches or fills a GPU.

    It depends only on the arguments, so a continued run draws the same bytes.
    """
    if model.device.type == "cpu":
        return 4 if precision == "bf16" else 8
    return max(8, min(256, 64 * 256**2 // model.size**2))


def _work(model: Model, seeds: Sequence[int], categories: Sequence[str]) -> Work:
    return [(category, seed) for category in model.choose(categories) or ("",) for seed in seeds]


def draw_batch(model: Model, batch: Work, batch_size: int, truncation: float, precision: str) -> Tensor:
    """Draw at most one batch: pictures (N, channels, H, W), uint8 on the CPU.

    A short batch is padded with repeats of its last item, so a picture's bytes don't depend on the position of its seed.
    """
    full = [*batch, *[batch[-1]] * (batch_size - len(batch))]
    labels = labels_of(model, [category for category, _ in full])
    return model.draw([seed for _, seed in full], labels, truncation, precision)[: len(batch)]


def draw_each(
    model: Model, categories: Sequence[str], first_seed: int, truncation: float = 1.0, precision: str = "auto"
) -> list[Tensor]:
    """Draw a picture (3, H, W) of each of `categories`, "" for an unconditional model, from consecutive seeds."""
    precision = choose_precision(precision, model.device)
    size = choose_batch_size(model, precision)
    work = [(category, first_seed + i) for i, category in enumerate(categories)]
    drawn: list[Tensor] = []
    for start in tqdm(range(0, len(work), size), desc="sample", unit="batch", disable=None, leave=False):
        drawn += as_rgb(draw_batch(model, work[start : start + size], size, truncation, precision))
    return drawn


def categories_of(model: Model, count: int, like: Sequence[str] = ()) -> list[str]:
    """Return `count` of a model's categories, as frequent as in `like` if those are the model's, else equally frequent."""
    if like and set(like) == set(model.categories):
        return [sorted(like)[i * len(like) // count] for i in range(count)]
    names = model.categories or ("",)
    return [names[i % len(names)] for i in range(count)]


def _missing(dest: Path, work: Work, size: int, format: str) -> Work:
    """Return the pictures that are missing or damaged."""
    paths = [dest / file_name(seed, format, category) for category, seed in work]
    with ThreadPoolExecutor(8) as pool:
        whole = list(pool.map(lambda path: _is_intact(path, size), paths))
    return [one for one, there in zip(work, whole, strict=True) if not there]


def _is_intact(path: Path, size: int) -> bool:
    if not path.exists():
        return False
    try:
        return decode(path).size == (size, size)
    except BadPicture:
        return False


def _check_same_drawing(dest: Path, settings: dict[str, Any], batch_size: int, source: Any = None) -> None:
    check_dest(dest, SAMPLES_OPTIONS)
    options = dest / SAMPLES_OPTIONS
    if options.exists():
        before = {"precision": "fp32", **read_json(options)}
        for name, value in settings.items():
            if before.get(name) != value:
                raise click.ClickException(
                    f"{dest} holds samples drawn with {name} {before.get(name)}, not {value}: choose another DEST or delete it."
                )
    written = settings | {"batch_size": batch_size} | ({"source": source} if source else {})
    write_text(options, json.dumps(written, indent=2) + "\n")


def _check_same_names(dest: Path, model: Model) -> None:
    """Raises click.ClickException if earlier samples have a category that the model's categories no longer include."""
    if not model.categories or not (dest / SAMPLES_TABLE).exists():
        return
    known = set(model.categories)
    for row in map(json.loads, (dest / SAMPLES_TABLE).read_text().splitlines()):
        if (name := row.get("category", "")) not in known:
            raise click.ClickException(
                f"{dest} holds samples of the category {name!r}, which the model's categories no longer include: choose another DEST or delete it."
            )


def _write(picture: Tensor, path: Path, quality: int) -> None:
    """Write under a temporary name, then rename. Skips fsync, which dominates the cost: a rerun redraws damaged files."""
    kind = format_of(path)
    image = to_picture(picture)
    if kind == "JPEG":  # has no alpha channel
        image = paint(image, "black")
    encoded = io.BytesIO()
    image.save(encoded, kind, quality=quality)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(encoded.getvalue())
    except FileNotFoundError:  # the first picture of its folder
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(encoded.getvalue())
    temporary.replace(path)


def _write_rows(dest: Path, work: Work, format: str, settings: dict[str, Any]) -> None:
    """Merge the rows of the pictures that exist with those of earlier runs, sorted by category and seed.

    Every process does this when it ends, under a lock: the last one finds all pictures.
    """
    with (dest / ".samples.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows: dict[tuple[str, int], dict[str, Any]] = {}
        if (dest / SAMPLES_TABLE).exists():
            for row in map(json.loads, (dest / SAMPLES_TABLE).read_text().splitlines()):
                rows[row.get("category", ""), row["seed"]] = row
        for category, seed in work:
            if (dest / (name := file_name(seed, format, category))).exists():
                row = {"file": name, "seed": seed, "truncation": settings["truncation"], "model": settings["model"]}
                rows[category, seed] = row | ({"category": category} if category else {})
        write_text(dest / SAMPLES_TABLE, "".join(json.dumps(rows[key]) + "\n" for key in sorted(rows)))
