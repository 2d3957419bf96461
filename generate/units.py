"""Parse option values such as durations (30m, 7d), seeds (0-383,1000) and batch sizes (auto); format sizes and counts."""

from __future__ import annotations

import shlex
from math import isfinite
from pathlib import Path
from typing import Any

import click

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MOST_S = 3650 * UNITS_S["d"]  # maximum duration; time.sleep() accepts at most 292 years
MOST_CATEGORIES = 100_000
MOST_SEEDS = 10_000_000  # per command, to bound memory
MOST_DIGITS = 1000  # digits; int() refuses more than 4,300


class Number(click.FloatRange):
    """A finite number in a range. click's own type takes nan for a number in any range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not isfinite(found):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return found


class Duration(click.ParamType[float]):
    """A duration such as 30m, 24h or 7d, converted to seconds; 0 only if `least_s` is 0."""

    name = "duration"

    def __init__(self, least_s: int = 1) -> None:
        self.least_s = least_s

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if value == "0" and self.least_s == 0:
            return 0.0
        number, unit = value[:-1], value[-1:]
        if not _is_number(number) or unit not in UNITS_S or int(number) < self.least_s:
            zero = "" if self.least_s else ", or 0"
            self.fail(f"{value!r:.60} is not a duration: write it as in 30m, 24h or 7d{zero}.", param, ctx)
        if (seconds := int(number) * UNITS_S[unit]) > MOST_S:
            self.fail(f"{value!r:.60} is longer than {MOST_S // UNITS_S['d']} days: write a shorter time.", param, ctx)
        return float(seconds)


class Seeds(click.ParamType[list[int]]):
    """Seeds such as 0-383,1000: inclusive ranges and single seeds."""

    name = "seeds"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        seeds: dict[int, None] = {}  # an ordered set
        for part in value.split(","):
            first, dash, last = (number.strip() for number in part.partition("-"))
            if not _is_number(first) or (dash and not _is_number(last)):
                self.fail(f"{part.strip()!r:.60} is not a seed or a range: write them as in 0-383,1000.", param, ctx)
            start, end = int(first), int(last or first)
            if end < start:
                self.fail(f"{part.strip()!r:.60} is backwards: write {end}-{start}.", param, ctx)
            if end >= 2**63:
                self.fail(f"{part.strip()!r:.60} is more than the largest seed, {2**63 - 1}.", param, ctx)
            if end - start >= MOST_SEEDS - len(seeds):
                self.fail(f"{value!r:.60} is more than {MOST_SEEDS:,} seeds: draw fewer at a time.", param, ctx)
            seeds |= dict.fromkeys(range(start, end + 1))
        return list(seeds)


def _is_number(text: str) -> bool:
    """Whether the text is a natural number in ASCII digits."""
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


class BatchSize(click.IntRange):
    """A number of pictures, at least 1, or auto, converted to 0; see `generate.model.drawing.choose_batch_size`."""

    name = "auto or a number"

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return 0 if value == "auto" else int(super().convert(value, param, ctx))


class Categories(click.ParamType[int | list[str]]):
    """A number of categories or a list of names: 60 or pineapple,hedgehog."""

    name = "number or names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | list[str]:
        if not isinstance(value, str):
            found: int | list[str] = value
            return found
        if _is_number(value.strip()):
            if not 0 < int(value) <= MOST_CATEGORIES:
                self.fail(
                    f"{value!r} is not a number of categories: write one from 1 to {MOST_CATEGORIES}.", param, ctx
                )
            return int(value)
        names = [name.strip() for name in value.split(",")]
        if not all(names):
            self.fail(
                f"{value!r} names no category between two commas: write them as in pineapple,hedgehog.", param, ctx
            )
        return list(dict.fromkeys(names))


def duration_text(seconds: float) -> str:
    """Format a duration for `Duration`, in the largest exact unit: 90m, 7d."""
    unit = next(name for name in reversed(UNITS_S) if seconds % UNITS_S[name] == 0)
    return f"{int(seconds) // UNITS_S[unit]}{unit}"


def size_text(length: int) -> str:
    """Format a number of bytes: "3.5 MB", "12.0 kB"."""
    return f"{length / 1e6:.1f} MB" if length >= 1e6 else f"{length / 1e3:.1f} kB"


def plural(count: int, noun: str) -> str:
    """ "1 picture", "1,041 pictures"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shell_path(path: Path | str) -> str:
    """Quote the path for a shell command; -x becomes ./-x, so that it isn't read as an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
