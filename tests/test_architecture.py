"""The two halves meet in a bucket and don't import each other; jobs and rooms import only what lies below them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from click.testing import CliRunner

from generate.__main__ import JOBS, main
from tests.conftest import EMOJI, ROOT

GALLERY = sorted((ROOT / "gallery").glob("*.py"))
WEB = sorted((ROOT / "web").glob("*.py"))
OFFLINE = sorted((ROOT / "generate").rglob("*.py"))

# What several rooms share. Leaves import nothing of generate but leaves.
LEAVES = {
    "addresses",
    "images",
    "decoding",
    "colours",
    "code_points",
    "finding",
    "formats",
    "devices",
    "folders",
    "advice",
    "rows",
    "ranks",
    "units",
    "figures",
    "shared_options",
}
# Each room of generate, and the rooms above it in this table that it may import.
ROOMS: dict[str, set[str]] = {
    "collecting": set(),
    "preparing": set(),
    "model": set(),
    "measuring": {"model"},
    "training": {"measuring", "model"},
    "releasing": {"collecting", "measuring", "model"},
}
# What takes seconds to import, and no command may wait for before its options are understood.
HEAVY = {"torch", "torchvision", "cv2", "matplotlib", "sklearn", "scipy", "av", "tensorboard", "google.cloud"}
ARGUMENTS = [["--help"], ["--no-such-option"]]


def imports(path: Path) -> set[str]:
    """Dotted names of all that a file imports, anywhere in it; a module imported from its package too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def parts(path: Path) -> set[str]:
    """The rooms, leaves and jobs of generate that a file imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("generate.")}


def room_of(path: Path) -> str:
    """The room of generate that a file is in, also in a folder of it; "" for the files beside the rooms."""
    first, *rest = path.relative_to(ROOT / "generate").parts
    return first if rest else ""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [ROOT / "main.py", *WEB, *GALLERY], ids=relative)
def test_the_site_and_the_contract_import_nothing_of_the_offline_half(path):
    assert not packages(path) & {"generate", "torch", "torchvision", "lightweight_gan", "PIL", "numpy", "faker"}


@pytest.mark.parametrize("path", WEB, ids=relative)
def test_the_site_is_imported_by_main_and_not_the_other_way_round(path):
    assert not packages(path) & {"main", "click"}


@pytest.mark.parametrize("path", GALLERY, ids=relative)
def test_the_contract_imports_neither_the_site_nor_its_framework(path):
    assert not packages(path) & {"main", "web", "flask", "jinja2", "werkzeug", "click"}


def test_no_two_files_of_the_site_and_the_contract_import_each_other():
    """Imports inside functions count too."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in [ROOT / "main.py", *WEB, *GALLERY]
    }
    graph = {name.removesuffix(".__init__"): imports(path) for name, path in files.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("path", OFFLINE, ids=relative)
def test_the_offline_half_knows_nothing_of_the_site(path):
    assert not packages(path) & {"main", "web", "flask"}


@pytest.mark.parametrize("path", OFFLINE, ids=relative)
def test_pillow_opens_only_formats_that_are_read(path):
    """Without `formats` it tries all of its decoders, of which one runs Ghostscript."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    opens = [call for call in calls if ast.unparse(call.func) == "Image.open"]
    assert all({keyword.arg for keyword in call.keywords} >= {"formats"} for call in opens)


@pytest.mark.parametrize("path", OFFLINE, ids=relative)
def test_a_file_imports_only_what_lies_below_it(path):
    folder, name = room_of(path), path.stem
    if folder in ROOMS:
        allowed = LEAVES | ROOMS[folder] | {folder}
    elif name in LEAVES:
        allowed = LEAVES
    else:  # a job: any room, but no other job
        assert name in {*JOBS, "__main__", "__init__"}
        allowed = LEAVES | set(ROOMS) | {name}
    assert parts(path) <= allowed


def test_the_table_has_every_room_and_no_circle():
    assert set(ROOMS) == {room_of(path) for path in OFFLINE} - {""}
    above: set[str] = set()
    for room, below in ROOMS.items():
        assert below <= above
        above.add(room)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("job", JOBS)
def test_help_and_a_mistyped_option_import_nothing_heavy(job, arguments):
    assert not imported("generate", job, *arguments) & HEAVY


def test_the_list_of_jobs_imports_none_of_them():
    assert not imported("generate", "--help") & {f"generate.{job}" for job in JOBS}


def imported(*arguments: str) -> set[str]:
    """The modules that a command line imports."""
    command = [sys.executable, "-X", "importtime", "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if "--help" in arguments else 2), done.stderr
    names = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, flags=re.MULTILINE))
    assert "click" in names
    return names


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
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout == "set()\n", done.stderr
