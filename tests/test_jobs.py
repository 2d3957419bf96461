"""The group of commands: an error of the machine is one sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from generate.__main__ import main
from tests.conftest import EMOJI, ROOT, files
from tests.test_refill import make_run


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


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_no_option_takes_what_is_no_number(number):
    context = click.Context(main)
    options = [option for job in COMMANDS for option in main.get_command(context, job).params]
    numbers = [option for option in options if isinstance(option.type, click.types.FloatParamType)]

    assert len(numbers) > 10
    for option in numbers:
        with pytest.raises(click.BadParameter):
            option.type.convert(number, option, context)


@pytest.fixture(scope="module")
def unlucky(tmp_path_factory) -> Path:
    """A home with what one may name as DEST by mistake, beside pictures, samples and a run."""
    home = tmp_path_factory.mktemp("unlucky")
    shutil.copytree(EMOJI / "food", home / "photos")
    shutil.copytree(EMOJI / "food", home / "samples")
    make_run(home / "run")
    for name in ("mine/note.txt", "mine/.git/HEAD", "a file"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("mine")
    (home / "link").symlink_to("mine")
    (home / "nowhere").symlink_to("gone")
    return home


COMMANDS = {
    "collect": ["photos", "DEST", "--min-size", "32"],
    "prepare": ["photos", "DEST", "--size", "32"],
    "train": ["photos", "DEST", "--device", "cpu"],
    "sample": ["run", "DEST", "--count", "2", "--device", "cpu"],
    "curate": ["samples", "DEST", "--device", "cpu"],
    "recognise": ["samples", "DEST", "--device", "cpu"],
    "explore": ["run", "DEST", "--seeds", "0-1", "--seconds", "0.1", "--device", "cpu"],
    "evaluate": ["samples", "photos", "--dest", "DEST", "--device", "cpu"],
    "site": ["photos", "DEST", "--hours", "0.001"],
}


@pytest.mark.parametrize("dest", ["mine", "link", "a file/below", "nowhere", "/proc/x", "n" * 300])
@pytest.mark.parametrize("job", COMMANDS)
def test_a_destination_that_is_something_else_is_one_sentence_and_stays_as_it_is(unlucky, monkeypatch, job, dest):
    monkeypatch.chdir(unlucky)
    before = files(unlucky)

    result = CliRunner().invoke(main, [job, *(dest if word == "DEST" else word for word in COMMANDS[job])])

    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit)
    assert "Error: " in result.output
    assert files(unlucky) == before


@pytest.mark.parametrize("job", ["collect", "prepare", "sample", "curate", "explore"])
def test_what_file_managers_leave_makes_no_folder_somebodys(unlucky, tmp_path, monkeypatch, job):
    monkeypatch.chdir(unlucky)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0")

    result = CliRunner().invoke(main, [job, *(str(tmp_path) if word == "DEST" else word for word in COMMANDS[job])])

    assert result.exit_code == 0, result.output
