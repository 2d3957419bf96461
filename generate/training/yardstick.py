"""Score the averaged generator at every snapshot against the real pictures.

    yardstick = Yardstick(pictures, labels, device)
    scores = yardstick.measure(ema)  # {"frechet": ..., "precision": ..., "recall": ..., "copies": ...}

Uses features of EfficientNet-lite0. `evaluate` measures the same on more pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from generate.measuring.extractors import Extractor, extract
from generate.measuring.features import load_features
from generate.measuring.metrics import Gaussian, frechet_distance, gaussian, precision_recall
from generate.measuring.similarity import copy_limit, describe, nearest_neighbour
from generate.model.family import as_rgb
from generate.model.generator import draw_pictures
from generate.model.networks import Generator
from generate.training.dataset import Pictures

MAX_REAL, MAX_DRAWN = 5000, 500  # pictures that are compared
MIN_MEASURABLE = 8  # real pictures: the minimum for precision and recall


class Yardstick:
    """The features of the real pictures, which those of a generator are compared with."""

    def __init__(
        self, pictures: Pictures, labels: Tensor | None, device: torch.device, inception: Extractor | None = None
    ) -> None:
        self.network, self.inception = load_features(device), inception
        real = _spread(len(pictures), MAX_REAL)
        self.descriptors = describe(self.network, (as_rgb(pictures[i[None]])[0] for i in real))
        self.inception_gaussian: Gaussian | None = None
        if inception:
            self.inception_gaussian = gaussian(extract(inception, (as_rgb(pictures[i[None]])[0] for i in real)))
        self.gaussian, self.limit = gaussian(self.descriptors.features), copy_limit(self.descriptors)
        self.shown = _spread(len(pictures), min(MAX_DRAWN, len(pictures)))  # one sample for each, of its category
        self.categories = None if labels is None else labels[self.shown].tolist()

    def measure(self, ema: Generator) -> dict[str, float]:
        """Return Frechet distance, precision, recall and the share of copies; with Inception also "fid".

        Draws as many samples as there are real pictures, at most MAX_DRAWN, and doesn't encode them.
        """
        seeds = range(1_000_000, 1_000_000 + len(self.shown))  # not the seeds that are shown and published
        pictures = as_rgb(draw_pictures(ema, seeds, batch_size=16, categories=self.categories))
        drawn = describe(self.network, pictures)
        precision, recall = precision_recall(self.descriptors.features, drawn.features)
        scores = {
            "frechet": frechet_distance(self.gaussian, drawn.features),
            "precision": precision,
            "recall": recall,
            "copies": (nearest_neighbour(drawn, self.descriptors)[0] < self.limit).float().mean().item(),
        }
        if self.inception and self.inception_gaussian:
            scores["fid"] = frechet_distance(self.inception_gaussian, extract(self.inception, pictures))
        return scores


def _spread(count: int, most: int) -> Tensor:
    """Return at most `most` evenly spaced indices below `count`; even, because pictures are sorted by category."""
    return torch.linspace(0, count - 1, min(count, most)).round().long()
