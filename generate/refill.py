"""Sample, curate and publish new pictures in one command, for cron.

python -m generate refill runs/mine gs://my-pictures --count 384
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from generate.model.fetching import ModelPath
from generate.shared_options import (
    batch_size_option,
    category_option,
    device_option,
    precision_option,
    training_option,
    truncation_option,
)
from generate.units import Categories, Duration


@click.command()
@click.argument("run", type=ModelPath())
@click.argument("bucket")
@click.option("--count", type=click.IntRange(1), default=384, show_default=True, help="Number of new pictures.")
@click.option("--add", is_flag=True, help="Add the new pictures to those of the live release.")
@click.option("--title", help="Title of the site.  [default: that of the live release]")
@click.option("--description", help="A sentence for the site's pages.  [default: that of the live release]")
@truncation_option
@training_option
@click.option(
    "--curate/--no-curate", default=True, show_default=True, help="Draw 1.5 times COUNT and leave out the bad ones."
)
@click.option(
    "--recognise",
    is_flag=True,
    help="Classify each picture and publish it in the category of that name.",
)
@category_option
@click.option(
    "--categories",
    "some",
    type=Categories(),
    help="A number of categories to choose at random, or their names: 60, or pineapple,hedgehog. Drops poor ones.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed for choosing the random categories."
)
@batch_size_option
@precision_option
@device_option
@click.option(
    "--live/--no-live",
    default=None,
    help="Also publish the generator for /live, where browsers draw with it.  [default: as the live release]",
)
@click.option(
    "--real",
    type=click.Path(path_type=Path),
    help="Folder of training pictures; publishes 64 for the game “Which one is real?”.  [default: those of the live release]",
)
@click.option("--keep", type=click.IntRange(1), help="Then delete all but the KEEP newest releases.")
@click.option("--every", type=Duration(), help="Repeat at this interval: 30m, 24h, 7d.")
@click.option(
    "--yes",
    is_flag=True,
    help="Publish even samples that barely resemble training pictures, real pictures of unknown licence, and a size or "
    "categories unlike the live release's.",
)
def command(
    run: Path,
    bucket: str,
    every: float | None,
    categories: tuple[str, ...],
    some: int | list[str] | None,
    **options: Any,
) -> None:
    """Sample, curate and publish in one command.

    RUN is a MODEL that `sample` takes; BUCKET a folder or gs://bucket[/prefix]. COUNT is the total over
    all categories. Seeds start after the highest one published, so every picture is new. Drops the least realistic
    samples and near-duplicates; with --train also drops copies of training pictures, and stops if samples barely
    resemble them. A rerun resumes. Only one refill of a run can be active.

    With --category or --categories, drops poor and mode-collapsed categories, prints why, and fills COUNT from the
    others; --no-curate keeps them. docs/categories.md defines poor.

    \b
    Example:
      python -m generate refill runs/mine gs://my-pictures --count 384 --train prepared
      python -m generate refill runs/mine gs://my-pictures --count 3600 --categories 60 --seed 1
    """
    if categories and some:
        raise click.UsageError("Give --category or --categories, not both.")
    from gallery.bucket import Conflict, Unavailable
    from generate.releasing.refilling import refill
    from generate.releasing.summary import summarize

    while True:
        started = time.monotonic()
        try:
            for line in summarize(refill(run, bucket, categories=some or categories, **options), bucket):
                click.echo(line)
        except (Unavailable, Conflict) as error:  # transient: try again at the next interval
            if every is None:
                raise
            click.echo(f"Not refilled this time: {error}", err=True)
        if every is None:
            return
        time.sleep(max(0.0, started + every - time.monotonic()))
