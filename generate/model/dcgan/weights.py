"""Read the weights of a DCGAN, a state dict alone or inside a checkpoint, and infer the layers from their shapes.

generator = read_dcgan(Path("netG_epoch_24.pth"))
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from generate.model.dcgan.network import KERNEL, Generator, Options
from generate.model.saved import Weights, check_claims, load_saved, state_dicts

MOST_LAYERS = 9  # pictures of 1,024 px
NORM = {"weight", "bias", "running_mean", "running_var"}
COUNTER = "num_batches_tracked"  # of batch norm; says nothing


def is_dcgan(path: Path) -> bool:
    """True for a file with the layers of such a generator."""
    try:
        return any(map(_layers, _candidates(load_saved(path, "meta"))))
    except Exception:  # a stranger's file can raise anything in the loaders
        return False


def read_dcgan(path: Path) -> Generator:
    """Return the generator that a file holds, without running code from it. Weights larger than the file are never allocated.

    Raises click.ClickException if it is damaged, or no DCGAN's generator.
    """
    try:
        for claimed in state_dicts(load_saved(path, "meta")):  # each alone: two may share their numbers
            check_claims(path, claimed.values())
        stored = _candidates(load_saved(path))
        found = [layers for layers in map(_layers, stored) if layers]
        if not found:
            raise ValueError(_reason(stored))
        generator = _build(found[0])
    except Exception as error:  # a stranger's file can raise anything in the loaders
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise click.ClickException(
            f"{path} can't be read as a DCGAN's generator ({reason}). Nothing in it was run. docs/models.md says which "
            "files are read; get a damaged one again."
        ) from None
    return generator.eval()


def _candidates(stored: Any) -> list[Weights]:
    """Return the dicts of tensors in a file, and the parts of those that hold several networks, such as generator.main.0.weight."""
    whole = list(state_dicts(stored))
    parts: dict[tuple[int, str], Weights] = {}
    for number, weights in enumerate(whole):
        for name, weight in weights.items():
            parts.setdefault((number, name.partition(".")[0]), {})[name] = weight
    return [*whole, *parts.values()]


def _grouped(weights: Weights) -> list[Weights]:
    """Group tensors by layer, in the order of the layers. A tensor's name is its layer, a dot, and its kind."""
    layers: dict[str, Weights] = {}
    for name, weight in weights.items():
        layer, _, kind = name.rpartition(".")
        if kind != COUNTER:
            layers.setdefault(layer, {})[kind] = weight
    return list(layers.values())


def _layers(weights: Weights) -> list[Weights] | None:
    """Return a generator's layers (transposed convolution, batch norm, ..., transposed convolution), or None for any others."""
    layers = _grouped(weights)
    convolutions, norms = layers[::2], layers[1::2]
    if len(layers) % 2 == 0 or not 2 <= len(convolutions) <= MOST_LAYERS:
        return None
    if any(layer.keys() != NORM for layer in norms) or any(layer.keys() - {"bias"} != {"weight"} for layer in convolutions):  # fmt: skip
        return None
    shapes = [layer["weight"].shape for layer in convolutions]
    if any(len(shape) != 4 or shape[2:] != (KERNEL, KERNEL) for shape in shapes):
        return None
    follow = all(before[1] == after[0] for before, after in pairwise(shapes))
    return layers if follow and shapes[-1][1] in (1, 3, 4) else None


def _build(layers: list[Weights]) -> Generator:
    convolutions, norms = layers[::2], layers[1::2]
    shapes = [layer["weight"].shape for layer in convolutions]
    options = Options(
        latent_dim=shapes[0][0],
        widths=tuple(shape[1] for shape in shapes[:-1]),
        channels=shapes[-1][1],
        biased=tuple("bias" in layer for layer in convolutions),
    )
    generator = Generator(options)
    for module, layer in zip((*generator.convolutions, *generator.norms), (*convolutions, *norms), strict=True):
        module.load_state_dict({name: weight.float() for name, weight in layer.items()}, strict=False)
    if any(not weight.isfinite().all() for weight in generator.state_dict().values()):
        raise ValueError("it has weights that are not numbers")
    return generator


def _reason(stored: list[Weights]) -> str:
    """Explain why none of these is a generator."""
    for weights in stored:
        shapes = [w.shape for w in weights.values() if w.ndim == 4]
        if len(shapes) > 1 and all(before[0] == after[1] for before, after in pairwise(shapes)) and shapes[-1][0] == 1:
            return "it holds a discriminator's weights"
    if not stored:
        return "it holds no weights by name"
    return "its layers are not 4x4 transposed convolutions with batch norm between them"
