"""StyleGAN2 generators in the layouts that others published, written from arrays, without the code that wrote the originals.

Where a pickle names a function or a class of theirs, `stand_ins` puts an empty one of that name in its place while it is
written. `example` is a small generator and what the original implementation draws from it.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

DATA = Path(__file__).parent / "data"
BUFFERS = ("resample_filter", "noise_const", "w_avg")
SOURCE = "raise SystemExit('the source of a module was run')"


@dataclass(frozen=True)
class Example:
    """A generator of 32 px, z and w 16 wide, and three pictures of it."""

    options: dict[str, Any]
    arrays: dict[str, np.ndarray]  # under their names in the state dict
    latents: np.ndarray  # (3, 16)
    numbers: list[int] | None  # of the three pictures' categories
    pictures: dict[float, np.ndarray]  # by truncation: (3, 3, 32, 32), -1..1 and beyond


def example(kind: str) -> Example:
    """The "conditional" one (3 categories) or the "unconditional" one."""
    stored = np.load(DATA / f"stylegan2-ada-{kind}.npz")
    return Example(
        options=json.loads(str(stored["init_kwargs"])),
        arrays={name.removeprefix("state/"): stored[name] for name in stored.files if name.startswith("state/")},
        latents=stored["z"],
        numbers=stored["c"].argmax(axis=1).tolist() if stored["c"].size else None,
        pictures={psi: stored[f"images_psi_{psi}"] for psi in (1.0, 0.7)},
    )


@contextmanager
def stand_ins(*names: str) -> Iterator[list[Any]]:
    """An empty class for each of these dotted names, which pickle finds under that name for as long."""
    made, before = [], dict(sys.modules)
    for name in names:
        module, _, short = name.rpartition(".")
        parts = module.split(".")
        for length in range(1, len(parts) + 1):
            sys.modules[".".join(parts[:length])] = types.ModuleType(".".join(parts[:length]))
    for name in names:
        module, _, short = name.rpartition(".")
        base = (dict,) if short in ("EasyDict", "FrozenDict") else ()
        one = type(short, base, {"__module__": module})
        setattr(sys.modules[module], short, one)
        made.append(one)
    try:
        yield made
    finally:
        for name in set(sys.modules) - set(before):
            del sys.modules[name]
        sys.modules.update(before)


@dataclass
class Reduced:
    """What pickles as a call of `of`."""

    of: Any
    arguments: tuple[Any, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return self.of, self.arguments


def write_ada(path: Path, found: Example, protocol: int = 4, more: Mapping[str, Any] = MappingProxyType({})) -> Path:
    """A snapshot of stylegan2-ada-pytorch; `more` are parameters in place of the example's or besides."""
    with stand_ins("torch_utils.persistence._reconstruct_persistent_obj", "dnnlib.util.EasyDict") as (rebuild, easy):

        def parameter(value: Any) -> Any:
            return torch.nn.Parameter(value) if isinstance(value, torch.Tensor) else value

        def module(name: str, arrays: dict[str, Any], **own: Any) -> Reduced:
            parts: dict[str, dict[str, Any]] = {}
            here: dict[str, Any] = {}
            for key, array in arrays.items():
                first, dot, rest = key.partition(".")
                if dot:
                    parts.setdefault(first, {})[rest] = array
                else:
                    here[key] = torch.from_numpy(np.array(array)) if isinstance(array, np.ndarray) else array
            modules = {part: module(part, inner, **_own(found, part)) for part, inner in parts.items()}
            state = {
                "training": False,
                "_parameters": OrderedDict((k, parameter(v)) for k, v in here.items() if k not in BUFFERS),
                "_buffers": OrderedDict((k, v) for k, v in here.items() if k in BUFFERS),
                "_non_persistent_buffers_set": set(),
                "_forward_hooks": OrderedDict(),
                "_modules": OrderedDict(modules),
                "weight_gain": np.float64(0.25),
                "_init_args": (),
                "_init_kwargs": easy(),
                **own,
            }
            meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": name, "state": state}
            return Reduced(rebuild, (meta,))

        network = module(
            "Generator", {**found.arrays, **more}, _init_kwargs=easy(found.options), z_dim=found.options["z_dim"]
        )
        snapshot = {
            "training_set_kwargs": easy(class_name="training.dataset.ImageFolderDataset", path="data.zip"),
            "G": network,
            "D": module("Discriminator", {"b4.out.weight": np.zeros((1, 16))}),
            "G_ema": network,
            "augment_pipe": None,
        }
        path.write_bytes(pickle.dumps(snapshot, protocol))
    return path


def _own(found: Example, part: str) -> dict[str, Any]:
    """Attributes of a module of this name."""
    clamp = found.options["synthesis_kwargs"].get("conv_clamp")
    return {"conv_clamp": clamp, "activation": "lrelu"} if part.startswith("conv") else {}


def theirs(found: Example) -> dict[str, np.ndarray]:
    """The arrays as Flax and TensorFlow have them: (H, W, I, O), (I, O), upsampling kernels flipped, styles' biases less 1."""
    arrays = {}
    for name, array in found.arrays.items():
        if name.endswith("affine.bias"):
            array = array - 1
        elif array.ndim == 4:
            array = (array[:, :, ::-1, ::-1] if "conv0" in name else array).transpose(2, 3, 1, 0)
        elif name.endswith("weight"):
            array = array.T
        arrays[name] = np.array(array, order="C")
    return arrays


