"""What the layouts of published StyleGAN2 generators share: arrays by name, nested dictionaries, options.

`Published.arrays` are named as in StyleGAN2-ADA: mapping.fc<n>, mapping.embed (mapping.label_concat in TensorFlow),
mapping.w_avg and synthesis.b<size>.<conv0, conv1, torgb, const>.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from generate.model.stylegan2.arrays import Array, read_array
from generate.model.stylegan2.pickles import Refused

LONGEST_NAME = 100
STANDARD_FILTER = np.outer((1, 3, 3, 1), (1, 3, 3, 1)) / 64
DEFAULTS: dict[str, Any] = {
    "normalize_latents": True,
    "architecture": "skip",
    "activation": "lrelu",
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
}
RATES = ("lr_multiplier", "mapping_lrmul")


@dataclass(frozen=True)
class Published:
    """A published generator: its layout, its arrays by name, and the clamp of its activations."""

    layout: str
    arrays: dict[str, Array]
    clamp: float | None


class Arrays(dict[str, Array]):
    """Arrays by name. Refuses to read more than `room` bytes in all."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def read(self, value: Any) -> Array:
        array = read_array(value)
        self.room -= array.nbytes
        if self.room < 0:
            raise Refused("describes more numbers than it contains")
        return array

    def leaf(self, tree: Any, *keys: str) -> Array:
        """Read an array from nested dictionaries."""
        return self.read(nested(tree, *keys[:-1]).get(keys[-1]))

    def matrix(self, name: str, weight: Any, bias: Any, added: float = 0.0) -> None:
        """Store a linear layer of Flax or TensorFlow, whose weight is (I, O); style layers need 1 added to the bias."""
        self[f"{name}.weight"] = self.read(weight).T
        self[f"{name}.bias"] = self.read(bias) + np.float32(added)

    def kernel(self, weight: Any, flipped: bool) -> Array:
        """Read (H, W, I, O) as (O, I, H, W); both layouts store the kernels of upsampling convolutions flipped."""
        kernel = self.read(weight).transpose(3, 2, 0, 1)
        return kernel[:, :, ::-1, ::-1] if flipped else kernel


def nested(tree: Any, *keys: str) -> Mapping[str, Any]:
    """Return a nested dictionary. Raises Refused if it is missing."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    if not isinstance(tree, dict):
        raise Refused(f"lacks {'.'.join(keys) or 'a dictionary'}")
    return tree


def check_options(options: Mapping[str, Any]) -> None:
    """Raise Refused for options that our network doesn't implement."""
    for name, expected in DEFAULTS.items():
        if (chosen := options.get(name, expected)) != expected:
            chosen = repr(chosen)[:40] if isinstance(chosen, str | bool) else type(chosen).__name__
            raise Refused(f"is a network with the {name} {chosen}; only {expected} is supported")
    if options.get("resample_kernel", [1, 3, 3, 1]) != [1, 3, 3, 1]:
        raise Refused("is a network with another resample_kernel than 1, 3, 3, 1")
    for name in RATES:
        if options.get(name, 0.01) != 0.01:
            raise Refused(f"is a network whose {name} is not 0.01")


def positive_or_none(value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0):
        return None if value is None else float(value)
    raise Refused("has a conv_clamp that is not a positive number")


def joined(prefix: str, name: object) -> str:
    """Join names, with a limit: they grow with nesting, and a file may repeat one string a million times."""
    if not isinstance(name, str) or len(prefix) + len(name) > LONGEST_NAME:
        raise Refused(
            f"has endlessly nested modules, or a name that is not text or over {LONGEST_NAME} characters long"
        )
    return prefix + name
