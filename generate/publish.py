"""Publish a folder of pictures as a bucket's new release; visitors see the old one until the new one is complete.

python -m generate publish samples gs://my-pictures --title "This Emoji Does Not Exist"
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from generate.releasing.live import BrowserModel
    from generate.releasing.publishing import Published


@click.command()
@click.argument("samples", type=click.Path(path_type=Path))
@click.argument("bucket")
@click.option(
    "--title",
    help='Title of the site; default the live release\'s, else "This <Category> Does Not Exist", or Stuff if there are many.',
)
@click.option(
    "--description", help="A sentence for the site's pages and for search engines; default the live release's."
)
@click.option(
    "--live",
    type=click.Path(path_type=Path),
    help="The run, or generator.safetensors, that visitors' browsers draw with on the page /live.  [default: no such page]",
)
@click.option(
    "--real",
    type=click.Path(path_type=Path),
    help="Training pictures, of which some are published for the game “Which one is real?”.  [default: no game]",
)
@click.option("--count", type=click.IntRange(1, 256), default=64, show_default=True, help="How many of them, at most.")
@click.option("--keep", type=click.IntRange(1), help="Afterwards delete all but the KEEP newest releases.")
@click.option(
    "--yes",
    is_flag=True,
    help="Publish training pictures too, also of unknown licence, and other sizes or categories than are live.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done; write nothing.")
def command(
    samples: Path,
    bucket: str,
    title: str | None,
    description: str | None,
    live: Path | None,
    real: Path | None,
    count: int,
    keep: int | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Publish a folder of pictures as a bucket's new release.

    SAMPLES' first-level folders are the categories. BUCKET is a folder or gs://bucket[/prefix]. A rerun after an
    interruption continues; a rerun after success changes nothing. --keep never deletes the live release, nor any
    that was replaced less than a day ago.

    \b
    Example:
      python -m generate publish samples gs://my-pictures --title "This Emoji Does Not Exist"
    """
    from generate.releasing.summary import summarize

    published = publish(
        samples,
        bucket,
        title=title,
        description=description,
        live=live,
        real=real,
        count=count,
        keep=keep,
        yes=yes,
        dry_run=dry_run,
    )
    for line in summarize(published, bucket, dry_run):
        click.echo(line)


def publish(
    samples: Path,
    url: str,
    *,
    title: str | None = None,
    description: str | None = None,
    live: Path | None = None,
    real: Path | None = None,
    count: int = 64,
    keep: int | None = None,
    yes: bool = False,
    dry_run: bool = False,
) -> Published:
    """Make the pictures below `samples` the live release of the bucket at `url`, with the generator of the run `live`,
    and `count` of the training pictures in the folder `real` for the game.

    Title and description default to those of the live release. Raises click.ClickException for pictures that can't
    be published, and without `yes` for training pictures, for `real` ones of unknown licence, and for another size or other categories than are live;
    GalleryError for a bucket that can't take them. The live release has not changed then.
    """
    from gallery.bucket import open_bucket
    from gallery.commit import read_pointer
    from generate.releasing.publishing import (
        check_same_site,
        publish_pictures,
        read_folder,
        refuse_training_pictures,
        words_for,
    )
    from generate.releasing.real import choose_real

    bucket = open_bucket(url)
    pointer = read_pointer(bucket)
    site, title, description = words_for(bucket, pointer, title, description)
    if not yes:
        refuse_training_pictures(samples)
    groups, title = read_folder(samples, title)
    if not yes:
        check_same_site(url, site, [category for category, _ in groups], groups[0][1][0].size, title)
    browser = _browser_model(live, title, samples) if live else None
    chosen = choose_real(real, groups, count, yes) if real else ()
    return publish_pictures(
        bucket, pointer, groups, title, description, keep=keep, dry_run=dry_run, browser=browser, real=chosen
    )


def _browser_model(run: Path, title: str, samples: Path) -> BrowserModel:
    from generate.model.opening import open_model
    from generate.releasing.live import browser_model
    from generate.releasing.naming import read_names

    home = run if run.is_dir() else run.parent
    return browser_model(open_model(run), home.resolve().name, title, read_names(samples))
