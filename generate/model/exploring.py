"""Write what `explore` shows: an interpolation video, a sheet of style mixing, and principal directions.

from generate.model.opening import open_model
explore(open_model("runs/mine"), Path("explored"), seeds=range(10))
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import matplotlib.figure
import numpy as np
from torch import Tensor
from tqdm import tqdm

from generate.figures import save_figure, write_video
from generate.folders import check_dest
from generate.images import write_text
from generate.model.family import Directions, Model, Point, labels_of

RECORD = "explore.json"
BATCH = 8  # frames in memory, each with noise as large as itself
FRAMES_PER_S = 24
MIN_SIDE = 256  # px; players don't enlarge small videos
MAX_MIXED = 6  # rows and columns of the sheet of style mixing
STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # standard deviations


def explore(
    model: Model,
    dest: Path,
    seeds: Sequence[int],
    categories: Sequence[str] = (),
    *,
    seconds: float = 2.0,
    directions: int = 8,
    truncation: float = 1.0,
) -> None:
    """Write dest/interpolation.mp4, mixing.png and directions.png, and before them the options as dest/explore.json.

    The seeds of a conditional model take turns through `categories` (default: all); the directions are those of the first
    one. Raises click.ClickException for unknown categories, and for a `dest` with other content.
    """
    check_dest(dest, RECORD)
    names = model.choose(categories)
    options = {"model": model.sha256, "seeds": list(seeds), "categories": list(names), "seconds": seconds}
    options |= {"directions": directions, "truncation": truncation}
    labels = labels_of(model, [names[i % len(names)] for i in range(len(seeds))] if names else [])
    points = model.points(seeds, labels)
    found = model.directions(directions, labels[0] if labels else None)
    write_text(dest / RECORD, json.dumps(options, indent=2) + "\n")
    write_video(dest / "interpolation.mp4", _frames(model, points, seconds, truncation), FRAMES_PER_S)
    half = min(MAX_MIXED, (len(points) + 1) // 2)
    _draw_mixing(dest / "mixing.png", model, points[:half], points[half : half + MAX_MIXED], truncation)
    _draw_directions(dest / "directions.png", model, points[0], found, truncation)


def walk(model: Model, points: Sequence[Point], steps: int) -> Iterator[Point]:
    """Yield a closed path through all points, with `steps` points from each to the next.

    Cosine easing: the path slows down near every point.
    """
    for one, other in pairwise([*points, points[0]]):
        for step in range(steps):
            yield model.between(one, other, (1 - math.cos(math.pi * step / steps)) / 2)


def _frames(model: Model, points: Sequence[Point], seconds: float, truncation: float) -> Iterator[np.ndarray]:
    """Yield the video's frames (H, W, 3). Small pictures are enlarged by an integer factor."""
    steps = max(1, round(seconds * FRAMES_PER_S))
    path = walk(model, points, steps)
    scale = max(1, MIN_SIDE // model.size)
    with tqdm(total=len(points) * steps, desc="interpolation", unit="frame", disable=None) as bar:
        while batch := list(islice(path, BATCH)):
            for picture in model.draw_points(batch, truncation):
                yield _array(picture).repeat(scale, axis=0).repeat(scale, axis=1)
                bar.update()


def _draw_mixing(path: Path, model: Model, shapes: Sequence[Point], styles: Sequence[Point], truncation: float) -> None:
    """Draw a table: shapes in the left column, styles in the top row, their mixtures in the cells."""
    mixed = model.mix(shapes, styles, truncation)
    left, above = (model.draw_points(points, truncation) for points in (shapes, styles))
    figure = matplotlib.figure.Figure(
        figsize=(1.25 * (len(styles) + 1), 1.25 * (len(shapes) + 1) + 0.4), layout="constrained"
    )
    grid = figure.subplots(len(shapes) + 1, len(styles) + 1, squeeze=False)
    for row, cells in enumerate(grid):
        for column, axes in enumerate(cells):
            axes.axis("off")
            if row and column:
                axes.imshow(_array(mixed[row - 1, column - 1]))
            elif row or column:
                axes.imshow(_array(above[column - 1] if column else left[row - 1]))
    figure.suptitle("Forms from the left, colours and textures from above", fontsize=9)
    save_figure(figure, path)


def _draw_directions(path: Path, model: Model, point: Point, found: Directions, truncation: float) -> None:
    """Draw a row per direction: the picture in the middle, moved along the direction to both sides."""
    count = len(found.components)
    figure = matplotlib.figure.Figure(figsize=(1.25 * len(STEPS) + 1, 1.25 * count + 0.6), layout="constrained")
    grid = figure.subplots(count, len(STEPS), squeeze=False)
    for number, cells in enumerate(grid):
        distances = [step * float(found.deviations[number]) for step in STEPS]
        pictures = model.along(point, found.components[number], distances, truncation)
        for step, axes, picture in zip(STEPS, cells, pictures, strict=True):
            axes.imshow(_array(picture))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if number == 0:
                axes.set_title(f"{step:+g} sd" if step else "as it is", fontsize=8)
        cells[0].set_ylabel(f"{number + 1}: {found.shares[number]:.1%}", fontsize=8)
    figure.suptitle("Principal directions of an early layer, and their share of its variance", fontsize=9)
    save_figure(figure, path)


def _array(picture: Tensor) -> np.ndarray:
    """(3, H, W) -> (H, W, 3)."""
    return picture.permute(1, 2, 0).numpy()
