"""The training pictures: held on the device if they fit, else decoded on demand.

pictures = open_pictures(Path("prepared"), torch.device("cpu"))
batches = Batches(pictures, labels=None, size=16, device=torch.device("cpu"))
real, labels = batches.draw()  # (16, 3, H, W), 0..1
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import click
import psutil
import torch
from torch import Tensor

from generate.images import BadPicture, category_of, find_pictures, load_pictures, pixels, size_of
from generate.ranks import own_rows

FITS = 0.5  # of the free memory
DECODERS = 8  # threads; Pillow releases the GIL while it decodes


class Pictures:
    """Square pictures of one size, in memory: pictures[indices] is (N, channels, size, size), uint8."""

    def __init__(self, held: Tensor) -> None:
        self.held, self.channels, self.size, self.where = held, held.shape[1], held.shape[-1], "held in memory"

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, indices: Tensor) -> Tensor:
        return self.held[indices.to(self.held.device)]

    def expect(self, indices: Tensor) -> None:
        """Announce the next batch."""


class StreamedPictures(Pictures):
    """Pictures that don't fit into memory. Threads decode the next batch during a step."""

    def __init__(self, paths: Sequence[Path], channels: int, size: int) -> None:
        self.paths, self.channels, self.size, self.where = (
            paths,
            channels,
            size,
            "read from their files as they are needed",
        )
        self.pool = ThreadPoolExecutor(DECODERS)
        self.expected: dict[int, Future[Tensor]] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Tensor) -> Tensor:
        self.expect(indices)
        decoded = {i: self.expected.pop(i).result() for i in dict.fromkeys(indices.tolist())}
        return torch.stack([decoded[i] for i in indices.tolist()])

    def expect(self, indices: Tensor) -> None:
        for i in indices.tolist():
            if i not in self.expected:
                self.expected[i] = self.pool.submit(self._decode, self.paths[i])

    def _decode(self, path: Path) -> Tensor:
        try:
            array = pixels(path, self.channels)
        except BadPicture as reason:
            raise click.ClickException(f"{path} is {reason}. Delete it and run `prepare` again.") from None
        if array.shape[:2] != (self.size, self.size):
            raise click.ClickException(f"{path} is {array.shape[1]}x{array.shape[0]}, not {self.size}x{self.size}.")
        return torch.from_numpy(array.copy()).permute(2, 0, 1)


class Batches:
    """Endless shuffled batches of pictures (N, C, H, W), 0..1, and their labels, on a device.

    Each rank gets its own rows of the batch.
    """

    def __init__(self, pictures: Pictures, labels: Tensor | None, size: int, device: torch.device) -> None:
        self.pictures, self.labels, self.size, self.device = pictures, labels, size, device
        self.order = torch.empty(0, dtype=torch.long)
        self.chosen = self.order  # indices of this rank's rows of the last batch

    def draw(self) -> tuple[Tensor, Tensor | None]:
        while len(self.order) < self.size:
            self.order = torch.cat((self.order, torch.randperm(len(self.pictures))))
        self.chosen, self.order = own_rows(self.order[: self.size]), self.order[self.size :]
        batch = self.pictures[self.chosen].to(self.device).float() / 255
        if len(self.order) >= self.size:
            self.pictures.expect(own_rows(self.order[: self.size]))
        labels = None if self.labels is None else self.labels[self.chosen].to(self.device)
        return batch.contiguous(memory_format=torch.channels_last), labels


def open_pictures(data: Path, device: torch.device, channels: int = 3) -> Pictures:
    """Open a prepared folder in path order; hold it on the device if it fits into half of the free memory.

    Channels: 1 (grey), 3 (RGB) or 4 (RGBA).

    Raises click.ClickException unless all pictures are square and of one size, a power of two.
    """
    paths = find_pictures(data)
    try:
        size, height = size_of(paths[0])
    except BadPicture:
        size = height = 0
    suits = size == height and size & (size - 1) == 0
    if suits and len(paths) * channels * size**2 > FITS * free_memory(device):
        return StreamedPictures(paths, channels, size)
    held = load_pictures(data, channels)  # raises for the first unsuitable picture
    if channels == 4 and bool((held[:, 3] == 255).all()):
        raise click.ClickException(
            f"{data} has no transparent pictures for --transparent: leave the option out, or make some with "
            f"`python -m generate prepare SOURCE {data} --background transparent`."
        )
    return Pictures(held.to(device))


def free_memory(device: torch.device) -> int:
    """Return the free memory of the device in bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


def read_categories(data: Path) -> tuple[tuple[str, ...], Tensor]:
    """Return the first-level folders' names and each picture's folder index (N,), in path order.

    Raises click.BadParameter for pictures outside a folder, or if there is only one folder.
    """
    folders = [category_of(path, data) for path in find_pictures(data)]
    names = tuple(sorted(set(folders)))
    if "" in names or len(names) < 2:
        raise click.BadParameter(
            f"{data} has {'pictures outside a category' if '' in names else 'one category'}: --conditional takes "
            f"{data}/cats/*.png, {data}/dogs/*.png and so on; leave it out for one kind of thing.",
            param_hint="--conditional",
        )
    return names, torch.tensor([names.index(folder) for folder in folders])
