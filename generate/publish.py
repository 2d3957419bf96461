"""Put a folder of pictures into a bucket as its new release; visitors see the old one until it is whole.

python -m generate publish samples gs://my-pictures --title "This Emoji Does Not Exist"
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from generate.releasing.publishing import Published


@click.command()
@click.argument("samples", type=click.Path(path_type=Path))
@click.argument("bucket")
@click.option("--title", help='Of the site; default "This <Category> Does Not Exist", or Stuff if there are many.')
@click.option("--description", help="A sentence for the site's pages and for search engines.")
@click.option("--keep", type=click.IntRange(1), help="Afterwards delete all but the KEEP newest releases.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done; write nothing.")
def command(
    samples: Path, bucket: str, title: str | None, description: str | None, keep: int | None, dry_run: bool
) -> None:
    """Put a folder of pictures into a bucket as its new release.

    SAMPLES' first-level folders are the categories. BUCKET is a folder or gs://bucket[/prefix]. Run again after
    an interruption, it continues; run again after success, it changes nothing. --keep spares the live release, and
    for a day those it has replaced.

    \b
    Example:
      python -m generate publish samples gs://my-pictures --title "This Emoji Does Not Exist"
    """
    from generate.releasing.publishing import summarize

    published = publish(samples, bucket, title=title, description=description, keep=keep, dry_run=dry_run)
    for line in summarize(published, bucket, dry_run):
        click.echo(line)


def publish(
    samples: Path,
    url: str,
    *,
    title: str | None = None,
    description: str | None = None,
    keep: int | None = None,
    dry_run: bool = False,
) -> Published:
    """Make the pictures below `samples` the live release of the bucket at `url`.

    Raises click.ClickException for pictures that can't be published, GalleryError for a bucket that can't
    take them; what is live has not changed then.
    """
    from gallery.bucket import open_bucket
    from gallery.commit import read_pointer
    from generate.releasing.publishing import publish_pictures, read_folder

    bucket = open_bucket(url)
    pointer = read_pointer(bucket)
    groups, title = read_folder(samples, title)
    return publish_pictures(bucket, pointer, groups, title, description or "", keep=keep, dry_run=dry_run)
