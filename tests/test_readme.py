"""The commands in README.md and docs/ exist and their options are accepted; links lead to files and headings."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from generate.__main__ import JOBS, Jobs, main
from main import DEFAULTS
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
SITE = (ROOT / "docs" / "site.md").read_text()
TOOLS = {"git", "cd", "mkdir", "cp", "curl", "gcloud", "docker", "systemctl", "."}  # what isn't ours


def commands(text: str = README) -> list[list[str]]:
    """Every command line in the text's shell blocks, split into words, without comments, assignments and sudo."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    parts = [part for line in lines for part in re.split(r"&&", line.partition(" #")[0])]
    words = [shlex.split(part) for part in parts if part.strip() and not part.lstrip().startswith("#")]
    return [
        [word for i, word in enumerate(line) if i or not re.match(r"[A-Z_]+=", word)] for line in map(_strip, words)
    ]


def _strip(words: list[str]) -> list[str]:
    """Without sudo and the assignments in front of a command."""
    while words and (words[0] == "sudo" or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    return words


@pytest.mark.parametrize("words", commands() + commands(DEPLOY), ids=" ".join)
def test_command_exists_and_its_options_are_accepted(words):
    if words[0] in ("python", "torchrun") and "generate" in words:
        name, *arguments = words[words.index("generate") + 1 :]
        with click.Context(main) as context:
            job = main.get_command(context, name)
            assert job is not None, f"there is no job {name}"
            job.make_context(name, arguments)  # parses, checks and runs nothing
    elif words[0] == "make":
        options = words[1:3] if words[1] == "-C" else []
        targets = [word for word in words[1 + len(options) :] if "=" not in word]
        assert targets
        for target in targets:
            assert re.search(rf"^{re.escape(target)}:", MAKEFILE, flags=re.MULTILINE), f"there is no target {target}"
    else:
        assert words[0] in TOOLS


def test_shows_the_two_commands_and_every_job():
    assert ["make", "run"] in commands()
    assert ["make", "test"] in commands()
    for job in JOBS:
        assert f"`{job}`" in README, f"the README doesn't say what {job} is for"


def test_settings_are_those_of_the_site():
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", SITE, flags=re.MULTILINE)) == set(DEFAULTS)


@pytest.mark.parametrize(
    "path", ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
)
def test_files_and_headings_it_points_to_exist(path):
    text = (ROOT / path).read_text()
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        file = (ROOT / path).parent / target if target else ROOT / path
        assert file.exists(), f"{target} is not there"
        if heading:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-") for words in headings}


@pytest.mark.parametrize("job", JOBS)
def test_help_has_an_example_that_is_accepted_and_shows_defaults(job):
    assert isinstance(main, Jobs)
    with click.Context(main, info_name="python -m generate") as context:
        command = main.get_command(context, job)
        text = command.get_help(click.Context(command, info_name=job, parent=context))
    example = re.search(rf"Examples?:\s+python -m generate {job} (.+)", text)
    assert example, f"the help of {job} has no example"
    command.make_context(job, shlex.split(example[1]))
    has_defaults = any(type(p.default) in (int, float, str) for p in command.params if isinstance(p, click.Option))
    assert "[default: " in text or not has_defaults  # help may say more, of options whose default depends


def test_group_help_lists_each_job_in_one_line():
    with click.Context(main, info_name="python -m generate") as context:
        lines = main.get_help(context).splitlines()
    for job, summary in JOBS.items():
        assert any(line.split() == [job, *summary.split()] for line in lines)
