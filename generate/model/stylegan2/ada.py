"""The layout of StyleGAN2-ADA in PyTorch: a module with its source code, of which only arrays and options are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from generate.model.stylegan2.pickles import Refused
from generate.model.stylegan2.published import (
    STANDARD_FILTER,
    Arrays,
    Published,
    check_options,
    joined,
    nested,
    positive_or_none,
)

MOST_MODULES = 1000
OTHERS = {  # classes of generators that are not read
    "FastganSynthesis": "Projected GAN's FastGAN",
    "FastganSynthesisCond": "Projected GAN's FastGAN",
    "SuperresGenerator": "StyleGAN-XL",
    "TriPlaneGenerator": "EG3D",
}


def from_ada(module: Any, arrays: Arrays) -> Published:
    state = nested(module, "state")
    options = nested(state, "_init_kwargs")
    synthesis = options.get("synthesis_kwargs") or {}
    for some in (options, synthesis, options.get("mapping_kwargs") or {}):
        check_options(nested(some))
    inner = nested(state, "_modules").get("synthesis")
    for part in filter(lambda part: isinstance(part, dict), (module, inner)):
        if isinstance(name := part.get("class_name"), str) and name in OTHERS:
            raise Refused(f"is a generator of {OTHERS[name]}; only StyleGAN2's are supported")
    last = nested(inner, "state", "_modules")
    if "input" in last:
        raise Refused("is a StyleGAN3 generator; only StyleGAN2's are supported")
    layer = nested(last, "b4", "state", "_modules", "conv1", "state")  # has defaults that the options omit
    for name, value in _tensors(module):
        array = arrays.read(value)
        if name.endswith("resample_filter"):
            if array.shape != (4, 4) or not np.allclose(array, STANDARD_FILTER):
                raise Refused(f"has a {name} other than 1, 3, 3, 1")
        else:
            arrays[name] = array
    return Published(
        "StyleGAN2-ADA", arrays, positive_or_none(layer.get("conv_clamp", nested(synthesis).get("conv_clamp")))
    )


def _tensors(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parameters and buffers of a module and its submodules, by their names in its state dict."""
    waiting, seen = [("", module)], 0
    while waiting:
        prefix, one = waiting.pop()
        state = nested(one, "state")
        seen += 1
        if seen > MOST_MODULES:
            raise Refused(f"has endlessly nested modules, or more than {MOST_MODULES:,}")
        for kind in ("_parameters", "_buffers"):
            yield from (
                (joined(prefix, name), value) for name, value in nested(state, kind).items() if value is not None
            )
        inner = [(name, one) for name, one in nested(state, "_modules").items() if one is not None]
        waiting += [(joined(prefix, name) + ".", one) for name, one in inner]
