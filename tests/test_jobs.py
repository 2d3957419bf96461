"""The group of commands: an error of the machine is one sentence."""

from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner

from generate.__main__ import main
from tests.conftest import EMOJI, ROOT


def test_a_full_disk_is_a_sentence(tmp_path):
    """A limit on the size of files stands in for it: the same failed write, of another number."""
    command = f"ulimit -f 1; exec {sys.executable} -m generate prepare {EMOJI / 'food'} {tmp_path / 'out'} --size 256"
    done = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; {command}"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "then run the same command again" in done.stderr


def test_an_unknown_job_is_a_sentence():
    result = CliRunner().invoke(main, ["trian"])

    assert result.exit_code == 2
    assert "No such command 'trian'" in result.output
