"""Load published weights into our network: infer its dimensions from their shapes, and multiply in the learning rate scales."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count, takewhile
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from generate.model.stylegan2.arrays import Array
from generate.model.stylegan2.network import Generator, Options
from generate.model.stylegan2.pickles import Refused

MAPPING_RATE = 0.01  # learning rate multiplier of the mapping network
LARGEST = 2048  # px
CHANNELS = (1, 3, 4)  # grey, RGB, RGBA

Arrays = Mapping[str, Array]


def options_of(arrays: Arrays, clamp: float | None) -> Options:
    """Infer the options from the shapes of the weights. Raises Refused if they are not a StyleGAN2 generator's."""
    widths = [_shape(arrays, name, 4)[0] for name in _numbered(arrays, "synthesis.b{}.conv1.weight", _sizes())]
    mapping = [_shape(arrays, name, 2)[0] for name in _numbered(arrays, "mapping.fc{}.weight", count())]
    if not widths or not mapping:
        raise Refused("lacks the layers of a StyleGAN2 generator, mapping.fc0 or synthesis.b4.conv1")
    joined = "mapping.label_concat.weight" in arrays
    embedding, categories = _shape(arrays, "mapping.embed.weight", 2) if "mapping.embed.weight" in arrays else (0, 0)
    if joined:
        categories, embedding = _shape(arrays, "mapping.label_concat.weight", 2)
    found = Options(
        latent_dim=_shape(arrays, "mapping.fc0.weight", 2)[1] - embedding,
        w_dim=mapping[-1],
        categories=categories,
        embedding_dim=embedding,
        joined=joined,
        mapping=tuple(mapping),
        widths=tuple(widths),
        channels=_shape(arrays, "synthesis.b4.torgb.weight", 4)[0],
        clamp=clamp,
    )
    if found.channels not in CHANNELS or found.latent_dim < 1:
        raise Refused(f"draws pictures of {found.channels} channels, not of 1, 3 or 4")
    return found


def _sizes() -> list[int]:
    return [2**power for power in range(2, LARGEST.bit_length())]


def _numbered(arrays: Arrays, pattern: str, numbers: Iterable[int]) -> list[str]:
    """Return the names with these numbers, up to the first that is missing."""
    return list(takewhile(arrays.__contains__, map(pattern.format, numbers)))


def _shape(arrays: Arrays, name: str, dimensions: int) -> tuple[int, ...]:
    if name not in arrays:
        raise Refused(f"lacks {name}, which every StyleGAN2 generator has")
    shape: tuple[int, ...] = arrays[name].shape
    if len(shape) != dimensions or min(shape) < 1:
        raise Refused(f"has {name} in the impossible shape {list(shape)}")
    return shape


def build_generator(arrays: Arrays, clamp: float | None) -> Generator:
    """Build the generator from arrays named as in `generate.model.stylegan2.published`, in eval mode on the CPU.

    Raises Refused for weights that are missing, unexpected, of the wrong shape or not finite.
    """
    options = options_of(arrays, clamp)
    own_means = "mapping.w_avg" in arrays and arrays["mapping.w_avg"].ndim == 2
    left = _Weights(arrays)
    state = _mapping(left, options, own_means) | _synthesis(left, options)
    if left.names:
        raise Refused(f"has {min(left.names)[:100]!a}, which a StyleGAN2 generator of its size does not have")
    generator = Generator(options, own_means).eval()
    generator.load_state_dict(state)
    return generator


class _Weights:
    """Hands out each array once and checks its shape."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays, self.names = arrays, set(arrays)

    def take(self, name: str, *shape: int) -> Tensor:
        """Return an array as a float32 tensor."""
        if name not in self.names:
            raise Refused(f"lacks {name}, which a StyleGAN2 generator of its size has")
        self.names.remove(name)
        array = self.arrays[name]
        if array.shape != shape:
            raise Refused(f"has {name} in the shape {list(array.shape)}, not {list(shape)}")
        tensor = torch.from_numpy(np.array(array, np.float32))
        if not tensor.isfinite().all():
            raise Refused(f"has numbers in {name} that are not finite")
        return tensor

    def affine(self, name: str, inputs: int, outputs: int, rate: float = 1.0, scale: float = 1.0) -> dict[str, Tensor]:
        return {
            "weight": self.take(f"{name}.weight", outputs, inputs) * (rate * scale / sqrt(inputs)),
            "bias": self.take(f"{name}.bias", outputs) * (rate * scale),
        }


def _mapping(left: _Weights, options: Options, own_means: bool) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    if options.joined:
        weight = left.take("mapping.label_concat.weight", options.categories, options.embedding_dim)
        state |= {"mapping.embed.weight": weight.T, "mapping.embed.bias": torch.zeros(options.embedding_dim)}
    elif options.categories:
        found = left.affine("mapping.embed", options.categories, options.embedding_dim)
        state |= _under("mapping.embed", found)
    inputs = options.latent_dim + options.embedding_dim
    for number, outputs in enumerate(options.mapping):
        found = left.affine(f"mapping.fc{number}", inputs, outputs, rate=MAPPING_RATE)
        state |= _under(f"mapping.layers.{number}", found)
        inputs = outputs
    means = (options.categories, options.w_dim) if own_means else (options.w_dim,)
    return state | {"mapping.w_avg": left.take("mapping.w_avg", *means)}


def _synthesis(left: _Weights, options: Options) -> dict[str, Tensor]:
    width = options.widths[0]
    state = {"synthesis.const": left.take("synthesis.b4.const", width, 4, 4)}
    for level, outputs in enumerate(options.widths):
        size = 4 * 2**level
        if level:
            state |= _convolution(left, options, level, "conv0", width, size)
        state |= _convolution(left, options, level, "conv1", outputs, size)
        name = f"synthesis.b{size}.torgb"
        found = left.affine(f"{name}.affine", options.w_dim, outputs, scale=1 / sqrt(outputs))
        state |= _under(f"synthesis.blocks.{level}.torgb.affine", found)
        weight = left.take(f"{name}.weight", options.channels, outputs, 1, 1)
        bias = left.take(f"{name}.bias", options.channels)
        own = {"weight": weight[:, :, 0, 0], "bias": bias[:, None, None]}
        state |= _under(f"synthesis.blocks.{level}.torgb", own)
        width = outputs
    return state


def _convolution(left: _Weights, options: Options, level: int, which: str, inputs: int, size: int) -> dict[str, Tensor]:
    name, outputs = f"synthesis.b{size}.{which}", options.widths[level]
    weight = left.take(f"{name}.weight", outputs, inputs, 3, 3)
    noise = left.take(f"{name}.noise_const", size, size) * left.take(f"{name}.noise_strength")
    own = {
        "weight": weight.transpose(0, 1).contiguous() if which == "conv0" else weight,
        "squares": weight.square().sum(dim=(2, 3)),
        "bias": left.take(f"{name}.bias", outputs)[:, None, None],
        "noise": noise,
    }
    path = f"synthesis.blocks.{level}.{which}"
    return _under(path, own) | _under(f"{path}.affine", left.affine(f"{name}.affine", options.w_dim, inputs))


def _under(path: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{path}.{name}": tensor for name, tensor in tensors.items()}
