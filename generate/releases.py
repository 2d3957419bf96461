"""List the releases that a bucket keeps, roll back to one, delete old ones.

python -m generate releases gs://my-pictures --rollback
"""

from __future__ import annotations

from collections import Counter

import click

from gallery.bucket import Bucket, open_bucket
from gallery.commit import read_pointer
from gallery.history import LIVE, NEWEST, RECENT, UNREADABLE, list_releases, prune, reasons_to_keep, roll_back
from generate.units import Duration, duration_text, plural, shell_path, size_text

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
    type=Duration(least_s=0),
    default="24h",
    show_default=True,
    help="--prune keeps releases replaced more recently than this; a site may still show them.",
)
def command(bucket: str, rollback: str | None, keep: int | None, grace: float) -> None:
    """List the releases that a bucket keeps, roll back to one, or delete old ones.

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
        click.echo(f"{plural(len(deleted), 'release')} deleted: {', '.join(deleted) or why_none(opened, keep, grace)}.")
    if not rollback and not keep:
        for line in table(opened):
            click.echo(line)


def why_none(bucket: Bucket, keep: int, grace_s: float) -> str:
    """Why prune had nothing to delete."""
    spared = Counter(reasons_to_keep(bucket, keep, grace_s).values())
    reasons = {
        LIVE: "1 is live",
        UNREADABLE: f"{spared[UNREADABLE]} unreadable (damaged, or of a newer version)",
        NEWEST: f"{spared[NEWEST]} of the {keep} newest",
        RECENT: f"{spared[RECENT]} replaced or begun less than {duration_text(grace_s)} ago (--grace 0 deletes those now)",
    }
    return ", ".join(text for reason, text in reasons.items() if spared[reason]) or "the bucket keeps none"


def table(bucket: Bucket) -> list[str]:
    """One line per release, newest first, then the `Next:` line."""
    pointer = read_pointer(bucket)
    releases = list_releases(bucket, pointer)
    lines = []
    for kept in releases:
        state = "live" if kept.live else "" if kept.catalog else "unreadable" if kept.damage else "unfinished"
        if kept.catalog is None:
            lines.append(f"{kept.release:26} {state:10} {kept.damage}".rstrip())
            continue
        counts = ", ".join(f"{category.name} {category.count}" for category in kept.catalog.categories)
        size = size_text(kept.catalog.total_bytes) if kept.catalog.total_bytes else "-"
        lines.append(
            f"{kept.release:26} {state:10} {kept.catalog.created:20} {kept.catalog.count:7} {size:>10}  "
            f"{kept.catalog.title} ({counts})"
        )
    whole = [kept for kept in releases if kept.catalog]
    if pointer.damage:
        lines.append(f"None of them is known to be live: {pointer.damage}")
    if pointer.live and not any(kept.live for kept in releases):
        lines.append(
            f"The live release {pointer.live.release} is not in the bucket: roll back to another, or publish again."
        )
    if not releases:
        return [*lines, f"{bucket.url} keeps no releases: fill it with refill or publish."]
    if older := [kept.release for kept in whole if not kept.live]:
        lines.append(f"Next: python -m generate releases {shell_path(bucket.url)} --rollback {older[0]}")
    return lines
