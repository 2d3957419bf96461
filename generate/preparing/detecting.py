"""Find objects with torchvision's COCO detectors; weights come from a file or are downloaded.

python -c "from generate.preparing.detecting import *; print(detect(Image.open('a.jpg'), load_detector(NAME, 'hub'), ('cake',)))"
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from PIL import Image

from generate.images import BadPicture

if TYPE_CHECKING:
    import torch

    from generate.preparing.masks import Box

NAME = "fasterrcnn_mobilenet_v3_large_320_fpn"  # the fastest
NAMES = (
    NAME,
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn_v2",
    "ssdlite320_mobilenet_v3_large",
)
HUB = "hub"
MIN_SCORE = 0.5


def coco_labels(name: str = NAME) -> list[str]:
    """The labels of a detector by number; unused numbers are "__background__" or "N/A"."""
    from torchvision.models import get_model_weights

    return list(get_model_weights(name).DEFAULT.meta["categories"])


def check_labels(labels: tuple[str, ...], name: str = NAME) -> None:
    """Raises click.BadParameter for a label that is not a COCO category."""
    known = [label for label in coco_labels(name) if label not in ("__background__", "N/A")]
    for label in labels:
        if label not in known:
            near = difflib.get_close_matches(label, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(known)}."
            raise click.BadParameter(f"{label!r} is not a COCO category: {hint}", param_hint="--label")


@lru_cache(maxsize=1)
def load_detector(name: str, weights: str) -> torch.nn.Module:
    """A detector in eval mode on the CPU; `weights` is "hub" or the path of a state dict.

    Raises click.ClickException if the weights can't be loaded or don't fit.
    """
    import torch
    from torchvision.models import get_model, get_model_weights

    try:
        if weights == HUB:
            state: Any = get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True)
        else:
            state = torch.load(Path(weights), map_location="cpu", weights_only=True)
        model = get_model(name, weights=None, weights_backbone=None)
        model.load_state_dict(state)
    except Exception as error:  # no network, a missing file, not a state dict, or another network's
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise click.ClickException(
            f"The weights {weights!r} of {name} can't be loaded ({reason}): give the path of its state dict with --weights, "
            "or leave out --label and --weights; --crop object then uses transparency or GrabCut."
        ) from None
    model.eval()
    return cast(torch.nn.Module, model)


def detect(image: Image.Image, model: torch.nn.Module, labels: tuple[str, ...] = (), name: str = NAME) -> Box:
    """The box of the object with the highest score, optionally only of those with one of `labels`.

    Raises BadPicture if no score is 0.5 or higher.
    """
    import torch
    from torchvision.transforms.functional import to_tensor

    with torch.inference_mode():
        (found,) = model([to_tensor(image.convert("RGB"))])
    words = coco_labels(name)
    for box, score, number in zip(found["boxes"], found["scores"], found["labels"], strict=True):  # best first
        if score >= MIN_SCORE and (not labels or words[int(number)] in labels):
            left, top, right, bottom = box.tolist()
            return int(left), int(top), round(right + 0.5), round(bottom + 0.5)
    raise BadPicture(f"no {' or '.join(labels) or 'object'} found")
