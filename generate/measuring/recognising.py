"""Name what a picture shows, with EfficientNet-lite0 and ImageNet's categories.

    from generate.measuring.features import load_features
    shares = classify(load_features(), pictures)  # (N, 3, H, W) uint8 -> (N, 1000)
    name_of(shares[0])  # Named(word="cat", share=0.83)

The probability of a cat may be split: 0.36 tabby, 0.25 tiger cat, 0.21 Egyptian Mau. So the probabilities of all kinds of
one thing are added up, and the narrowest word (of Granny Smith apple, apple, fruit) that reaches a threshold is chosen.
docs/categories.md says how the threshold was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from generate.measuring.features import EfficientNetLite0, preprocess
from generate.model.imagenet import imagenet_kinds

THING = "thing"  # the name of an unrecognised picture
THRESHOLD = 0.6  # docs/categories.md says how both were chosen
MIN_SHARE = 0.1  # of the likeliest category; in blurred noise, hundreds of small ones add up to the threshold


class Named(NamedTuple):
    """A name and its probability."""

    word: str
    share: float  # 0..1


@torch.inference_mode()
def classify(network: EfficientNetLite0, pictures: Tensor) -> Tensor:
    """Return the probabilities (N, 1000) of ImageNet's categories for pictures (N, 3, H, W), uint8."""
    device = next(network.parameters()).device
    logits: Tensor = network._fc(network(preprocess(pictures.to(device))))
    return logits.float().softmax(dim=1).cpu()


def name_of(shares: Tensor, threshold: float = THRESHOLD) -> Named:
    """Return the narrowest word whose categories' probabilities, of `shares` (1000,), add up to the threshold.

    If there is none, or no category reaches MIN_SHARE, returns THING with the probability of the likeliest broadest word.
    """
    below, members = _words()
    found, words = Named(THING, 0.0), below[""]
    while words:
        best = max((Named(word, float(shares[members[word]].sum())) for word in words), key=lambda named: named.share)
        if best.share < threshold or float(shares.max()) < MIN_SHARE:
            return best._replace(word=THING) if found.word == THING else found
        found, words = best, below.get(best.word, ())
    return found


def top(shares: Tensor, count: int) -> list[Named]:
    """Return the likeliest categories of ImageNet by our names."""
    values, numbers = shares.topk(count)
    kinds = imagenet_kinds()
    return [Named(kinds[n].name, value) for n, value in zip(numbers.tolist(), values.tolist(), strict=True)]


@cache
def _words() -> tuple[dict[str, Sequence[str]], dict[str, list[int]]]:
    """Return the words directly below each word ("" for the broadest), and the numbers of the categories below each word."""
    below: dict[str, dict[str, None]] = {}
    members: dict[str, list[int]] = {}
    for kind in imagenet_kinds():
        for word, broader in zip(kind.called, (*kind.called[1:], ""), strict=True):
            below.setdefault(broader, {})[word] = None
            members.setdefault(word, []).append(kind.number)
    return {word: tuple(words) for word, words in below.items()}, members
