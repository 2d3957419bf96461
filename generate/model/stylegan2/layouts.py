"""Convert the three published layouts of StyleGAN2 generators to one: arrays named as in StyleGAN2-ADA.

published = read_published(Path("ffhq.pkl"))

- StyleGAN2-ADA (PyTorch): a dict whose G_ema is a module with its source code. Only its arrays and options are read.
- Flax (This Food Does Not Exist): a dict of params_ema_G and config, written by dill.
- TensorFlow (the original StyleGAN2): a tuple (G, D, Gs) of networks with their variables.

The names are mapping.fc<n>, mapping.embed (mapping.label_concat in TensorFlow), mapping.w_avg and synthesis.b<size>.<conv0, conv1, torgb, const>.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from generate.model.stylegan2.arrays import NAMES, STORAGE, Array, is_array, read_array, read_storage
from generate.model.stylegan2.pickles import Call, Made, Refused, Source, read_pickle

MODULE = "torch_utils.persistence._reconstruct_persistent_obj"
NETWORK = "dnnlib.tflib.network.Network"
NAMESPACE = "argparse.Namespace"
EASY_DICT = "dnnlib.util.EasyDict"
FROZEN_DICT = "flax.core.frozen_dict.FrozenDict"
# Other names in published files: leftovers of training, read as names and never imported.
IGNORED = {
    "collections.OrderedDict",
    "_codecs.encode",
    "builtins.set",
    "builtins.getattr",
    "builtins.setattr",
    "dill._dill",
}
IGNORED_PACKAGES = (
    "dill._dill.",
    "flax.",
    "flaxmodels.",
    "jax.",
    "optax.",
    "training_utils.",
    "stylegan2.",
    "torch.nn.",
)
OTHERS = {  # classes of generators that are not read
    "FastganSynthesis": "Projected GAN's FastGAN",
    "FastganSynthesisCond": "Projected GAN's FastGAN",
    "SuperresGenerator": "StyleGAN-XL",
    "TriPlaneGenerator": "EG3D",
}
LARGEST_FILE = 4 * 2**30  # bytes; the largest published file has a tenth of that
MOST_MODULES, LONGEST_NAME = 1000, 100
STANDARD_FILTER = np.outer((1, 3, 3, 1), (1, 3, 3, 1)) / 64
DEFAULTS: dict[str, Any] = {
    "normalize_latents": True,
    "architecture": "skip",
    "activation": "lrelu",
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
}
TENSORFLOW_NAMES = re.compile(
    r"mapping/Dense\d+/(weight|bias)|mapping/LabelConcat/weight|mapping/LabelEmbed/(weight|bias)|synthesis/(noise\d+|lod|4x4/Const/const)"
    r"|synthesis/\d+x\d+/(Conv|Conv0_up|Conv1|ToRGB)/(weight|bias|mod_weight|mod_bias|noise_strength)"
)
RATES = ("lr_multiplier", "mapping_lrmul")


@dataclass(frozen=True)
class Published:
    """A published generator: its layout, its arrays by name, and the clamp of its activations."""

    layout: str
    arrays: dict[str, Array]
    clamp: float | None


class _Arrays(dict[str, Array]):
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
        return self.read(_in(tree, *keys[:-1]).get(keys[-1]))

    def matrix(self, name: str, weight: Any, bias: Any, added: float = 0.0) -> None:
        """Store a linear layer of Flax or TensorFlow, whose weight is (I, O); style layers need 1 added to the bias."""
        self[f"{name}.weight"] = self.read(weight).T
        self[f"{name}.bias"] = self.read(bias) + np.float32(added)

    def kernel(self, weight: Any, flipped: bool) -> Array:
        """Read (H, W, I, O) as (O, I, H, W); both layouts store the kernels of upsampling convolutions flipped."""
        kernel = self.read(weight).transpose(3, 2, 0, 1)
        return kernel[:, :, ::-1, ::-1] if flipped else kernel


def read_published(path: Path) -> Published:
    """Read the generator in a pickle of any of the three layouts, without running code from it. Raises Refused."""
    with path.open("rb") as file:
        source = Source(file)
        if source.size > LARGEST_FILE:
            raise Refused(f"is larger than {LARGEST_FILE / 2**30:.0f} GiB")
        tree = read_pickle(source, _is_allowed, _CALLS)
    try:
        return _from(tree, _Arrays(room=4 * source.size))
    except Refused:
        raise
    except Exception as error:  # the file may hold anything
        raise Refused(f"is a pickle, but not of a StyleGAN2 generator in a known layout ({error!s:.80})") from None


def _from(tree: Any, arrays: _Arrays) -> Published:
    if isinstance(tree, dict) and ("G_ema" in tree or "G" in tree or "class_name" in tree):
        return _from_ada(tree.get("G_ema") or tree.get("G") or tree, arrays)
    if isinstance(tree, dict) and "params_ema_G" in tree:
        return _from_flax(tree["params_ema_G"], arrays)
    if isinstance(tree, tuple | list) and len(tree) == 3 and all(_is_network(one) for one in tree):
        return _from_tensorflow(tree[2], arrays)
    raise Refused("is a pickle, but not of a StyleGAN2 generator: it has no G_ema, params_ema_G or (G, D, Gs)")


def _is_allowed(name: str) -> bool:
    known = name in NAMES or name in IGNORED or name in {MODULE, NETWORK, NAMESPACE, EASY_DICT, FROZEN_DICT}
    return known or name.startswith(IGNORED_PACKAGES)


def _as_dict() -> dict[str, Any]:
    return {}


def _encoded(text: Any, encoding: Any) -> bytes:
    """Protocol 2 writes bytes as text."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("text in another encoding")
    return text.encode("latin1")


