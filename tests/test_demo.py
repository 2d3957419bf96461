"""The demo: `make demo` draws what is in the repository again, byte for byte, whatever the processor."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROCESSORS = {
    "this one": {},
    "one without AVX-512": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
}


def files(folder) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_shipped_generator_gives_the_shipped_bucket(tmp_path, processor):
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"\n\t(.* generate refill .*)", makefile)
    words = shlex.split(line.replace("$(BIN)/python", sys.executable))
    settings = dict(word.split("=", 1) for word in words[: words.index(sys.executable)])
    command = words[len(settings) :]
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "new").mkdir()
    shutil.copy(ROOT / "demo" / "generator.safetensors", tmp_path / "demo")
    shutil.copytree(ROOT / "demo" / "real", tmp_path / "demo" / "real")

    environment = os.environ | settings | PROCESSORS[processor] | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1800)

    assert done.returncode == 0, done.stderr
    drawn, shipped = files(tmp_path / "demo" / "new"), files(ROOT / "demo" / "bucket")
    assert drawn.keys() == shipped.keys()
    assert [name for name in shipped if drawn[name] != shipped[name]] == []


def test_the_model_card_names_the_release_that_is_there():
    (release,) = (path.name for path in (ROOT / "demo" / "bucket" / "releases").iterdir() if path.is_dir())

    assert f"demo/bucket/releases/{release}/" in (ROOT / "demo" / "README.md").read_text()
