"""Read files of torch.save that strangers made. No code in them is run.

stored = load_saved(Path("netG_epoch_24.pth"))
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

CHECKPOINTS = (".pth", ".tar", ".pt")  # what torch.save's files are called
NUMBERED = re.compile(r"model_(\d{1,9})\.pt")  # those of the lightweight_gan and stylegan2_pytorch commands


def load_saved(path: Path, device: str = "cpu") -> Any:
    """Return what the file holds; on "meta" without its numbers.

    Raises ValueError if it unpacks to more than itself, and anything else that torch.load raises.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise ValueError("it unpacks to more than the file has")
    return torch.load(path, map_location=device, weights_only=True)


def check_claims(path: Path, weights: Iterable[Tensor]) -> None:
    """Raises ValueError if these weights of the file claim to be larger than it: a view can repeat a number at will."""
    claimed, room = sum(weight.numel() * weight.element_size() for weight in weights), path.stat().st_size
    if claimed > room:
        raise ValueError(f"it claims {claimed:,} bytes of weights, but has {room:,}")


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the model_N.pt with the largest N of a folder such as models/NAME, None if it has none."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := NUMBERED.fullmatch(path.name))]
    return max(found)[1] if found else None
