"""Classify pictures and copy them into a folder for each name: categories without labelling by hand.

python -m generate recognise samples named
"""

from __future__ import annotations

from pathlib import Path

import click

from generate.advice import to_bucket
from generate.shared_options import device_option, threshold_option


@click.command()
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@threshold_option
@click.option(
    "--top",
    "top_count",
    type=click.IntRange(1, 10),
    default=3,
    show_default=True,
    help="Number of names to record for a picture; the site shows them.",
)
@device_option
def command(pictures: Path, dest: Path, threshold: float, top_count: int, device: str) -> None:
    """Classify pictures and sort them into categories.

    Uses EfficientNet-lite0 trained on ImageNet's 1,000 categories, and adds up kinds of one thing: 36 % tabby cat and
    25 % tiger cat make 61 % cat. Copies a picture to DEST/<name>/ if a name is at least as probable as THRESHOLD, else
    to DEST/thing/. DEST/samples.jsonl records the top names of each picture, and the site shows them: "87 % a pineapple,
    6 % a hedgehog". PICTURES is not changed. A rerun classifies only new and changed pictures.

    \b
    Example:
      python -m generate recognise samples named
    """
    from generate.releasing.filing import file_pictures

    filed = file_pictures(pictures, dest, threshold=threshold, top_count=top_count, device=device)
    click.echo(f"{filed.summary()}, in {dest}")
    click.echo(f"Next: {to_bucket('publish', dest, 'bucket')}")
