"""Publish a folder of pictures as a bucket's new release, atomically.

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
    help='Title of the site.  [default: that of the live release, else "This <Category|Stuff> Does Not Exist"]',
)
@click.option(
    "--description", help="A sentence for the site's pages and search engines.  [default: that of the live release]"
)
@click.option(
    "--live",
    type=click.Path(path_type=Path),
    help="Run or generator.safetensors to publish for /live, where browsers draw with it.  [default: none]",
)
@click.option(
    "--real",
    type=click.Path(path_type=Path),
    help="Folder of training pictures for the game “Which one is real?”.  [default: no game]",
)
@click.option(
    "--count", type=click.IntRange(1, 256), default=64, show_default=True, help="Maximum number of --real pictures."
)
@click.option("--keep", type=click.IntRange(1), help="Then delete all but the KEEP newest releases.")
@click.option(
    "--yes",
    is_flag=True,
    help="Publish even training pictures, pictures of unknown licence, and a size or categories unlike the live release's.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and print what would be published; write nothing.")
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

    First-level folders of SAMPLES are categories. BUCKET is a folder or gs://bucket[/prefix]. Visitors see the old
    release until the new one is complete. A rerun resumes, or changes nothing if the release is complete. --keep never
    deletes the live release or one replaced less than a day ago.

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
