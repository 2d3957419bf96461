"""Read files of torch.save that strangers made. No code in them is run.

stored = load_saved(Path("netG_epoch_24.pth"))
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from generate.model.stylegan2.arrays import PARAMETER, STORAGES, TENSOR
from generate.model.stylegan2.pickles import Refused, Source, read_pickle

CHECKPOINTS = (".pth", ".tar", ".pt", ".bin", ".ckpt")  # what torch.save's files are called
NUMBERED = re.compile(r"model_(\d{1,9})\.pt")  # those of the lightweight_gan and stylegan2_pytorch commands
SAFETENSORS = ".safetensors"
ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # how files before torch 1.6 begin
LEGACY_PICKLES = 5  # magic number, version, system, the object, keys of the storages
DATA = "/data.pkl"  # the object in a zip archive
DEEPEST = 2  # dicts within dicts
HEAD = 256  # bytes, of which the first member's name is part
# Leftovers of training in checkpoints, such as options and scores: each becomes a `_Leftover`
LEFTOVERS = ("argparse.Namespace", "numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
CONTAINERS = ("collections.OrderedDict", "collections.Counter", "_codecs.encode", "torch.Size", "torch.device")
NAMES = {*CONTAINERS, TENSOR, PARAMETER, *STORAGES, *LEFTOVERS}  # any other is refused


Weights = dict[str, Tensor]


class _Leftover:
    """Keeps nothing of what it is made of."""

    def __new__(cls, *_: object) -> _Leftover:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def is_saved(path: Path) -> bool:
    """True if torch.save wrote the file, by its first bytes; they may be all that is whole."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return head.startswith(LEGACY) or (head.startswith(ZIP) and DATA.encode() in head)


def may_be_saved(path: Path) -> bool:
    """True for such a file, and for any other under such a name, even a damaged one."""
    return path.is_file() and (path.suffix in CHECKPOINTS or is_saved(path))


def load_saved(path: Path, device: str = "cpu") -> Any:
    """Return what the file holds; on "meta" without its numbers. The weights of a .safetensors are in the order of their numbers.

    Raises ValueError with the reason if it holds anything but weights and numbers, is damaged, or unpacks to more than itself,
    and anything else that torch.load raises.
    """
    if path.suffix == SAFETENSORS and not is_saved(path):
        weights = load_file(path)
        return {name: weights[name] for name in sorted(weights, key=_by_number)}
    try:
        _check_pickles(path)
    except Refused as reason:
        raise ValueError(f"it {reason}") from None
    leftovers: list[Any] = [(_Leftover, name) for name in LEFTOVERS]
    with torch.serialization.safe_globals(leftovers):
        return torch.load(path, map_location=device, weights_only=True)


def _by_number(name: str) -> list[str | int]:
    """main.9 before main.10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _check_pickles(path: Path) -> None:
    """Read the file's pickles as data first: torch's reader allocates, hashes and prints whatever they ask for.

    Raises Refused or ValueError.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            source = Source(file)
            if not is_saved(path):
                raise ValueError("it is damaged, or torch.save did not write it")
            for _ in range(LEGACY_PICKLES):
                read_pickle(source, NAMES.__contains__, persistent=_storage)
        return
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise ValueError("it unpacks to more than the file has")
        found = [name for name in archive.namelist() if name.endswith(DATA)]
        if len(found) != 1:
            raise ValueError("it is a zip archive, but not of torch.save")
        read_pickle(Source(io.BytesIO(archive.read(found[0]))), NAMES.__contains__, persistent=_storage)


def _storage(identity: Any) -> None:
    _, _, key, place, count, *view = identity
    if not isinstance(key, str) or not isinstance(place, str) or not isinstance(count, int) or any(view):
        raise ValueError("a persistent id of another kind")


def state_dicts(stored: Any) -> Iterator[Weights]:
    """Yield the dicts of tensors in a file: the outermost one and those nested in it, each once."""
    waiting, seen = [(stored, 0)], set()
    while waiting:
        found, depth = waiting.pop(0)
        if not isinstance(found, dict) or id(found) in seen:
            continue
        seen.add(id(found))
        if weights := {str(name): weight for name, weight in found.items() if isinstance(weight, Tensor)}:
            yield weights
        waiting += [(inner, depth + 1) for inner in found.values() if depth < DEEPEST]


def names_in(path: Path) -> list[str]:
    """Return the names of the weights in a file, [] if it can't be read."""
    try:
        return [name for weights in state_dicts(load_saved(path, "meta")) for name in weights]
    except Exception:  # a stranger's file can raise anything in the loaders
        return []


def check_claims(path: Path, weights: Iterable[Tensor]) -> None:
    """Raises ValueError if these weights of the file claim to be larger than it: a view can repeat a number at will."""
    claimed, room = sum(weight.numel() * weight.element_size() for weight in weights), path.stat().st_size
    if claimed > room:
        raise ValueError(f"it claims {claimed:,} bytes of weights, but has {room:,}")


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the model_N.pt with the largest N of a folder such as models/NAME, None if it has none."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := NUMBERED.fullmatch(path.name))]
    return max(found)[1] if found else None
