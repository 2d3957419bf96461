"""The releases a bucket keeps: list them, go back to one, delete old ones.

python -m generate releases gs://my-pictures --rollback
"""

from __future__ import annotations

import shlex

import click

from gallery.bucket import Bucket, open_bucket
from gallery.history import list_releases, prune, roll_back
from generate.units import Duration, size_text

PREVIOUS = "the one before"


@click.command()
@click.argument("bucket")
@click.option(
    "--rollback",
    metavar="[ID]",
    is_flag=False,
    flag_value=PREVIOUS,
    help="Make this release live again; without an ID, the newest one older than the live one.",
)
@click.option("--prune", "keep", type=click.IntRange(1), metavar="N", help="Delete all but the N newest releases.")
@click.option(
    "--grace",
    type=Duration(),
    default="24h",
    show_default=True,
    help="--prune spares what was replaced less than that ago: instances of the site may still show it.",
)
def command(bucket: str, rollback: str | None, keep: int | None, grace: float) -> None:
    """List the releases a bucket keeps, go back to one, or delete old ones.

    BUCKET is a folder or gs://bucket[/prefix]. The live release is never deleted.

    \b
    Example:
      python -m generate releases gs://my-pictures
      python -m generate releases gs://my-pictures --rollback
      python -m generate releases gs://my-pictures --prune 3
    """
    opened = open_bucket(bucket)
    if rollback:
        catalog = roll_back(opened, None if rollback == PREVIOUS else rollback)
        click.echo(f"Release {catalog.release} is live in {bucket}: {catalog.title}, {catalog.count} pictures.")
    if keep:
        deleted = prune(opened, keep, grace)
        click.echo(f"{len(deleted)} releases deleted{': ' if deleted else ''}{', '.join(deleted)}.")
    if not rollback and not keep:
        for line in table(opened):
            click.echo(line)
        click.echo(f"Next: python -m generate releases {shlex.quote(bucket)} --rollback ID, or --prune N")


def table(bucket: Bucket) -> list[str]:
    """A line a release, the newest first."""
    lines = []
    for kept in list_releases(bucket):
        state = "live" if kept.live else "" if kept.catalog else "unfinished"
        if kept.catalog is None:
            lines.append(f"{kept.release:26} {state:10}")
            continue
        counts = ", ".join(f"{category.name} {category.count}" for category in kept.catalog.categories)
        size = size_text(kept.catalog.total_bytes) if kept.catalog.total_bytes else "-"
        lines.append(
            f"{kept.release:26} {state:10} {kept.catalog.created:20} {kept.catalog.count:7} {size:>10}  "
            f"{kept.catalog.title} ({counts})"
        )
    return lines or [f"{bucket.url} keeps no releases."]
