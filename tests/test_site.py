"""site: from a search or a folder to a page that is served, in one command that can be stopped and goes on."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
import requests
from click.testing import CliRunner, Result

from generate.__main__ import main
from generate.folders import held
from generate.site import choose_size, title_of
from tests.conftest import EMOJI, ROOT, wait_until
from tests.picture_server import openverse

QUICK = "--size 32 --kimg 0.032 --count 2 --yes".split()  # two steps: a generator, if not a good one


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["site", *map(str, arguments)], catch_exceptions=False)


def done(dest: Path) -> list[str]:
    """The stages that ended well."""
    return [words[0] for words in json.loads((dest / "stages.json").read_text())["done"]]


def test_from_a_folder_to_a_served_page(tmp_path, site):
    dest = tmp_path / '-it\'s a "smiley" $HOME \U0001f363.site'
    bucket = shlex.quote(str(dest / "bucket"))

    titled = ["--title", "These Smileys Do Not Exist"]

    first = run(EMOJI, dest, *QUICK, *titled)

    assert first.exit_code == 0, first.output
    assert done(dest) == ["prepare", "train", "refill"]
    assert "== 2 of 3: train\npython -m generate train" in first.output
    assert "Next:" not in first.output
    look, deploy = first.output.strip().splitlines()[-3:-1]
    assert look == f"Look at it: CLOUD_STORAGE_BUCKET={bucket} make run"
    assert f"rsync {bucket} gs://" in deploy
    assert "These Smileys Do Not Exist" in requests.get(site(str(dest / "bucket")), timeout=60).text

    live = (dest / "bucket" / "site.json").read_bytes()
    again = run(EMOJI, dest, *QUICK, *titled)
    assert again.output.count("is done already") == 3
    assert (dest / "bucket" / "site.json").read_bytes() == live


@pytest.mark.slow
def test_from_a_search_to_a_served_page(tmp_path, site, server, monkeypatch):
    found = [openverse(server.url, number, url=f"{server.url}/various/{number}.jpg") for number in range(12)]
    answer = {"result_count": 12, "page_count": 1, "page_size": 20, "page": 1, "results": found}
    monkeypatch.setattr(server, "openverse", lambda page: answer)
    monkeypatch.setattr("generate.site.GENERATE", (sys.executable, "-m", "tests.generate_here", server.url))
    dest = tmp_path / "pineapple.site"

    result = run("search:pineapple", dest, *QUICK)

    assert result.exit_code == 0, result.output
    assert done(dest) == ["collect", "prepare", "train", "refill"]
    assert "cc0 1.0" in (dest / "photos" / "sources.csv").read_text()
    assert "This Pineapple Does Not Exist" in requests.get(site(str(dest / "bucket")), timeout=60).text


@pytest.mark.slow
def test_ctrl_c_loses_nothing_and_the_same_command_goes_on(tmp_path):
    dest = tmp_path / "mine.site"
    command = [sys.executable, "-m", "generate", "site", EMOJI, dest, "--size", "32", "--count", "2", "--yes"]
    process = subprocess.Popen(
        [*command, "--kimg", "100"], cwd=ROOT, text=True, stderr=subprocess.PIPE, start_new_session=True
    )
    wait_until(lambda: any((dest / "run").glob("tensorboard/*")))  # written just before the first step
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said = process.communicate(timeout=300)[1]

    assert process.returncode == 130
    assert "Interrupted at 2 of 3: train. Nothing is lost" in said
    assert "Traceback" not in said
    assert done(dest) == ["prepare"]
    assert list((dest / "run").glob("snapshot-*.pt"))

    result = run(EMOJI, dest, *QUICK)
    assert result.exit_code == 0, result.output
    assert "continuing after step" in result.output
    assert done(dest) == ["prepare", "train", "refill"]


def test_a_stage_that_fails_says_why_and_is_where_the_next_start_goes_on(tmp_path):
    photos, dest = tmp_path / "photos", tmp_path / "mine.site"
    photos.mkdir()
    shutil.copy(next(EMOJI.rglob("*.webp")), photos)
    command = [sys.executable, "-m", "generate", "site", photos, dest, *QUICK]

    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)

    assert failed.returncode == 1
    assert "1 picture is too few to train on" in failed.stderr
    assert failed.stderr.endswith("Stopped at 2 of 3: train, for the reason above. The same command continues there.\n")
    assert done(dest) == ["prepare"]


def test_of_two_commands_on_one_dest_the_second_names_the_first(tmp_path):
    dest = tmp_path / "mine.site"
    slow = [sys.executable, "-c", "import time; print('started', flush=True); time.sleep(600)"]
    holder = (
        "import sys; from pathlib import Path; from generate import site; from generate.folders import held\n"
        f"site.GENERATE = {slow!r}\n"
        f"with held(Path({str(dest)!r})) as lock: site.Stages(Path({str(dest)!r}), ('train',), lock).run('train')"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", holder], cwd=ROOT, text=True, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        wait_until(lambda: "started" in first.stdout.readline())
        for kill in (False, True):  # its job goes on when it is killed, and so does the lock
            if kill:
                first.kill()
                first.wait()
            second = run(EMOJI, dest, *QUICK)
            assert second.exit_code == 1
            assert re.search(rf"Process {first.pid} on \S+, since 20[\d-]+ [\d:]+, is at work in {dest}", second.output)
            assert not (dest / "prepared").exists()
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.stdout.close()
    wait_until(lambda: is_free(dest))


def is_free(dest: Path) -> bool:
    """Whether nobody is at work there."""
    try:
        with held(dest):
            return True
    except click.ClickException:
        return False


def test_a_mistyped_source_leaves_nothing_behind(tmp_path):
    result = run(tmp_path / "nowhere", tmp_path / "mine.site")

    assert result.exit_code == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "diary.txt").write_text("Monday")

    result = run(EMOJI, tmp_path)

    assert result.exit_code == 1
    assert "holds something that site did not put there ('diary.txt')" in result.output


def test_a_folder_inside_its_own_pictures_is_refused():
    result = run(EMOJI, EMOJI / "mine.site")

    assert result.exit_code == 2
    assert "is inside" in result.output
    assert not (EMOJI / "mine.site").exists()


def test_the_size_suits_the_machine_and_the_number_of_pictures():
    assert [choose_size(*given) for given in ((5000, "cpu"), (300, "cuda"), (5000, "mps"))] == ["64", "128", "256"]


@pytest.mark.parametrize(
    ("source", "categories", "title"),
    [
        ('search:"pineapples"', [""], "This Pineapple Does Not Exist"),
        ("search:cake,pie", ["cake", "pie"], None),
        ("search:cake,pie", ["pie"], "This Pie Does Not Exist"),
        ("my/nice cats.zip", [""], "This Nice Cat Does Not Exist"),
        (str(EMOJI), [""], "This Emoji Does Not Exist"),
        (str(EMOJI), ["faces"], "This Face Does Not Exist"),
    ],
)
def test_the_title_names_what_was_asked_for(source, categories, title):
    assert title_of(source, categories) == title
