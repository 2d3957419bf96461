"""Open a generator of any family, identified by the file's content.

from generate.model.opening import open_model
model = open_model("runs/mine")
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

from generate.model.biggan.weights import is_biggan
from generate.model.checkpoints import HUB_MODEL, is_lightweight
from generate.model.dcgan.weights import is_dcgan
from generate.model.family import Model
from generate.model.fetching import local_copy, source_of
from generate.model.foreign import NOT_READ, class_beside, foreign_file, foreign_weights
from generate.model.generator import load_generator
from generate.model.saved import CHECKPOINTS, LEGACY, may_be_saved, names_in, newest_checkpoint
from generate.model.stylegan2.rosinality import MARK
from generate.model.stylegan2_pytorch.weights import is_stylegan2_pytorch

OURS = "generator.safetensors"
PICKLE = b"\x80"  # the first byte of pickles
PICKLES = (".pkl", ".pickle")
SUFFIXES = (*CHECKPOINTS, *PICKLES, ".safetensors")  # of files that may be a model
PIPELINE = "model_index.json"  # in the folder of a diffusion model


def open_model(source: str | Path, device: torch.device | None = None) -> Model:
    """Open a run folder, a file, or a name that `local_copy` downloads. Raises click.ClickException if it is not a model."""
    path = local_copy(str(source))
    model = _open(_model_in(path), device)
    if found := source_of(path):
        model.made["source"] = found
    return model


def _open(path: Path, device: torch.device | None) -> Model:
    if path.is_file() and (what := foreign_file(path)):
        raise click.ClickException(f"{path} {what}")
    if is_biggan(path):
        from generate.model.biggan.model import open_biggan

        return open_biggan(path, device)
    if not path.is_file():
        return load_generator(path, device)
    names = [] if _is_pickle(path) else names_in(path)
    if _is_pickle(path) or MARK in names:
        from generate.model.stylegan2.model import open_stylegan2

        return open_stylegan2(path, device)
    if is_stylegan2_pytorch(path, names):
        from generate.model.stylegan2_pytorch.model import open_stylegan2_pytorch

        return open_stylegan2_pytorch(path, device)
    if is_lightweight(path, names):
        return load_generator(path, device)
    if whose := foreign_weights(names):
        raise click.ClickException(f"{path} holds weights of {whose}, {NOT_READ}.")
    whose = class_beside(path)
    if is_dcgan(path) or (not whose and may_be_saved(path)):
        from generate.model.dcgan.model import open_dcgan

        return open_dcgan(path, device)
    if whose and path.name != OURS:
        raise click.ClickException(f"{path} is a {whose} by its config.json, {NOT_READ}.")
    return load_generator(path, device)


def _model_in(path: Path) -> Path:
    """Return the newest checkpoint of a folder models/NAME, the only model of any other folder, any other path as it is.

    Raises click.ClickException for a folder with several.
    """
    if not path.is_dir() or (path / OURS).exists() or (path / HUB_MODEL).exists() or is_biggan(path):
        return path
    if newest := newest_checkpoint(path):
        return newest
    if (path / PIPELINE).exists():
        raise click.ClickException(f"{path} is a diffusion model, {NOT_READ}.")
    found = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and not one.name.startswith("snapshot-"))
    if len(found) > 1:
        raise click.ClickException(f"{path} holds {len(found)} models: give one of them, such as {found[0]}.")
    return found[0] if found else path


def _is_pickle(path: Path) -> bool:
    """True for a plain pickle and for any .pkl or .pickle, even a damaged one.

    A .safetensors never is one, since it begins with the length of its header: any byte.
    """
    with path.open("rb") as file:
        head = file.read(len(LEGACY))
    plain = head.startswith(PICKLE) and not head.startswith(LEGACY) and not LEGACY.startswith(head)
    return path.suffix in PICKLES or (plain and path.suffix != ".safetensors")
