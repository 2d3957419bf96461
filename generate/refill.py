"""Refill the bucket of a live site: draw, curate and publish new pictures in one command that cron can run.

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
@click.option("--count", type=click.IntRange(1), default=384, show_default=True, help="How many new pictures.")
@click.option("--add", is_flag=True, help="Keep the live release's pictures and add the new ones.")
@click.option("--title", help="Title of the site; default the live release's.")
@click.option("--description", help="A sentence for the site's pages; default the live release's.")
@truncation_option
@training_option
@click.option(
    "--curate/--no-curate", default=True, show_default=True, help="Draw half as many more and publish the best of them."
)
@click.option(
    "--recognise",
    is_flag=True,
    help="Name what each picture shows, and publish it in the category of that name.",
)
@category_option
@click.option(
    "--categories",
    "some",
    type=Categories(),
    help="So many of the model's categories, chosen at random, or these: 60, or pineapple,hedgehog. Poor ones are left out.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Chooses the random categories.")
@batch_size_option
@precision_option
@device_option
@click.option(
    "--live/--no-live",
    default=None,
    help="Publish the generator too, for visitors' browsers to draw with on /live.  [default: as the live release]",
)
@click.option(
    "--real",
    type=click.Path(path_type=Path),
    help="Training pictures, of which 64 are published for the game “Which one is real?”.  [default: those of the live release]",
)
@click.option("--keep", type=click.IntRange(1), help="Afterwards delete all but the KEEP newest releases.")
@click.option("--every", type=Duration(), help="Repeat for ever, once in this time: 30m, 24h, 7d.")
@click.option(
    "--yes",
    is_flag=True,
    help="Publish pictures that barely resemble the training pictures, real ones of unknown licence, and another size or "
    "other categories than are live.",
)
def command(
    run: Path,
    bucket: str,
    every: float | None,
    categories: tuple[str, ...],
    some: int | list[str] | None,
    **options: Any,
) -> None:
    """Sample, curate and publish in one: refill the bucket of a live site.

    RUN is a run folder or a file that `sample` takes, BUCKET a folder or gs://bucket[/prefix]. Seeds continue
    after the highest one in any release that the bucket keeps, so the pictures are new. The least realistic and near-duplicates are left out;
    with --train copies of training pictures too, and pictures that barely resemble them are refused. COUNT is the
    number of pictures in all categories together. With --recognise they are named as `recognise` does it, whatever
    categories the model has. A rerun after an interruption continues; a second refill from the
    same run stops while the first is running.

    Of --category and --categories, those are left out whose pictures are poor or all alike, unless --no-curate: a table
    says which and why, and the others fill COUNT. docs/categories.md says what poor means without --train.

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
        except (Unavailable, Conflict) as error:  # which may have passed by the next time
            if every is None:
                raise
            click.echo(f"Not refilled this time: {error}", err=True)
        if every is None:
            return
        time.sleep(max(0.0, started + every - time.monotonic()))
