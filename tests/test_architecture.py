"""The two halves meet in a bucket and don't import each other; jobs don't import each other's commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest
from click.testing import CliRunner

from generate.__main__ import JOBS, main
from tests.conftest import EMOJI, ROOT

GALLERY = sorted((ROOT / "gallery").glob("*.py"))
WEB = sorted((ROOT / "web").glob("*.py"))
OFFLINE = sorted((ROOT / "generate").glob("*.py"))


def imports(path) -> set[str]:
    """Dotted names of all that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def packages(path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", [ROOT / "main.py", *WEB, *GALLERY], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_site_and_the_contract_import_nothing_of_the_offline_half(path):
    assert not packages(path) & {"generate", "torch", "torchvision", "lightweight_gan", "PIL", "numpy", "faker"}


@pytest.mark.parametrize("path", WEB, ids=lambda path: path.name)
def test_the_site_is_imported_by_main_and_not_the_other_way_round(path):
    assert not packages(path) & {"main", "click"}


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.name)
def test_the_contract_imports_neither_the_site_nor_its_framework(path):
    assert not packages(path) & {"main", "web", "flask", "jinja2", "werkzeug", "click"}


def test_no_two_files_of_the_site_and_the_contract_import_each_other():
    """Imports inside functions count too."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in [ROOT / "main.py", *WEB, *GALLERY]
    }
    graph = {name.removesuffix(".__init__"): imports(path) for name, path in files.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("path", OFFLINE, ids=lambda path: path.name)
def test_the_offline_half_knows_nothing_of_the_site(path):
    assert not packages(path) & {"main", "web", "flask"}
    others = {f"generate.{job}" for job in JOBS} - {f"generate.{path.stem}"}
    assert not imports(path) & others


@pytest.mark.parametrize(
    "job", [["collect"], ["prepare"], ["sample", "--count", "1"], ["curate"]], ids=lambda job: job[0]
)
def test_a_file_where_a_folder_goes_is_a_sentence(tmp_path, job):
    (tmp_path / "diary.txt").write_text("Monday")

    result = CliRunner().invoke(main, [*job, str(EMOJI), str(tmp_path / "diary.txt")])

    assert result.exit_code == 2
    assert "is a file" in result.output
    assert (tmp_path / "diary.txt").read_text() == "Monday"


def test_damaged_options_are_a_sentence(tmp_path):
    for name in ("collect.json", "dataset.json"):
        (tmp_path / name).write_text('{"size": 32')

        result = CliRunner().invoke(main, ["collect" if name[0] == "c" else "prepare", str(EMOJI), str(tmp_path)])

        assert result.exit_code == 1
        assert f"{tmp_path / name} is damaged: choose another DEST" in result.output


def test_the_site_starts_without_the_offline_packages():
    check = "import sys, main; print({'torch', 'lightweight_gan', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr
