"""The command of `prepare`, for its tests; and how to kill it in the middle of its work."""

from __future__ import annotations

import os
from pathlib import Path

from click.testing import CliRunner, Result

from generate.__main__ import main

MORTAL = """
import os, signal, sys
left = {square}
def watch(event, arguments):
    global left
    if event == "os.rename" and str(arguments[1]).endswith(".png"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
if {process!r} in " ".join(sys.orig_argv):
    sys.addaudithook(watch)
"""


def prepare(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", *map(str, arguments)])


def killed_at(square: int, process: str, folder: Path) -> dict[str, str]:
    """The environment in which SIGKILL ends processes with these words in their command, just before that square is there."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(MORTAL.format(square=square, process=process))
    return os.environ | {"PYTHONPATH": str(folder)}
