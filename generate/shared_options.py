"""Options that several commands have, so that they mean the same everywhere: `@device_option` above a command."""

from __future__ import annotations

from pathlib import Path

import click

from generate.devices import PRECISIONS
from generate.units import BatchSize

device_option = click.option("--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps or cpu.")
precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="auto: bf16 where the hardware computes it, else fp32. fp32 gives the same pictures on every device.",
)
batch_size_option = click.option("--batch-size", type=BatchSize(), default="auto", show_default=True)
truncation_option = click.option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Below 1: fewer odd pictures, less variety.",
)
category_option = click.option(
    "--category",
    "categories",
    multiple=True,
    help="Draw only this one of the model's categories; repeatable.  [default: all]",
)
training_option = click.option(
    "--train",
    "training",
    type=click.Path(path_type=Path),
    help="The prepared pictures the model was trained on; copies of them are left out.",
)
threshold_option = click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.6,
    show_default=True,
    help="How likely a name must be; a picture without one is called a thing.",
)
