"""Name what pictures show, and file them into folders of these names: the categories of a site that nobody labelled.

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
    help="How many of a picture's likeliest names the table keeps; the site shows them.",
)
@device_option
def command(pictures: Path, dest: Path, threshold: float, top_count: int, device: str) -> None:
    """Name what pictures show, and file them into folders of these names.

    A network that was trained on ImageNet's 1,000 categories (EfficientNet-lite0) looks at each picture. Kinds of one
    thing are added up: a picture that is 36 % a tabby cat and 25 % a tiger cat is 61 % a cat. A picture is copied to
    DEST/<name>/ if one name is as likely as THRESHOLD, else to DEST/thing/. DEST/samples.jsonl has a line for each
    picture with its likeliest names, and `publish` puts them below the picture: "87 % a pineapple, 6 % a hedgehog".
    PICTURES stays as it is. A rerun looks only at pictures that are new or were changed.

    \b
    Example:
      python -m generate recognise samples named
    """
    from generate.releasing.filing import file_pictures

    filed = file_pictures(pictures, dest, threshold=threshold, top_count=top_count, device=device)
    click.echo(f"{filed.summary()}, in {dest}")
    click.echo(f"Next: {to_bucket('publish', dest, 'bucket')}")
