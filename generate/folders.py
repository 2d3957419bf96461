"""Tell which command made a folder, by the file that it wrote there, and whether a command may write to it.

Also lock folders against concurrent commands.

check_dest(Path("samples"), "samples.json")
"""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

MAKERS = {
    "collect.json": "collect",
    "samples.json": "sample",
    "curate.json": "curate",
    "dataset.json": "prepare",
    "options.json": "train",
    "recognise.json": "recognise",
    "stages.json": "site",
    "explore.json": "explore",
    "evaluation.json": "evaluate",
}
LITTER = {".DS_Store", ".directory", "Thumbs.db", "desktop.ini"}  # left by file managers
LOCK = ".generate.lock"  # names the process that holds a folder


def check_dest(dest: Path, mark: str) -> None:
    """Raise click.ClickException unless `dest` is new, empty, or contains `mark`, which the same command writes first.

    Also raises if `dest` is inside a folder of training pictures, where `prepare` or `train` would pick up its files.
    """
    maker = MAKERS[mark]
    if dest.is_symlink() and not dest.exists():
        raise click.ClickException(f"{dest} is a link that leads nowhere: delete it, or choose another DEST.")
    if dest.exists() and not dest.is_dir():
        raise click.ClickException(f"{dest} is a file: choose another DEST.")
    if dest.is_dir() and not (dest / mark).exists() and (others := content(dest)):
        raise click.ClickException(
            f"{dest} holds something that {maker} did not put there ({others[0]!r}): choose another DEST."
        )
    check_outside_data(dest)


@contextmanager
def held(dest: Path) -> Iterator[int]:
    """Make the folder and lock it; yields the lock's file descriptor, which child processes inherit.

    The system releases the lock when this process and those children have ended, even if killed. Raises
    click.ClickException that names the holder if the folder is locked.
    """
    dest.mkdir(parents=True, exist_ok=True)
    with (dest / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise click.ClickException(
                f"{file.read() or 'Another process'} is at work in {dest}, or one of its jobs: wait until it has ended, or "
                "stop it, or choose another DEST."
            ) from None
        except OSError:  # the file system has no locks
            pass
        file.truncate(0)
        file.write(f"Process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%Y-%m-%d %H:%M},")
        file.flush()
        yield file.fileno()


@contextmanager
def atomic_folder(dest: Path) -> Iterator[Path]:
    """A temporary folder beside `dest` to write to, which replaces `dest` as a whole when the block ends well, else is removed."""
    place = dest.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    identity = f".{sha256(os.fsencode(place.name)).hexdigest()[:16]}.{os.getpid()}"
    temporary, former = place.with_name(f"{identity}.tmp"), place.with_name(f"{identity}.old.tmp")
    temporary.mkdir()
    try:
        yield temporary
        if not place.exists():
            temporary.rename(place)
            return
        place.rename(former)
        try:
            temporary.rename(place)
        except BaseException:
            former.rename(place)
            raise
        shutil.rmtree(former)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def forget_if_empty(dest: Path, mark: str) -> None:
    """Delete a folder that contains only the lock and `mark`."""
    if {path.name for path in dest.iterdir()} <= {LOCK, mark}:
        for name in (LOCK, mark):
            (dest / name).unlink(missing_ok=True)
        with suppress(OSError):  # not empty: something was written meanwhile
            dest.rmdir()


def content(folder: Path) -> list[str]:
    """The names in a folder, without temporary files and those of file managers."""
    return sorted(path.name for path in folder.iterdir() if not (_is_temporary(path) or path.name in LITTER))


def check_outside_data(dest: Path) -> None:
    """Raise click.ClickException if `dest` is, or is inside, a folder of training pictures."""
    place = dest.resolve()
    for folder in (place, *place.parents):
        if origin := training_origin(folder):
            which = f"{dest} holds" if folder == place else f"{dest} lies in {folder}, which holds"
            raise click.ClickException(
                f"{which} training pictures that {origin}: choose a folder outside, or the pictures written there would "
                "be trained on."
            )


def training_origin(folder: Path) -> str:
    """The origin of a folder of training pictures, such as "prepare made of photos"; "" for other folders."""
    options = _read_object(folder / "dataset.json")
    if {"source", "crop", "size"} <= options.keys():
        return f"`prepare` made of {options['source']}"
    try:
        with (folder / "sources.csv").open(newline="", encoding="utf-8") as table:
            header = next(csv.reader(table), [])
    except (OSError, ValueError, csv.Error):
        return ""
    return "`collect` fetched" if {"file", "url", "licence"} <= set(header) else ""


def find_training_origin(folder: Path, pictures: list[Path]) -> str:
    """Like `training_origin`, but also checks parent folders, subfolders, and the sources of `curate` and `recognise`."""
    below = {
        parent.relative_to(folder) for path in pictures for parent in path.parents if parent.is_relative_to(folder)
    }
    sources, seen = [folder], set()
    while sources:
        source = sources.pop()
        if (place := source.resolve()) in seen:
            continue
        seen.add(place)
        for home in [source, *sorted(source / name for name in below), *place.parents]:
            if origin := training_origin(home):
                return f"{home} holds pictures that {origin}"
        chosen = [_read_object(source / mark).get("samples") for mark in ("curate.json", "recognise.json")]
        sources += [Path(samples) for samples in chosen if isinstance(samples, str)]
    return ""


def data_of(model: Path) -> Path | None:
    """The folder a run was trained on, from its options.json; None if either is missing."""
    run = model if model.is_dir() else model.parent
    data = _read_object(run / "options.json").get("data")
    return Path(data) if isinstance(data, str) and Path(data).is_dir() else None


def _is_temporary(path: Path) -> bool:
    """Whether the file is a lock or a temporary file of `generate.images.atomic_path`."""
    return path.name.startswith(".") and path.suffix in (".tmp", ".lock")


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
