"""Options shared by several commands, such as `@device_option`."""

from __future__ import annotations

from pathlib import Path

import click

from generate.devices import PRECISIONS
from generate.units import BatchSize, Number

device_option = click.option("--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps or cpu.")
precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="auto: bf16 if the hardware supports it, else fp32. fp32 gives the same pictures on every device.",
)
batch_size_option = click.option("--batch-size", type=BatchSize(), default="auto", show_default=True)
truncation_option = click.option(
    "--truncation",
    type=Number(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Below 1: more typical samples, less diversity.",
)
category_option = click.option(
    "--category",
    "categories",
    multiple=True,
    help="Draw only this category; repeatable.  [default: all]",
)
training_option = click.option(
    "--train",
    "training",
    type=click.Path(path_type=Path),
    help="The prepared training pictures; drops samples that copy them.",
)
threshold_option = click.option(
    "--threshold",
    type=Number(0, 1, min_open=True),
    default=0.6,
    show_default=True,
    help="Minimum probability of a name; below it a picture is a thing.",
)
