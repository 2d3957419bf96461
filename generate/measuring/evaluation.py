"""Score samples against training pictures that were resized and encoded in the same way.

encoding = encoding_of(Path("samples"))
real = [encode_like(picture, side=64, encoding=encoding) for picture in training]
scores = measure(Path("evaluation"), drawn, real, torch.device("cpu"))
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generate.images import LOSSY, find_pictures, format_of
from generate.measuring.extractors import Extractor, extract
from generate.measuring.features import load_features
from generate.measuring.metrics import frechet_distance, gan_test, kernel_distance, precision_recall
from generate.measuring.plots import draw_distances, draw_neighbours
from generate.measuring.similarity import copy_limit, describe, find_repeats, nearest_neighbours
from generate.rows import SAMPLES_OPTIONS


def measure(
    dest: Path,
    drawn: Sequence[Tensor],
    real: Sequence[Tensor],
    device: torch.device,
    extractor: Extractor | None = None,
    asked: Sequence[str] = (),
    known: Sequence[str] = (),
) -> dict[str, float]:
    """Score samples (3, H, W) against training pictures of the same size; write dest/distances.png and neighbours.png.

    Distances, precision and recall use the extractor's features, by default EfficientNet-lite0's; copies and duplicates
    always use EfficientNet-lite0's. `asked` and `known` are the categories of samples and training pictures.
    """
    network = load_features(device)
    a, b = describe(network, real), describe(network, drawn)
    x, y = (a.features, b.features) if extractor is None else (extract(extractor, real), extract(extractor, drawn))
    limit = copy_limit(a)
    distances, nearest = nearest_neighbours(b, a)
    draw_distances(dest / "distances.png", distances[:, 0], nearest_neighbours(a)[0][:, 0], limit)
    draw_neighbours(dest / "neighbours.png", drawn, real, distances, nearest)
    precision, recall = precision_recall(x, y)
    return {
        "frechet": frechet_distance(x, y),
        "kernel": kernel_distance(x, y),
        "precision": precision,
        "recall": recall,
        "copies": (distances[:, 0] < limit).float().mean().item(),
        "copy_limit": limit,
        "duplicates": len(find_repeats(b, limit)) / len(drawn),
    } | _named(x, known, y, asked)


def _named(real: Tensor, known: Sequence[str], drawn: Tensor, asked: Sequence[str]) -> dict[str, float]:
    """Return the share of samples that show the category asked for; empty unless both sides have the same categories."""
    names = sorted(set(known))
    if len(names) < 2 or not set(asked) <= set(names) or min(map(known.count, names)) < 2:
        return {}
    labels, wanted = (torch.tensor([names.index(name) for name in side]) for side in (known, asked))
    named, of_real = gan_test(real, labels, drawn, wanted)
    return {"named": named, "named_real": of_real}


def encoding_of(samples: Path) -> dict[str, Any] | None:
    """Return the samples' encoding as options of Pillow's save(), None if it is lossless."""
    found = {format_of(path) for path in find_pictures(samples)}
    name = next((name for name in LOSSY if name in found), None)
    if name is None:
        return None
    try:
        quality = json.loads((samples / SAMPLES_OPTIONS).read_text())["quality"]
    except (OSError, ValueError, KeyError):
        quality = 90  # what `sample` writes
    return {"format": name, "quality": quality}


def encode_like(picture: Tensor, side: int, encoding: dict[str, Any] | None) -> Tensor:
    """Resize, encode and decode a training picture (3, H, H) as the samples were."""
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    if image.width != side:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    if encoding is not None:
        stored = io.BytesIO()
        image.save(stored, **encoding)
        image = Image.open(stored, formats=list(LOSSY))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
