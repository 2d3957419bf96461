"""Read checkpoints of rosinality's stylegan2-pytorch, as its train.py and convert_weight.py write them, into our network.

generator = read_rosinality(Path("550000.pt"))

A checkpoint holds the averaged generator's state dict as g_ema, converted ones also latent_avg, the target of truncation. Its
layers are StyleGAN2's under other names: style.<n> (mapping), conv1 and convs.<n> (convolutions, of which those with even
numbers upsample), to_rgb1 and to_rgbs.<n>, noises.noise_<n>.
"""

from __future__ import annotations

import re
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from generate.model.saved import check_claims, load_saved, state_dicts
from generate.model.stylegan2.arrays import Array
from generate.model.stylegan2.network import Generator
from generate.model.stylegan2.pickles import Refused
from generate.model.stylegan2.published import STANDARD_FILTER
from generate.model.stylegan2.weights import build_generator

LAYOUT = "StyleGAN2 of rosinality"
EMA, MEAN = "g_ema", "latent_avg"
MARK = "conv1.conv.modulation.weight"  # the weight that tells such a checkpoint
MEAN_OF = 4096  # latents averaged for a missing latent_avg, as many as its generate.py averages
KERNEL = re.compile(r"(convs\.\d+\.conv\.blur|to_rgbs\.\d+\.upsample)\.kernel")
PARTS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def read_rosinality(path: Path) -> Generator:
    """Return the averaged generator in eval mode, without running code from the file. Raises Refused."""
    try:
        check_claims(path, _generator_in(load_saved(path, "meta")).values())
        stored = load_saved(path)
        arrays = {}
        for name, weight in _generator_in(stored).items():
            if KERNEL.fullmatch(name):
                if weight.shape != (4, 4) or not np.allclose(weight, 4 * STANDARD_FILTER):
                    raise Refused(f"has a {name} other than 1, 3, 3, 1")
            else:
                new, array = _renamed(name, weight.float().numpy())
                arrays[new] = array
        _complete_noise(arrays)
        mean = stored.get(MEAN)
        arrays["mapping.w_avg"] = np.zeros(arrays["mapping.fc0.bias"].shape) if mean is None else mean.float().numpy()
    except Refused:
        raise
    except Exception as error:  # the file may hold anything
        raise Refused(f"is damaged or holds other things than weights ({error!s:.80})") from None
    generator = build_generator(arrays, None)
    if mean is None:
        with torch.inference_mode():
            latents = torch.randn(MEAN_OF, generator.options.latent_dim, generator=torch.Generator().manual_seed(0))
            generator.mapping.w_avg.copy_(generator.mapping(latents).mean(dim=0))
    return generator


def _generator_in(stored: Any) -> dict[str, Tensor]:
    """Return the state dict of the averaged generator, or of the only one; {} if there is none."""
    averaged = stored.get(EMA) if isinstance(stored, dict) else None
    return next((found for found in (*state_dicts(averaged), *state_dicts(stored)) if MARK in found), {})


def _renamed(name: str, array: Array) -> tuple[str, Array]:
    """Return the name and array of StyleGAN2-ADA's layout; a name of no layer stays, and is refused later."""
    if match := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}", array
    if match := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        return f"{_layer(int(match[1]))}.noise_const", array[0, 0]
    if name == "input.input":
        return "synthesis.b4.const", array[0]
    layer, _, part = name.partition(".")
    number = 0
    if layer in ("convs", "to_rgbs"):
        digits, _, part = part.partition(".")
        number = int(digits) + 1
    if layer not in ("conv1", "convs", "to_rgb1", "to_rgbs") or part not in PARTS:
        return name, array
    rgb = layer.startswith("to_rgb")
    if part == "conv.weight":  # a convolution's weights are scaled here, those of RGB layers by the network
        array = array[0] if rgb else array[0] / np.float32(sqrt(array[0, 0].size))
    elif part in ("noise.weight", "bias"):
        array = array.reshape(() if part == "noise.weight" else -1)
    return f"{_rgb(number) if rgb else _layer(number)}.{PARTS[part]}", array


def _layer(number: int) -> str:
    """The convolution with this number, from 0: one of 4 px, then two of each size."""
    return f"synthesis.b{4 << (number + 1) // 2}.{'conv0' if number % 2 else 'conv1'}"


def _rgb(number: int) -> str:
    return f"synthesis.b{4 << number}.torgb"


def _complete_noise(arrays: dict[str, Array]) -> None:
    """Draw the noise that the first versions did not save: there it was another for each picture."""
    for number in range(sum(name.endswith("noise_strength") for name in arrays)):
        if (name := f"{_layer(number)}.noise_const") not in arrays:
            size = 4 << (number + 1) // 2
            arrays[name] = torch.randn(size, size, generator=torch.Generator().manual_seed(number)).numpy()
