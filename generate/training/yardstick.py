"""How good the averaged generator is while it trains, measured at every snapshot against the real pictures.

    yardstick = Yardstick(pictures, labels, device)
    scores = yardstick.measure(ema)  # {"frechet": ..., "precision": ..., "recall": ..., "copies": ...}

On features of EfficientNet-lite0. `evaluate` measures the same with more pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from generate.measuring.extractors import Extractor, extract
from generate.measuring.features import load_features
from generate.measuring.metrics import Gaussian, frechet_distance, gaussian, precision_recall
from generate.measuring.similarity import copy_limit, look, nearest_alike
from generate.model.family import as_rgb
from generate.model.generator import draw_pictures
from generate.model.networks import Generator
from generate.training.dataset import Pictures

REAL, DRAWN = 5000, 500  # at most, of each side
MEASURABLE = 8  # real pictures: the minimum for precision and recall


class Yardstick:
    """The real pictures' features, and what a generator's are compared by."""

    def __init__(
        self, pictures: Pictures, labels: Tensor | None, device: torch.device, inception: Extractor | None = None
    ) -> None:
        self.network, self.inception = load_features(device), inception
        real = _spread(len(pictures), REAL)
        self.looks = look(self.network, (as_rgb(pictures[i[None]])[0] for i in real))
        self.inception_gaussian: Gaussian | None = None
        if inception:
            self.inception_gaussian = gaussian(extract(inception, (as_rgb(pictures[i[None]])[0] for i in real)))
        self.gaussian, self.limit = gaussian(self.looks.features), copy_limit(self.looks)
        self.shown = _spread(len(pictures), min(DRAWN, len(pictures)))  # a sample for each, of its category
        self.categories = None if labels is None else labels[self.shown].tolist()

    def measure(self, ema: Generator) -> dict[str, float]:
        """Frechet distance, precision, recall and the share of copies, of as many samples as there are pictures.

        With Inception "fid" too, on the pixels themselves as are the others: nothing is encoded between.
        """
        seeds = range(1_000_000, 1_000_000 + len(self.shown))  # not those that people look at and publish
        pictures = as_rgb(draw_pictures(ema, seeds, batch_size=16, categories=self.categories))
        drawn = look(self.network, pictures)
        precision, recall = precision_recall(self.looks.features, drawn.features)
        scores = {
            "frechet": frechet_distance(self.gaussian, drawn.features),
            "precision": precision,
            "recall": recall,
            "copies": (nearest_alike(drawn, self.looks)[0] < self.limit).float().mean().item(),
        }
        if self.inception and self.inception_gaussian:
            scores["fid"] = frechet_distance(self.inception_gaussian, extract(self.inception, pictures))
        return scores


def _spread(count: int, most: int) -> Tensor:
    """At most so many indices below `count`, evenly spaced: pictures lie sorted by category."""
    return torch.linspace(0, count - 1, min(count, most)).round().long()
