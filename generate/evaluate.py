"""Measure the quality and diversity of a generator, or of a folder of samples, against the training pictures.

python -m generate evaluate runs/mine prepared
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from generate.advice import command_line, title_option, to_bucket
from generate.devices import choose_device
from generate.folders import check_dest
from generate.images import beside, category_of, find_pictures, write_text
from generate.measuring.verdicts import CURATION_TABLE, EVALUATION, MIN_PICTURES
from generate.model.fetching import ModelPath
from generate.shared_options import device_option, precision_option, truncation_option

NETWORKS = ("lite0", "inception", "dinov2")  # EfficientNet-lite0, and those of `load_extractor`
WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl")  # what a folder of samples does not hold
FIRST_SEED = 1_000_000  # above the seeds that are usually published
MEANING = {
    "frechet": "Frechet distance, 0 is best; larger with fewer pictures",
    "kernel": "kernel distance (KID), 0 is best, for any number of pictures",
    "precision": "share of samples that resemble training pictures",
    "recall": "share of training pictures that samples resemble",
    "copies": "share of samples that are copies of training pictures",
    "duplicates": "share of samples that repeat another sample",
    "named": "accuracy on samples of a classifier fitted to training pictures",
    "named_real": "its accuracy on held-out training pictures: the upper bound",
}


@click.command()
@click.argument("source", metavar="MODEL_OR_SAMPLES", type=ModelPath())
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--dest",
    type=click.Path(file_okay=False, path_type=Path),
    help="Output folder.  [default: beside the samples, or in the run]",
)
@click.option(
    "--count", type=click.IntRange(MIN_PICTURES), help="Samples to draw from a model.  [default: as many as DATA has]"
)
@click.option("--features", type=click.Choice(NETWORKS), default="lite0", show_default=True, help="Feature network.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Weights of inception or dinov2.  [default: downloaded]"
)
@truncation_option
@precision_option
@device_option
def command(source: Path, data: Path, **options: Any) -> None:
    """Measure samples against training pictures.

    MODEL_OR_SAMPLES is a MODEL that `sample` takes, or a folder of pictures; DATA the prepared pictures.
    If samples are JPEG or WebP, the training pictures are encoded in the same way. Copies and duplicates are always
    found with the features of `curate`. If both have the same categories, a model's samples are drawn as often of each as DATA
    has pictures of it, and a classifier that is fitted to the training pictures is applied to the samples.

    \b
    Example:
      python -m generate evaluate runs/mine prepared
    """
    found, dest = evaluate(source, data, **options)
    click.echo(
        f"{found['samples']} samples against {found['training']} training pictures, features {found['features']}"
    )
    for name, meaning in MEANING.items():
        if name in found:
            click.echo(f"{name:>11} {found[name]:9.4f}  {meaning}")
    if is_model(source):
        next_ = command_line("sample", source, "samples", "--count", 576)
    elif (source / CURATION_TABLE).exists():  # already curated
        named = title_option(any(category_of(path, source) for path in find_pictures(source)))
        next_ = to_bucket("publish", source, "bucket", *named)
    else:
        next_ = command_line("curate", source, "chosen", "--train", data)
    click.echo(f"In {dest}: evaluation.json, distances.png, neighbours.png.\nNext: {next_}")


def evaluate(
    source: Path,
    data: Path,
    dest: Path | None = None,
    *,
    count: int | None = None,
    features: str = "lite0",
    weights: Path | None = None,
    truncation: float = 1.0,
    precision: str = "auto",
    device: str = "auto",
) -> tuple[dict[str, Any], Path]:
    """Measure and write dest/evaluation.json and the plots; returns what is in that file, and dest.

    Raises click.ClickException for folders and weights that can't be used.
    """
    if dest:
        check_dest(dest, EVALUATION)
    if weights and features == "lite0":
        raise click.UsageError("--weights is for --features inception or dinov2; the weights of lite0 are installed.")
    if (count or truncation != 1) and not is_model(source):
        raise click.UsageError(f"--count and --truncation are for a model; {source} is measured as it is.")
    from generate.measuring.curation import read_same_size
    from generate.measuring.evaluation import encode_like, encoding_of, measure
    from generate.measuring.extractors import load_extractor
    from generate.model.drawing import categories_of, draw_each
    from generate.model.opening import open_model

    where, known = choose_device(device), find_pictures(data)
    categories = [category_of(path, data) for path in known]
    extractor = None if features == "lite0" else load_extractor(features, weights, where)
    if is_model(source):
        dest = dest or (source if source.is_dir() else source.parent) / "evaluation"
        model = open_model(source, where)
        asked = categories_of(model, count or len(known), categories)
        drawn = draw_each(model, asked, FIRST_SEED, truncation, precision)
        how: dict[str, Any] = {"truncation": truncation, "encoded": None}
    else:
        dest = dest or beside(source, "-evaluation")
        paths = find_pictures(source)
        drawn = list(read_same_size(paths, "samples"))
        asked = [category_of(path, source) for path in paths]
        how = {"encoded": encoding_of(source)}
    if min(len(drawn), len(known)) < MIN_PICTURES:
        raise click.ClickException(
            f"{len(drawn)} samples and {len(known)} training pictures are too few: {MIN_PICTURES} of each."
        )
    side = drawn[0].shape[1]
    real = [encode_like(picture, side, how["encoded"]) for picture in read_same_size(known, "training pictures")]

    counts = {"samples": len(drawn), "training": len(real)}
    found: dict[str, Any] = {"source": str(source), "data": str(data), **counts, "features": features, **how}
    write_text(dest / EVALUATION, json.dumps(found, indent=2) + "\n")  # before the plots, to mark the folder as ours
    found |= measure(dest, drawn, real, where, extractor, asked, categories)
    write_text(dest / EVALUATION, json.dumps(found, indent=2) + "\n")
    return found, dest


def is_model(source: Path) -> bool:
    """True for a model, False for a folder of samples."""
    if source.is_dir():
        return any(one.suffix in WEIGHTS for one in source.iterdir())
    return source.is_file() or source.suffix in WEIGHTS
