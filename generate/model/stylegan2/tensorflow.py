"""The layout of the original StyleGAN2 in TensorFlow, and of StyleGAN2-ADA there: a network with its variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from generate.model.stylegan2.arrays import is_array
from generate.model.stylegan2.pickles import Made, Refused
from generate.model.stylegan2.published import Arrays, Published, check_options, joined, nested, positive_or_none

NETWORK = "dnnlib.tflib.network.Network"
TENSORFLOW_NAMES = re.compile(
    r"mapping/Dense\d+/(weight|bias)|mapping/LabelConcat/weight|mapping/LabelEmbed/(weight|bias)|synthesis/(noise\d+|lod|4x4/Const/const)"
    r"|synthesis/\d+x\d+/(Conv|Conv0_up|Conv1|ToRGB)/(weight|bias|mod_weight|mod_bias|noise_strength)"
)


def is_network(value: object) -> bool:
    return isinstance(value, Made) and str(value.of) == NETWORK and isinstance(value.state, dict)


def from_tensorflow(network: Made, arrays: Arrays) -> Published:
    options = nested(network.state, "static_kwargs")
    check_options(options)
    found = {name: value for part in ("mapping", "synthesis") for name, value in _variables(network, part)}
    arrays["mapping.w_avg"] = arrays.read(dict(_variables(network, "")).get("dlatent_avg"))
    if any(name.startswith("synthesis/4x4/Const/StyleMod/") for name in found):
        raise Refused("is a generator of the first StyleGAN; only StyleGAN2's are supported")
    if unknown := [name for name in found if not TENSORFLOW_NAMES.fullmatch(name)]:
        raise Refused(f"has {unknown[0][:60]!a}, which a supported StyleGAN2 generator does not have")
    for name, value in found.items():
        if match := re.fullmatch(r"mapping/Dense(\d{1,2})/weight", name):
            arrays.matrix(f"mapping.fc{match[1]}", value, found.get(f"mapping/Dense{match[1]}/bias"))
        elif match := re.fullmatch(r"synthesis/noise(\d{1,2})", name):
            number = int(match[1])
            which = f"b{4 * 2 ** ((number + 1) // 2)}.{'conv0' if number % 2 else 'conv1'}"
            noise = arrays.read(value)
            arrays[f"synthesis.{which}.noise_const"] = noise.reshape(noise.shape[-2:])
        elif match := re.fullmatch(r"synthesis/(\d{1,4})x\1/(Conv|Conv0_up|Conv1|ToRGB)/weight", name):
            _tensorflow_layer(arrays, found, match[1], match[2])
        elif name == "mapping/LabelConcat/weight":
            arrays["mapping.label_concat.weight"] = arrays.read(value)
        elif name == "mapping/LabelEmbed/weight":  # StyleGAN2-ADA in TensorFlow
            arrays.matrix("mapping.embed", value, found.get("mapping/LabelEmbed/bias"))
    categories = (
        len(arrays.get("mapping.label_concat.weight", ()))
        or arrays.get("mapping.embed.weight", np.empty((0, 0))).shape[1]
    )
    if options.get("label_size", 0) != categories:
        raise Refused(f"has weights of {categories} categories, which is not its label_size")
    const = arrays.read(found.get("synthesis/4x4/Const/const"))
    arrays["synthesis.b4.const"] = const.reshape(const.shape[1:])
    return Published("StyleGAN2 in TensorFlow", arrays, positive_or_none(options.get("conv_clamp")))


def _tensorflow_layer(arrays: Arrays, found: Mapping[str, Any], size: str, theirs: str) -> None:
    old = f"synthesis/{size}x{size}/{theirs}"
    which = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}[theirs]
    new = f"synthesis.b{size}.{which}"
    arrays[f"{new}.weight"] = arrays.kernel(found[f"{old}/weight"], which == "conv0")
    arrays[f"{new}.bias"] = arrays.read(found.get(f"{old}/bias"))
    arrays.matrix(f"{new}.affine", found.get(f"{old}/mod_weight"), found.get(f"{old}/mod_bias"), added=1)
    if which != "torgb":
        arrays[f"{new}.noise_strength"] = arrays.read(found.get(f"{old}/noise_strength"))


def _variables(network: Made, part: str) -> Iterator[tuple[str, Any]]:
    """Yield the names and arrays of a network, or of one of its components, prefixed with its name."""
    state = network.state
    if part:
        component = nested(state, "components").get(part)
        if not isinstance(component, Made) or not is_network(component):
            raise Refused(f"lacks the component {part}")
        state = component.state
    for pair in state.get("variables") or []:
        name, value = pair
        if is_array(value):
            yield joined(f"{part}/" if part else "", name), value
