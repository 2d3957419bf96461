"""Open a generator of any family, identified by the file's content.

from generate.model.opening import open_model
model = open_model("runs/mine")
"""

from __future__ import annotations

from pathlib import Path

import torch

from generate.model.biggan.weights import is_biggan
from generate.model.checkpoints import HUB_MODEL
from generate.model.dcgan.weights import is_dcgan
from generate.model.family import Model
from generate.model.fetching import local_copy, source_of
from generate.model.generator import load_generator
from generate.model.saved import CHECKPOINTS, newest_checkpoint
from generate.model.stylegan2_pytorch.weights import is_stylegan2_pytorch

PICKLE = b"\x80"  # the first byte of pickles
TORCH_SAVE = (
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # torch.save's magic number before 1.6 (no zip)
)


def open_model(source: str | Path, device: torch.device | None = None) -> Model:
    """Open a run folder, a file, or a name that `local_copy` downloads. Raises click.ClickException if it is not a model."""
    path = local_copy(str(source))
    model = _open(_checkpoint_in(path), device)
    if found := source_of(path):
        model.made["source"] = found
    return model


def _open(path: Path, device: torch.device | None) -> Model:
    if path.is_file() and _is_pickle(path):
        from generate.model.stylegan2.model import open_stylegan2

        return open_stylegan2(path, device)
    if is_biggan(path):
        from generate.model.biggan.model import open_biggan

        return open_biggan(path, device)
    if is_stylegan2_pytorch(path):
        from generate.model.stylegan2_pytorch.model import open_stylegan2_pytorch

        return open_stylegan2_pytorch(path, device)
    if is_dcgan(path):
        from generate.model.dcgan.model import open_dcgan

        return open_dcgan(path, device)
    return load_generator(path, device)


def _checkpoint_in(path: Path) -> Path:
    """Return the newest checkpoint of a folder models/NAME, any other path as it is."""
    if path.is_dir() and not any((path / name).exists() for name in ("generator.safetensors", HUB_MODEL)):
        return newest_checkpoint(path) or path
    return path


def _is_pickle(path: Path) -> bool:
    """True for a plain pickle and for any .pkl or .pickle, even a damaged one.

    CHECKPOINTS never are one, nor is a .safetensors, which begins with the length of its header: any byte.
    """
    with path.open("rb") as file:
        head = file.read(len(TORCH_SAVE))
    plain = path.suffix not in (*CHECKPOINTS, ".safetensors") and head.startswith(PICKLE) and head != TORCH_SAVE
    return plain or path.suffix in (".pkl", ".pickle")
