"""See what a generator has learnt: a video from picture to picture, a table of mixtures, and its principal directions.

python -m generate explore runs/mine explored
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click
import matplotlib.figure
import numpy as np
from torch import Tensor
from tqdm import tqdm

from generate.devices import choose_device
from generate.figures import save_figure, write_video
from generate.model.generator import Model, load_generator
from generate.model.latent import (
    BATCH,
    Directions,
    Point,
    along,
    draw_points,
    mixtures,
    points_of,
    principal_directions,
    walk,
)
from generate.units import Seeds

FRAMES_PER_S = 24
LEAST_SIDE = 256  # of the video, which players don't enlarge
MIXED = 6  # forms and colours at most: a sheet is to be looked at
STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # standard deviations


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--seeds", type=Seeds(), default="0-9", show_default=True, help="The pictures to begin from, two or more."
)
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=2.0, show_default=True, help="From one to the next.")
@click.option("--directions", type=click.IntRange(1, 64), default=8, show_default=True, help="How many to look for.")
@click.option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="As of `sample`.",
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    help="Only this one of the model's categories; may be repeated.  [default: all take turns]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps or cpu.")
def command(
    model: Path,
    dest: Path,
    seeds: Sequence[int],
    seconds: float,
    directions: int,
    truncation: float,
    categories: Sequence[str],
    device: str,
) -> None:
    """Look at what a generator has learnt.

    MODEL is a run folder, a generator.safetensors, or a model_N.pt of the lightweight_gan command. DEST gets
    interpolation.mp4, a walk from seed to seed and back to the first; mixing.png, half of the first twelve seeds in the
    colours of the other half; and directions.png, what changes along the directions in which pictures differ most.

    \b
    Example:
      python -m generate explore runs/mine explored --seeds 0-9
    """
    if len(seeds) < 2:
        raise click.BadParameter("One seed leads nowhere: give two or more, as in 0-9.", param_hint="--seeds")
    loaded = load_generator(model, choose_device(device))
    explore(loaded, dest, seeds, categories, seconds=seconds, directions=directions, truncation=truncation)
    click.echo(f"In {dest}: interpolation.mp4, mixing.png, directions.png.")
    click.echo(f"Next: python -m generate sample {model} samples --count 384")


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
    """Write dest/interpolation.mp4, mixing.png and directions.png.

    Of a model of several categories, those asked for, or all of them, take turns over the seeds, and the directions
    are those of the first one. Raises click.ClickException for categories that it does not know.
    """
    names = model.choose(categories)
    points = points_of(model, seeds, [names[i % len(names)] for i in range(len(seeds))] if names else ())
    found = principal_directions(model.generator, directions, model.categories.index(names[0]) if names else None)
    dest.mkdir(parents=True, exist_ok=True)
    write_video(dest / "interpolation.mp4", _frames(model, points, seconds, truncation), FRAMES_PER_S)
    half = min(MIXED, (len(points) + 1) // 2)
    _draw_mixing(dest / "mixing.png", model, points[:half], points[half : half + MIXED], truncation)
    _draw_directions(dest / "directions.png", model, points[0], found, truncation)


def _frames(model: Model, points: Sequence[Point], seconds: float, truncation: float) -> Iterator[np.ndarray]:
    """Enlarged by whole pixels where they are small."""
    steps = max(1, round(seconds * FRAMES_PER_S))
    way = walk(points, steps)
    scale = max(1, LEAST_SIDE // model.network.size)
    with tqdm(total=len(points) * steps, desc="interpolation", unit="frame", disable=None) as bar:
        while some := list(islice(way, BATCH)):  # no more of them in memory: noise is as large as pictures
            for picture in draw_points(model.generator, some, truncation):
                yield _array(picture).repeat(scale, axis=0).repeat(scale, axis=1)
                bar.update()


def _draw_mixing(path: Path, model: Model, shapes: Sequence[Point], styles: Sequence[Point], truncation: float) -> None:
    """A table: forms on the left, colours above, mixtures where they meet."""
    mixed = mixtures(model.generator, shapes, styles, truncation)
    left, above = (draw_points(model.generator, points, truncation) for points in (shapes, styles))
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
        pictures = along(model.generator, point, found.components[number], distances, truncation)
        for step, axes, picture in zip(STEPS, cells, pictures, strict=True):
            axes.imshow(_array(picture))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if number == 0:
                axes.set_title(f"{step:+g} sd" if step else "as it is", fontsize=8)
        cells[0].set_ylabel(f"{number + 1}: {found.shares[number]:.1%}", fontsize=8)
    figure.suptitle("Principal directions of the first feature map, and their share of its variance", fontsize=9)
    save_figure(figure, path)


def _array(picture: Tensor) -> np.ndarray:
    """(3, H, W) as (H, W, 3)."""
    return picture.permute(1, 2, 0).numpy()