def write_flax(path: Path, found: Example, protocol: int = 4, **more: Any) -> Path:
    """A checkpoint of stylegan2-flax-tpu. The means of w are one for each category there."""
    arrays = theirs(found)
    with stand_ins("flax.core.frozen_dict.FrozenDict", "jax._src.array._reconstruct_array") as (frozen, rebuild):

        def leaf(array: np.ndarray) -> Reduced:
            function, arguments, state = np.array(array).__reduce__()
            return Reduced(rebuild, (function, arguments, state, {"weak_type": False}))

        def layer(name: str) -> dict[str, Any]:
            return {part: leaf(arrays[f"{name}.{part}"]) for part in ("weight", "bias")}

        dense = ["embed"] * ("mapping.embed.weight" in arrays)
        dense += [f"fc{i}" for i in range(found.options["mapping_kwargs"]["num_layers"])]
        mapping = {f"LinearLayer_{i}": layer(f"mapping.{name}") for i, name in enumerate(dense)}
        synthesis: dict[str, Any] = {"const": leaf(arrays["synthesis.b4.const"].transpose(1, 2, 0)[None])}
        noise: dict[str, Any] = {}
        for level in range(4):
            block, own = (
                synthesis.setdefault(f"SynthesisBlock_{level}", {}),
                noise.setdefault(f"SynthesisBlock_{level}", {}),
            )
            part = f"synthesis.b{4 * 2**level}"
            for i, which in enumerate(["conv0", "conv1"] if level else ["conv1"]):
                one = layer(f"{part}.{which}") | {"LinearLayer_0": layer(f"{part}.{which}.affine")}
                block[f"SynthesisLayer_{i}"] = one | {"noise_strength": leaf(arrays[f"{part}.{which}.noise_strength"])}
                own[f"SynthesisLayer_{i}"] = {
                    "noise_const": leaf(arrays[f"{part}.{which}.noise_const"][None, :, :, None])
                }
            block["ToRGBLayer_0"] = layer(f"{part}.torgb") | {"LinearLayer_0": layer(f"{part}.torgb.affine")}
        means, categories = arrays["mapping.w_avg"], found.options["c_dim"]
        tree = {
            "params": {"mapping_network": mapping, "synthesis_network": synthesis},
            "noise_consts": {"synthesis_network": noise},
            "moving_stats": {
                "mapping_network": {"w_avg": leaf(np.tile(means, (categories, 1)) if categories else means)}
            },
        }
        config = argparse.Namespace(resolution=32, z_dim=16, c_dim=categories, w_dim=16)
        checkpoint = {"params_ema_G": Reduced(frozen, (tree,)), "config": config, "step": 3, **more}
        path.write_bytes(pickle.dumps(checkpoint, protocol))
    return path


def write_tensorflow(path: Path, found: Example, protocol: int = 4, embedded: bool = False, **options: Any) -> Path:
    """A network of StyleGAN2's original implementation; with `embedded` its categories are as StyleGAN2-ADA's in TensorFlow."""
    arrays = theirs(found)
    categories = len(arrays.get("mapping.embed.weight", ()))
    with stand_ins("dnnlib.tflib.network.Network", "dnnlib.util.EasyDict") as (network, easy):

        def made(name: str, variables: dict[str, np.ndarray], **components: Any) -> Any:
            one = network()
            one.__dict__.update(
                version=4,
                name=name,
                static_kwargs=easy({"resolution": 32, "num_channels": 3, "label_size": categories, **options}),
                components=easy(components),
                build_module_src=SOURCE,
                build_func_name="G_main",
                variables=[(key, np.array(array)) for key, array in variables.items()],
            )
            return one

        mapping, synthesis = {}, {}
        for key, array in arrays.items():
            part, _, rest = key.partition(".")
            if rest.startswith("embed") and embedded:
                mapping[rest.replace("embed.", "LabelEmbed/")] = array
            elif rest.startswith("embed"):  # the original has no bias there
                mapping |= {"LabelConcat/weight": array} if rest == "embed.weight" else {}
            elif part == "mapping" and rest != "w_avg":
                mapping[rest.replace("fc", "Dense").replace(".", "/")] = array
            elif not key.endswith(("resample_filter", "w_avg")):
                synthesis |= _tensorflow_variable(rest, array)
        both = {"mapping": made("G_mapping", mapping), "synthesis": made("G_synthesis", synthesis)}
        gs = made("Gs", {"lod": np.zeros(()), "dlatent_avg": arrays["mapping.w_avg"]}, **both)
        path.write_bytes(pickle.dumps((gs, made("D", {}), gs), protocol))
    return path


def _tensorflow_variable(name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    block, which, *kind = name.split(".")
    size = int(block[1:])
    if which == "const":
        return {"4x4/Const/const": array[None]}
    if kind == ["noise_const"]:
        number = 2 * size.bit_length() - (7 if which == "conv0" else 6)
        return {f"noise{number}": array[None, None]}
    layer = {"conv0": "Conv0_up", "conv1": "Conv1" if size > 4 else "Conv", "torgb": "ToRGB"}[which]
    variable = {"affine.weight": "mod_weight", "affine.bias": "mod_bias"}.get(".".join(kind), kind[-1])
    return {f"{size}x{size}/{layer}/{variable}": array}
