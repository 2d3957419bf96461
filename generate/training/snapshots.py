"""Save and restore snapshots of a training run; collect the signals that trigger one."""

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

ECHO_S = 2.0  # torchrun forwards to its processes a signal that the terminal has already sent them
# May be missing in a snapshot: of an earlier version, or from before --imle was switched on. They start afresh.
NOT_BEFORE = {"critic", "optimizer_c", "nearest"}


def save_snapshot(
    run: Path, parts: dict[str, Any], counters: dict[str, Any], keep: int, best: int, device: torch.device
) -> None:
    """Write the complete state of a run to one file; keep the newest `keep` files and that of step `best`.

    `parts` are the networks and optimizers by name; `counters` is the rest of the loop's state, "step" among it.
    """
    state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
    state |= counters | {"rng": torch.get_rng_state(), "python_rng": random.getstate()}
    if device.type in ("cuda", "mps"):  # one rank's is enough: every rank draws the same numbers, see ranks.py
        state["device_rng"] = _rng_module(device).get_rng_state(*_rng_arguments(device))
    with atomic_path(run / f"snapshot-{counters['step']:07d}.pt") as temporary:
        torch.save(state, temporary)
    for old in _snapshots(run)[:-keep]:
        if old.name != f"snapshot-{best:07d}.pt":
            old.unlink()


def read_newest(run: Path) -> dict[str, Any] | None:
    """Read the newest snapshot onto the CPU; None if there is none.

    Raises click.ClickException if it is damaged.
    """
    if not (snapshots := _snapshots(run)):
        return None
    try:
        state = torch.load(snapshots[-1], map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or "step" not in state:
            raise ValueError("not a snapshot")
    except Exception as error:  # torch raises many kinds for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise click.ClickException(
            f"{snapshots[-1]} can't be loaded ({reason}): delete it to continue from the previous snapshot."
        ) from None
    return state


def restore(state: dict[str, Any], parts: dict[str, Any], device: torch.device) -> tuple[int, torch.Tensor, float]:
    """Restore networks, optimizers and random states from a snapshot.

    Returns its step, order of pictures and probability of augmentation.
    """
    for name, part in parts.items():
        if name in state or name not in NOT_BEFORE:
            part.load_state_dict(state[name])
    torch.set_rng_state(state["rng"])
    random.setstate(state["python_rng"])
    if "device_rng" in state and device.type in ("cuda", "mps"):
        _rng_module(device).set_rng_state(state["device_rng"], *_rng_arguments(device))
    return state["step"], state["order"], state["probability"]


def _rng_module(device: torch.device) -> Any:
    return torch.cuda if device.type == "cuda" else torch.mps


def _rng_arguments(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []  # MPS has one


def _snapshots(run: Path) -> list[Path]:
    return sorted(run.glob("snapshot-*.pt"))


@contextlib.contextmanager
def collect_signals(speak: bool = True) -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list, so that the loop can save first. A second signal after ECHO_S acts at once."""
    received: list[int] = []
    first = 0.0

    def note(number: int, _: object) -> None:
        nonlocal first
        if not received:
            first = time.monotonic()
            if speak:  # unbuffered: the signal may have interrupted another write
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
