"""Measure how good a generator is, or a folder of samples, against the pictures it was trained on.

python -m generate evaluate runs/mine prepared
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from generate.devices import PRECISIONS, choose_device, choose_precision
from generate.images import beside, category_of, find_pictures, write_text
from generate.measuring.curation import FEWEST, TABLE, read_alike
from generate.measuring.distances import draw_distances, draw_neighbours
from generate.measuring.extractors import NETWORKS, extract, load_extractor
from generate.measuring.features import load_features
from generate.measuring.metrics import frechet_distance, kernel_distance, named_as_asked, precision_recall
from generate.measuring.similarity import alike, copy_limit, duplicates, look
from generate.model.drawing import OPTIONS, choose_batch_size, draw_some
from generate.model.generator import as_rgb, load_generator

FIRST_SEED = 1_000_000  # not those that are published
MEANING = {
    "frechet": "Frechet distance, 0 is best; grows as pictures get fewer",
    "kernel": "kernel distance (KID), 0 is best, whatever their number",
    "precision": "share of samples that look like training pictures",
    "recall": "share of training pictures that samples look like",
    "copies": "share of samples that are copies of training pictures",
    "duplicates": "share of samples that repeat another sample",
    "named": "share of samples that a classifier of the training pictures gives the category asked for",
    "named_real": "the same of training pictures that it has not seen: what could be reached",
}


@click.command()
@click.argument("source", metavar="MODEL_OR_SAMPLES", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--dest",
    type=click.Path(file_okay=False, path_type=Path),
    help="Default an evaluation folder beside the samples or in the run.",
)
@click.option(
    "--count", type=click.IntRange(FEWEST), help="Pictures to draw from a model; default as many as DATA has."
)
@click.option("--features", type=click.Choice(NETWORKS), default="lite0", show_default=True, help="What measures.")
@click.option("--weights", type=click.Path(path_type=Path), help="Of inception or dinov2; default they are downloaded.")
@click.option(
    "--truncation", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True, help="As of `sample`."
)
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True, help="As of `sample`.")
@click.option("--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps or cpu.")
def command(source: Path, data: Path, **options: Any) -> None:
    """Measure samples against training pictures.

    MODEL_OR_SAMPLES is a run folder or a generator.safetensors, or a folder of pictures; DATA the prepared pictures.
    Both sides are treated alike: where samples are JPEG or WebP, the training pictures are encoded as they are. Copies
    and duplicates are found as `curate` does, whatever the features. Where both have the same categories, a
    classifier says whether samples show what was asked for.

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
    next_ = (
        f"python -m generate sample {source} samples --count 576"
        if is_model(source)
        else f"python -m generate publish {source} bucket"
        if (source / TABLE).exists()  # curated already
        else f"python -m generate curate {source} chosen --train {data}"
    )
    click.echo(f"In {dest}: evaluation.json, distances.png, neighbours.png. Next: {next_}")


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
    if weights and features == "lite0":
        raise click.UsageError("--weights are of --features inception or dinov2; those of lite0 are installed.")
    if (count or truncation != 1) and not is_model(source):
        raise click.UsageError(f"--count and --truncation are for a model; {source} is measured as it is.")
    where = choose_device(device)
    known = find_pictures(data)
    extractor = None if features == "lite0" else load_extractor(features, weights, where)
    if is_model(source):
        dest = dest or (source if source.is_dir() else source.parent) / "evaluation"
        drawn, asked = _draw(source, count or len(known), truncation, precision, where)
        how: dict[str, Any] = {"truncation": truncation, "encoded": None}
    else:
        dest = dest or beside(source, "-evaluation")
        paths = find_pictures(source)
        drawn = list(read_alike(paths, "samples"))
        asked = [category_of(path, source) for path in paths]
        how = {"encoded": _encoding(source)}
    if min(len(drawn), len(known)) < FEWEST:
        raise click.ClickException(
            f"{len(drawn)} samples and {len(known)} training pictures are too few: {FEWEST} of each."
        )
    real = [
        _encode(_fit(picture, drawn[0].shape[1]), how["encoded"]) for picture in read_alike(known, "training pictures")
    ]

    network = load_features(where)
    a, b = look(network, real), look(network, drawn)
    x, y = (a.features, b.features) if extractor is None else (extract(extractor, real), extract(extractor, drawn))
    limit = copy_limit(a)
    distances, nearest = alike(b, a)
    precise, recall = precision_recall(x, y)
    found = {
        "source": str(source),
        "data": str(data),
        "samples": len(drawn),
        "training": len(real),
        "features": features,
        **how,
        "frechet": frechet_distance(x, y),
        "kernel": kernel_distance(x, y),
        "precision": precise,
        "recall": recall,
        "copies": (distances[:, 0] < limit).float().mean().item(),
        "copy_limit": limit,
        "duplicates": len(duplicates(b, limit)) / len(drawn),
    } | _named(x, [category_of(path, data) for path in known], y, asked)
    write_text(dest / "evaluation.json", json.dumps(found, indent=2) + "\n")
    draw_distances(dest / "distances.png", distances[:, 0], alike(a)[0][:, 0], limit)
    draw_neighbours(dest / "neighbours.png", drawn, real, distances, nearest)
    return found, dest


def is_model(source: Path) -> bool:
    """Whether it is one rather than a folder of samples."""
    return source.suffix in (".safetensors", ".pt") or (source / "generator.safetensors").is_file()


def _draw(
    source: Path, count: int, truncation: float, precision: str, where: torch.device
) -> tuple[list[Tensor], list[str]]:
    """As many of each category, and of which each is."""
    model = load_generator(source, where)
    precision = choose_precision(precision, where)
    size = choose_batch_size(model, precision, where)
    names: Sequence[str] = model.categories or ("",)
    work = [(names[i % len(names)], FIRST_SEED + i) for i in range(count)]
    drawn: list[Tensor] = []
    for start in tqdm(range(0, count, size), desc="sample", unit="batch", disable=None, leave=False):
        drawn += as_rgb(draw_some(model, work[start : start + size], size, truncation, precision))
    return drawn, [category for category, _ in work]


def _named(real: Tensor, known: list[str], drawn: Tensor, asked: list[str]) -> dict[str, float]:
    """Whether samples show the category asked for; nothing where the two sides have no categories in common."""
    names = sorted(set(known))
    if len(names) < 2 or not set(asked) <= set(names) or min(map(known.count, names)) < 2:
        return {}
    labels, wanted = (torch.tensor([names.index(name) for name in side]) for side in (known, asked))
    named, of_real = named_as_asked(real, labels, drawn, wanted)
    return {"named": named, "named_real": of_real}


def _encoding(samples: Path) -> dict[str, Any] | None:
    """How the samples are encoded, where that loses something."""
    kinds = {path.suffix.lower() for path in find_pictures(samples)}
    kind = "JPEG" if kinds & {".jpg", ".jpeg"} else "WEBP" if ".webp" in kinds else None
    if kind is None:
        return None
    try:
        quality = json.loads((samples / OPTIONS).read_text())["quality"]
    except (OSError, ValueError, KeyError):
        quality = 90  # what `sample` writes
    return {"format": kind, "quality": quality}


def _encode(picture: Tensor, how: dict[str, Any] | None) -> Tensor:
    if how is None:
        return picture
    stored = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(stored, **how)
    return torch.from_numpy(np.array(Image.open(stored))).permute(2, 0, 1)


def _fit(picture: Tensor, side: int) -> Tensor:
    if picture.shape[1] == side:
        return picture
    image = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
