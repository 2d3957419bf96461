"""Names what a picture shows, with EfficientNet-lite0 and ImageNet's categories.

    from generate.measuring.features import load_features
    shares = classify(load_features(), pictures)  # (N, 3, H, W) uint8 -> (N, 1000)
    name_of(shares[0])  # Named(word="cat", share=0.83)

A network that is sure of a cat may not be sure which: 0.36 tabby, 0.25 tiger cat, 0.21 Egyptian Mau. So the shares of all
kinds of one thing are added up, and of the words for it (Granny Smith apple, apple, fruit) the narrowest is taken that
reaches a threshold. docs/categories.md says how the threshold was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from generate.measuring.features import EfficientNetLite0, preprocess
from generate.model.imagenet import imagenet_kinds

THING = "thing"  # what a picture is called that shows nothing sure
THRESHOLD = 0.6  # measured basis of both: docs/categories.md
LEAST_KIND = 0.1  # below it no category stands out: of blurred noise hundreds of animals add up to 0.75


class Named(NamedTuple):
    """What a picture or a part of its certainty is called."""

    word: str
    share: float  # of the network's certainty, 0 to 1


@torch.inference_mode()
def classify(network: EfficientNetLite0, pictures: Tensor) -> Tensor:
    """The share (N, 1000) that each of ImageNet's categories has in what pictures (N, 3, H, W), uint8, show."""
    device = next(network.parameters()).device
    logits: Tensor = network._fc(network(preprocess(pictures.to(device))))
    return logits.float().softmax(dim=1).cpu()


def name_of(shares: Tensor, threshold: float = THRESHOLD) -> Named:
    """What a picture of these shares (1000,) is called: the narrowest word whose kinds reach the threshold together.

    If none does, or no category stands out, it is a THING, with the share of the likeliest of the broadest words.
    """
    below, members = _words()
    found, words = Named(THING, 0.0), below[""]
    while words:
        best = max((Named(word, float(shares[members[word]].sum())) for word in words), key=lambda named: named.share)
        if best.share < threshold or float(shares.max()) < LEAST_KIND:
            return best._replace(word=THING) if found.word == THING else found
        found, words = best, below.get(best.word, ())
    return found


def top(shares: Tensor, count: int) -> list[Named]:
    """The likeliest of ImageNet's own categories, by our names of them."""
    values, numbers = shares.topk(count)
    kinds = imagenet_kinds()
    return [Named(kinds[n].name, value) for n, value in zip(numbers.tolist(), values.tolist(), strict=True)]


@cache
def _words() -> tuple[dict[str, Sequence[str]], dict[str, list[int]]]:
    """The words directly below each word, "" for the broadest; and the numbers of the kinds that each word takes in."""
    below: dict[str, dict[str, None]] = {}
    members: dict[str, list[int]] = {}
    for kind in imagenet_kinds():
        for word, broader in zip(kind.called, (*kind.called[1:], ""), strict=True):
            below.setdefault(broader, {})[word] = None
            members.setdefault(word, []).append(kind.number)
    return {word: tuple(words) for word, words in below.items()}, members
