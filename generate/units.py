"""What people write for numbers: durations as 30m, 24h or 7d, seeds as 0-383,1000, batches as auto; and sizes as they read them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    """A time such as 30m, 24h or 7d, in seconds."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number, unit = value[:-1], value[-1:]
        if not number.isdecimal() or int(number) < 1 or unit not in UNITS_S:
            self.fail(f"{value!r} is not a duration: write it as in 30m, 24h or 7d.", param, ctx)
        return float(int(number) * UNITS_S[unit])


class Seeds(click.ParamType[list[int]]):
    """Seeds as in 0-383,1000: ranges with both ends, and single ones."""

    name = "seeds"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        seeds: dict[int, None] = {}  # a set that keeps the order
        for part in value.split(","):
            first, dash, last = part.strip().partition("-")
            if not first.isdecimal() or (dash and not last.isdecimal()):
                self.fail(f"{part!r} is not a seed or a range: write them as in 0-383,1000.", param, ctx)
            if int(last or first) >= 2**63:
                self.fail(f"{part!r} is more than the largest seed, {2**63 - 1}.", param, ctx)
            seeds |= dict.fromkeys(range(int(first), int(last or first) + 1))
        if not seeds:
            self.fail(f"{value!r} holds no seed: write them as in 0-383.", param, ctx)
        return list(seeds)


class BatchSize(click.IntRange):
    """A number of pictures from 1 up, or auto, which is 0: see `generate.model.drawing.choose_batch_size`."""

    name = "auto or a number"

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return 0 if value == "auto" else int(super().convert(value, param, ctx))


def size_text(length: int) -> str:
    """A number of bytes for people."""
    return f"{length / 1e6:.1f} MB" if length >= 1e6 else f"{length / 1e3:.1f} kB"


def plural(count: int, noun: str) -> str:
    """ "1 picture", "1,041 pictures"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shell_path(path: Path) -> str:
    """The path as an argument of a command to copy: quoted, and ./-x for -x, which would be taken for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
