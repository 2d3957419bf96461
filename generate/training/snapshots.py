"""Snapshots of a training run, and the signals that trigger one."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import torch

from generate.images import atomic_path

ECHO_S = 2.0


def save_snapshot(
    run: Path, parts: dict[str, Any], counters: dict[str, Any], keep: int, best: int, device: torch.device
) -> None:
    """Write the complete state of a run to one file; keep the newest `keep` files and that of step `best`.

    `parts` are the networks and optimizers by name; `counters` are what else the loop needs, "step" among them.
    """
    state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
    state |= counters | {"rng": torch.get_rng_state(), "python_rng": random.getstate()}
    if device.type in ("cuda", "mps"):  # of this rank's device alone: every rank draws the same numbers, see ranks.py
        state["device_rng"] = _of_device(device).get_rng_state(*_which(device))
    with atomic_path(run / f"snapshot-{counters['step']:07d}.pt") as temporary:
        torch.save(state, temporary)
    for old in _snapshots(run)[:-keep]:
        if old.name != f"snapshot-{best:07d}.pt":
            old.unlink()


def read_newest(run: Path) -> dict[str, Any] | None:
    """The newest snapshot as `save_snapshot` wrote it, on the CPU; None where there is none.

    Raises click.ClickException for a damaged one.
    """
    if not (snapshots := _snapshots(run)):
        return None
    try:
        state = torch.load(snapshots[-1], map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or "step" not in state:
            raise ValueError("it holds something else")
    except Exception as error:  # whatever torch finds wrong with a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise click.ClickException(
            f"{snapshots[-1]} can't be loaded ({reason}): delete it, and the run continues from the one before."
        ) from None
    return state


def restore(state: dict[str, Any], parts: dict[str, Any], device: torch.device) -> tuple[int, torch.Tensor, float]:
    """Restore networks, optimizers and random states from a snapshot.

    Returns its step, order of pictures and probability of augmentation.
    """
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["rng"])
    random.setstate(state["python_rng"])
    if "device_rng" in state and device.type in ("cuda", "mps"):
        _of_device(device).set_rng_state(state["device_rng"], *_which(device))
    return state["step"], state["order"], state["probability"]


def _of_device(device: torch.device) -> Any:
    return torch.cuda if device.type == "cuda" else torch.mps


def _which(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []  # MPS has one


def _snapshots(run: Path) -> list[Path]:
    return sorted(run.glob("snapshot-*.pt"))


@contextlib.contextmanager
def collect_signals(speak: bool = True) -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list, so that the loop can save first. A second signal acts at once.

    But not within ECHO_S of the first: torchrun passes on to its processes what the terminal has sent them already.
    """
    received: list[int] = []
    first = 0.0

    def note(number: int, _: object) -> None:
        nonlocal first
        if not received:
            first = time.monotonic()
            if speak:  # unbuffered: the signal may have come in the middle of another write
                os.write(2, b"\nStopping after this step; again to stop now.\n")
        elif time.monotonic() - first > ECHO_S:
            for signum, handler in before.items():
                signal.signal(signum, handler)
            os.kill(os.getpid(), number)
        received.append(number)

    before = {signum: signal.signal(signum, note) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
