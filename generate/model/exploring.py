"""What `explore` writes: a video from picture to picture, a table of mixtures, and principal directions.

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
from generate.model.family import Directions, Model, Point, numbers_of

RECORD = "explore.json"
BATCH = 8  # frames in memory: noise is as large as pictures
FRAMES_PER_S = 24
LEAST_SIDE = 256  # of the video, which players don't enlarge
MIXED = 6  # forms and colours at most: a sheet is to be looked at
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
    """Write dest/interpolation.mp4, mixing.png and directions.png, and before them the options, dest/explore.json.

    Of a model of several categories, those asked for, or all of them, take turns over the seeds, and the directions
    are those of the first one. Raises click.ClickException for categories that it does not know, and for a `dest` with
    other content.
    """
    check_dest(dest, RECORD)
    names = model.choose(categories)
    options = {"model": model.sha256, "seeds": list(seeds), "categories": list(names), "seconds": seconds}
    options |= {"directions": directions, "truncation": truncation}
    numbers = numbers_of(model, [names[i % len(names)] for i in range(len(seeds))] if names else [])
    points = model.points(seeds, numbers)
    found = model.directions(directions, numbers[0] if numbers else None)
    write_text(dest / RECORD, json.dumps(options, indent=2) + "\n")
    write_video(dest / "interpolation.mp4", _frames(model, points, seconds, truncation), FRAMES_PER_S)
    half = min(MIXED, (len(points) + 1) // 2)
    _draw_mixing(dest / "mixing.png", model, points[:half], points[half : half + MIXED], truncation)
    _draw_directions(dest / "directions.png", model, points[0], found, truncation)


def walk(model: Model, points: Sequence[Point], steps: int) -> Iterator[Point]:
    """From each point to the next in so many steps, and back to the first: a way that can be walked again and again.

    The step grows and shrinks, so that the walk rests a little at every point.
    """
    for one, other in pairwise([*points, points[0]]):
        for step in range(steps):
            yield model.between(one, other, (1 - math.cos(math.pi * step / steps)) / 2)


def _frames(model: Model, points: Sequence[Point], seconds: float, truncation: float) -> Iterator[np.ndarray]:
    """Enlarged by whole pixels where they are small."""
    steps = max(1, round(seconds * FRAMES_PER_S))
    way = walk(model, points, steps)
    scale = max(1, LEAST_SIDE // model.size)
    with tqdm(total=len(points) * steps, desc="interpolation", unit="frame", disable=None) as bar:
        while some := list(islice(way, BATCH)):
            for picture in model.draw_points(some, truncation):
                yield _array(picture).repeat(scale, axis=0).repeat(scale, axis=1)
                bar.update()


def _draw_mixing(path: Path, model: Model, shapes: Sequence[Point], styles: Sequence[Point], truncation: float) -> None:
    """A table: forms on the left, colours above, mixtures where they meet."""
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
    """A row a direction: the same picture in the middle, moved to both sides."""
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
    """(3, H, W) as (H, W, 3)."""
    return picture.permute(1, 2, 0).numpy()
