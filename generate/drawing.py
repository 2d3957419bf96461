"""Pictures from a generator into a folder, one file a seed: what `sample` and `refill` share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from generate.generator import Model, draw_pictures
from generate.images import atomic_path, write_text

ROWS = "samples.jsonl"


def draw_folder(
    model: Model,
    dest: Path,
    seeds: Sequence[int],
    *,
    batch_size: int = 16,
    truncation: float = 1.0,
    format: str = "jpg",
    quality: int = 90,
) -> None:
    """Write dest/<seed>.<format> for every seed and dest/samples.jsonl, a row a picture: file, seed, truncation, model.

    The next batch is computed while threads encode and write the last one. Pictures that are there already
    are kept, which continues an interrupted run; click.ClickException where they were drawn otherwise.
    """
    how = {"truncation": truncation, "model": model.sha256, "format": format, "quality": quality}
    _check_same_drawing(dest, how)
    missing = [seed for seed in seeds if not (dest / file_name(seed, format)).exists()]

    with (
        ThreadPoolExecutor(8) as pool,
        tqdm(total=len(seeds), initial=len(seeds) - len(missing), desc="sample", unit="picture", disable=None) as bar,
    ):
        writing: list[Future[None]] = []
        for start in range(0, len(missing), batch_size):
            batch = missing[start : start + batch_size]
            pictures = draw_pictures(model.generator, batch, batch_size, truncation)
            for done in writing:  # of the batch before: at most two are in memory
                done.result()
            paths = [dest / file_name(seed, format) for seed in batch]
            writing = [
                pool.submit(_write, picture, path, quality) for picture, path in zip(pictures, paths, strict=True)
            ]
            bar.update(len(batch))
        for done in writing:
            done.result()
    _write_rows(dest, seeds, format, how)


def file_name(seed: int, format: str) -> str:
    """The seed is the file's identity."""
    return f"{seed:07d}.{format}"


def _check_same_drawing(dest: Path, how: dict[str, object]) -> None:
    options = dest / "samples.json"
    if options.exists():
        before = json.loads(options.read_text())
        for name, value in how.items():
            if before.get(name) != value:
                raise click.ClickException(
                    f"{dest} holds samples of {name} {before.get(name)}, not {value}: choose another DEST or delete that one."
                )
    write_text(options, json.dumps(how, indent=2) + "\n")


def _write(picture: Tensor, path: Path, quality: int) -> None:
    image = Image.fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()))
    kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[path.suffix[1:]]
    with atomic_path(path) as temporary:
        image.save(temporary, kind, quality=quality)


def _write_rows(dest: Path, seeds: Sequence[int], format: str, how: dict[str, object]) -> None:
    """Add this run's rows to those of earlier ones, in the order of their seeds."""
    rows: dict[int, dict[str, object]] = {}
    if (dest / ROWS).exists():
        rows = {row["seed"]: row for row in map(json.loads, (dest / ROWS).read_text().splitlines())}
    for seed in seeds:
        rows[seed] = {
            "file": file_name(seed, format),
            "seed": seed,
            "truncation": how["truncation"],
            "model": how["model"],
        }
    write_text(dest / ROWS, "".join(json.dumps(rows[seed]) + "\n" for seed in sorted(rows)))
