"""Durations as people write them, 30m, 24h or 7d, and sizes as they read them."""

from __future__ import annotations

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


def size_text(length: int) -> str:
    """A number of bytes for people."""
    return f"{length / 1e6:.1f} MB" if length >= 1e6 else f"{length / 1e3:.1f} kB"
