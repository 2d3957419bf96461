"""Select samples: drop copies of training pictures, failures and near-duplicates; write a page to choose by hand.

python -m generate curate samples chosen --keep 384 --train prepared
"""

from __future__ import annotations

from pathlib import Path

import click

from generate.advice import title_option, to_bucket
from generate.folders import find_training_origin
from generate.images import beside
from generate.shared_options import device_option, training_option
from generate.units import Number

PAGE = "contact-sheet.html"


class Names(click.ParamType[list[str]]):
    """A text file of picture paths, one per line; empty lines and lines that start with "# " are ignored."""

    name = "file"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        try:
            lines = Path(value).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            self.fail(f"{value!r} can't be read as a list of pictures ({error}): save one from {PAGE}.", param, ctx)
        return [line.strip() for line in lines if line.strip() and not line.startswith("# ")]


@click.command()
@click.argument("samples", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", type=click.IntRange(1), default=384, show_default=True, help="Maximum number of pictures.")
@training_option
@click.option(
    "--max-similarity",
    type=Number(0, 1),
    help="Similarity above which a picture is a copy or duplicate.  [default: that of the closest 1 % of training pictures]",
)
@click.option(
    "--worst",
    type=Number(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="Fraction to drop as least realistic.",
)
@click.option(
    "--mix",
    type=click.Choice(["equal", "proportional"]),
    default="equal",
    show_default=True,
    help="equal: the same number from each category. proportional: as in SAMPLES.",
)
@click.option("--reject", type=Names(), help="File that lists pictures to drop; the next ones replace them.")
@click.option("--keep-list", type=Names(), help="File that lists exactly the pictures to keep.")
@device_option
def command(
    samples: Path,
    dest: Path,
    keep: int,
    training: Path | None,
    max_similarity: float | None,
    worst: float,
    mix: str,
    reject: list[str] | None,
    keep_list: list[str] | None,
    device: str,
) -> None:
    """Drop copies, failures and near-duplicates among samples.

    Drops copies of training pictures, then the least realistic and all that look like noise beside the training pictures,
    then near-duplicates of better ones. Fills each category's share with the most realistic of the rest (without --train, which
    tells realistic from merely common ones, in the order of their names), and copies them to DEST; SAMPLES is not changed.
    DEST/curation.csv gives the verdict on each picture and the reason. Open DEST/contact-sheet.html in a browser to
    choose by hand, and save the list for --reject or --keep-list.

    \b
    Example:
      python -m generate curate samples chosen --keep 384 --train prepared
    """
    from generate.measuring.contact_sheet import write_page, write_sheet
    from generate.measuring.curation import curate_folder

    curated = curate_folder(
        samples,
        dest,
        keep=keep,
        training=training,
        max_similarity=max_similarity,
        worst=worst,
        mix=mix,
        reject=reject or (),
        keep_list=keep_list,
        device=device,
    )
    write_page(dest / PAGE, curated, samples, training)
    sheet = beside(dest, "-sheet.png")  # not inside DEST, which is published
    write_sheet(sheet, curated, samples, training)
    click.echo(f"{curated.summary()}, in {dest}")
    found = curated.resemblance
    if warning := curated.warning():
        cure = "Train longer, or check that --train names the pictures the model was trained on."
        click.echo(f"Warning: {warning}. {cure}", err=True)
    if not training:
        click.echo(
            "Not compared with training pictures: give the prepared pictures with --train, and copies of them are dropped."
        )
    click.echo(f"Look at {dest / PAGE} in a browser, or at {sheet}.")
    if not curated.kept and keep_list is None:
        click.echo(
            "Nothing is left to publish: train on more pictures or for longer, or say with --max-similarity 1 and --worst 0 "
            "that copies, duplicates and failures may stay.",
            err=True,
        )
    if curated.kept and not (found and found.too_far):
        if origin := find_training_origin(dest, [dest / verdict.file for verdict in curated.kept]):
            click.echo(f"No pictures of a generator: {origin}. Draw some with `python -m generate sample`.", err=True)
            return
        named = title_option(any(verdict.category for verdict in curated.kept))
        click.echo(f"Next: {to_bucket('publish', dest, 'bucket', *named)}")