def _as_it_is(value: Any) -> Any:
    return value


_CALLS: dict[str, Call] = {
    MODULE: _as_it_is,
    STORAGE: read_storage,
    FROZEN_DICT: _as_it_is,
    EASY_DICT: _as_dict,
    "collections.OrderedDict": _as_dict,
    "_codecs.encode": _encoded,
}


def _in(tree: Any, *keys: str) -> Mapping[str, Any]:
    """Return a nested dictionary. Raises Refused if it is missing."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    if not isinstance(tree, dict):
        raise Refused(f"lacks {'.'.join(keys) or 'a dictionary'}")
    return tree


def _check_options(options: Mapping[str, Any]) -> None:
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


def _clamp(value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0):
        return None if value is None else float(value)
    raise Refused("has a conv_clamp that is not a positive number")


# StyleGAN2-ADA


def _from_ada(module: Any, arrays: _Arrays) -> Published:
    state = _in(module, "state")
    options = _in(state, "_init_kwargs")
    synthesis = options.get("synthesis_kwargs") or {}
    for some in (options, synthesis, options.get("mapping_kwargs") or {}):
        _check_options(_in(some))
    inner = _in(state, "_modules").get("synthesis")
    for part in filter(lambda part: isinstance(part, dict), (module, inner)):
        if isinstance(name := part.get("class_name"), str) and name in OTHERS:
            raise Refused(f"is a generator of {OTHERS[name]}; only StyleGAN2's are supported")
    last = _in(inner, "state", "_modules")
    if "input" in last:
        raise Refused("is a StyleGAN3 generator; only StyleGAN2's are supported")
    layer = _in(last, "b4", "state", "_modules", "conv1", "state")  # has defaults that the options omit
    for name, value in _tensors(module):
        array = arrays.read(value)
        if name.endswith("resample_filter"):
            if array.shape != (4, 4) or not np.allclose(array, STANDARD_FILTER):
                raise Refused(f"has a {name} other than 1, 3, 3, 1")
        else:
            arrays[name] = array
    return Published("StyleGAN2-ADA", arrays, _clamp(layer.get("conv_clamp", _in(synthesis).get("conv_clamp"))))


def _tensors(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parameters and buffers of a module and its submodules, by their names in its state dict."""
    waiting, seen = [("", module)], 0
    while waiting:
        prefix, one = waiting.pop()
        state = _in(one, "state")
        seen += 1
        if seen > MOST_MODULES:
            raise Refused(f"has endlessly nested modules, or more than {MOST_MODULES:,}")
        for kind in ("_parameters", "_buffers"):
            yield from ((_joined(prefix, name), value) for name, value in _in(state, kind).items() if value is not None)
        inner = [(name, one) for name, one in _in(state, "_modules").items() if one is not None]
        waiting += [(_joined(prefix, name) + ".", one) for name, one in inner]


