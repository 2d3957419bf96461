"""The command of `prepare`, for its tests."""

from __future__ import annotations

from click.testing import CliRunner, Result

from generate.__main__ import main


def prepare(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", *map(str, arguments)])
