"""Refill the bucket of a live site: draw new pictures and publish them, in one command that cron can run.

python -m generate refill runs/mine gs://my-pictures --count 384
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from generate.shared_options import (
    batch_size_option,
    device_option,
    precision_option,
    training_option,
    truncation_option,
)
from generate.units import Duration


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("bucket")
@click.option("--count", type=click.IntRange(1), default=384, show_default=True, help="How many new pictures.")
@click.option("--add", is_flag=True, help="Keep the live release's pictures and add to them, instead of replacing.")
@click.option("--title", help="Of the site; default the live release's.")
@click.option("--description", help="A sentence for the site's pages; default the live release's.")
@truncation_option
@training_option
@click.option(
    "--curate/--no-curate", default=True, show_default=True, help="Draw half as many more and publish the best."
)
@batch_size_option
@precision_option
@device_option
@click.option("--keep", type=click.IntRange(1), help="Afterwards delete all but the KEEP newest releases.")
@click.option("--every", type=Duration(), help="Go on for ever, once in that time: 30m, 24h, 7d.")
def command(run: Path, bucket: str, every: float | None, **options: Any) -> None:
    """Sample, curate and publish in one: refill the bucket of a live site.

    RUN is a run folder or a generator.safetensors, BUCKET a folder or gs://bucket[/prefix]. Seeds continue
    after the highest one in any release that the bucket keeps, so the pictures are new. The least realistic and near-duplicates are left out,
    and with --train copies of training pictures too. COUNT pictures are published whatever the number of categories.
    Run again after an interruption, it continues; a second one started meanwhile stops with a sentence.

    \b
    Example:
      python -m generate refill runs/mine gs://my-pictures --count 384 --train prepared
    """
    from gallery.bucket import Conflict, Unavailable
    from generate.releasing.publishing import summarize
    from generate.releasing.refilling import refill

    while True:
        started = time.monotonic()
        try:
            for line in summarize(refill(run, bucket, **options), bucket):
                click.echo(line)
        except (Unavailable, Conflict) as error:  # what the next time may mend
            if every is None:
                raise
            click.echo(f"Not refilled this time: {error}", err=True)
        if every is None:
            return
        time.sleep(max(0.0, started + every - time.monotonic()))