def _joined(prefix: str, name: object) -> str:
    """Join names, with a limit: they grow with nesting, and a file may repeat one string a million times."""
    if not isinstance(name, str) or len(prefix) + len(name) > LONGEST_NAME:
        raise Refused(
            f"has endlessly nested modules, or a name that is not text or over {LONGEST_NAME} characters long"
        )
    return prefix + name


# Flax


def _from_flax(tree: Any, arrays: _Arrays) -> Published:
    mapping, synthesis = (_in(tree, "params", f"{part}_network") for part in ("mapping", "synthesis"))
    arrays["mapping.w_avg"] = arrays.leaf(tree, "moving_stats", "mapping_network", "w_avg")
    layers = [_in(mapping, f"LinearLayer_{number}") for number in range(len(mapping))]
    shapes = [arrays.leaf(layer, "weight").shape for layer in layers]
    embedded = len(shapes) > 1 and shapes[0][-1:] != shapes[1][:1]  # the first layer embeds the category
    names = [*(["embed"] if embedded else []), *(f"fc{number}" for number in range(len(layers)))]
    for name, layer in zip(names, layers, strict=False):
        arrays.matrix(f"mapping.{name}", layer.get("weight"), layer.get("bias"))
    arrays["synthesis.b4.const"] = arrays.leaf(synthesis, "const").squeeze(0).transpose(2, 0, 1)
    for level in range(len(synthesis) - 1):
        block, part = f"SynthesisBlock_{level}", f"synthesis.b{4 * 2**level}"
        convolutions = ("conv0", "conv1") if level else ("conv1",)
        for number, which in enumerate((*convolutions, "torgb")):
            name = "ToRGBLayer_0" if which == "torgb" else f"SynthesisLayer_{number}"
            layer = _in(synthesis, block, name)
            style = _in(layer, "LinearLayer_0")
            arrays.matrix(f"{part}.{which}.affine", style.get("weight"), style.get("bias"), added=1)
            arrays[f"{part}.{which}.weight"] = arrays.kernel(layer.get("weight"), which == "conv0")
            arrays[f"{part}.{which}.bias"] = arrays.leaf(layer, "bias")
            if which != "torgb":
                noise = arrays.leaf(tree, "noise_consts", "synthesis_network", block, name, "noise_const")
                arrays[f"{part}.{which}.noise_const"] = noise.reshape(noise.shape[1:3])
                arrays[f"{part}.{which}.noise_strength"] = arrays.leaf(layer, "noise_strength")
    return Published("StyleGAN2 in Flax", arrays, None)  # its authors use no clamp


# TensorFlow


def _is_network(value: object) -> bool:
    return isinstance(value, Made) and str(value.of) == NETWORK and isinstance(value.state, dict)


def _from_tensorflow(network: Made, arrays: _Arrays) -> Published:
    options = _in(network.state, "static_kwargs")
    _check_options(options)
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
    return Published("StyleGAN2 in TensorFlow", arrays, _clamp(options.get("conv_clamp")))


def _tensorflow_layer(arrays: _Arrays, found: Mapping[str, Any], size: str, theirs: str) -> None:
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
        component = _in(state, "components").get(part)
        if not isinstance(component, Made) or not _is_network(component):
            raise Refused(f"lacks the component {part}")
        state = component.state
    for pair in state.get("variables") or []:
        name, value = pair
        if is_array(value):
            yield _joined(f"{part}/" if part else "", name), value
