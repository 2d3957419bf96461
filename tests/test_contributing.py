"""CONTRIBUTING.md's map names every file of the project, and nothing else."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch

from tests.conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
NAMED_AFTER_MODULES = "tests/test_NAME.py"


def listed() -> list[str]:
    """The paths and patterns of the map, one a line, each with what it is."""
    block = re.search(r"## The map\n.*?```\n(.*?)```", TEXT, flags=re.DOTALL)
    assert block
    lines = [line.split(maxsplit=1) for line in block[1].splitlines() if line]
    assert all(len(words) == 2 for words in lines), "every path has a description"
    return [path for path, _ in lines]


def files() -> set[str]:
    """What git tracks or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in names if (ROOT / name).is_file()}


def test_every_file_is_listed_and_every_line_is_a_file():
    there, names = files(), listed()
    modules = {name.rpartition("/")[2] for name in there if not name.startswith("tests/")}
    after_modules = {name for name in there if re.sub(r"^tests/test_", "", name) in modules}
    literal = {name for name in names if "*" not in name} - {NAMED_AFTER_MODULES}
    patterns = [name for name in names if "*" in name]

    unlisted = {name for name in there - literal - after_modules if not any(fnmatch(name, p) for p in patterns)}

    assert not unlisted
    assert not literal - there
    assert all(any(fnmatch(name, pattern) for name in there) for pattern in patterns)
    assert len(names) == len(set(names))


def test_the_readme_points_to_it():
    assert "CONTRIBUTING.md#the-map" in (ROOT / "README.md").read_text()
