"""Visualise the latent space of a generator: an interpolation video, style mixing, principal directions.

python -m generate explore runs/mine explored
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from generate.advice import command_line
from generate.devices import choose_device
from generate.model.fetching import ModelPath
from generate.shared_options import category_option, device_option, truncation_option
from generate.units import Number, Seeds


@click.command()
@click.argument("model", type=ModelPath())
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--seeds", type=Seeds(), default="0-9", show_default=True, help="Seeds to interpolate between, two or more."
)
@click.option(
    "--seconds",
    type=Number(0.1, 60),
    default=2.0,
    show_default=True,
    help="Duration from one seed to the next.",
)
@click.option(
    "--directions", type=click.IntRange(1, 64), default=8, show_default=True, help="Number of principal directions."
)
@truncation_option
@category_option
@device_option
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
    """Visualise the latent space of a generator.

    MODEL is one that `sample` takes. Writes to DEST: interpolation.mp4, from seed to seed and back to
    the first; mixing.png, half of the first twelve seeds with the colours of the other half; and directions.png, the
    effect of the principal directions.

    \b
    Example:
      python -m generate explore runs/mine explored --seeds 0-9
    """
    if len(seeds) < 2:
        raise click.BadParameter("One seed leads nowhere: give two or more, as in 0-9.", param_hint="--seeds")
    from generate.model.exploring import explore
    from generate.model.opening import open_model

    loaded = open_model(model, choose_device(device))
    explore(loaded, dest, seeds, categories, seconds=seconds, directions=directions, truncation=truncation)
    click.echo(f"In {dest}: interpolation.mp4, mixing.png, directions.png.")
    click.echo(f"Next: {command_line('sample', model, 'samples', '--count', 384)}")
