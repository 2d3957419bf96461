"""The demo: `make demo` draws what is in the repository again: byte for byte with AVX-512, nearly without it."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT

WITHOUT_AVX512 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def files(folder) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def make_demo(tmp_path, **settings_of_processor: str) -> dict[str, bytes]:
    """The files of a bucket that is filled as `make demo` does."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"\n\t(.* generate refill .*)", makefile)
    words = shlex.split(line.replace("$(BIN)/python", sys.executable))
    settings = dict(word.split("=", 1) for word in words[: words.index(sys.executable)])
    command = words[len(settings) :]
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "new").mkdir()
    shutil.copy(ROOT / "demo" / "generator.safetensors", tmp_path / "demo")
    shutil.copytree(ROOT / "demo" / "real", tmp_path / "demo" / "real")

    environment = os.environ | settings | settings_of_processor | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1800)

    assert done.returncode == 0, done.stderr
    return files(tmp_path / "demo" / "new")


def by_seed(bucket: dict[str, bytes]) -> dict[tuple[str, int], np.ndarray]:
    """The pictures by category and seed: their numbers, and the release's name, depend on all of them."""
    (table,) = (name for name in bucket if name.endswith("images.jsonl"))
    rows = map(json.loads, bucket[table].splitlines())
    home = table.removesuffix("images.jsonl")
    return {
        (row["category"], row["seed"]): np.asarray(Image.open(io.BytesIO(bucket[home + row["file"]])), int)
        for row in rows
    }


@pytest.mark.slow
def test_the_shipped_generator_gives_the_shipped_bucket(tmp_path):
    drawn, shipped = make_demo(tmp_path), files(ROOT / "demo" / "bucket")

    assert drawn.keys() == shipped.keys()
    assert [name for name in shipped if drawn[name] != shipped[name]] == []


@pytest.mark.slow
def test_without_avx512_nearly_all_pictures_are_the_same(tmp_path):
    drawn, shipped = make_demo(tmp_path, **WITHOUT_AVX512), files(ROOT / "demo" / "bucket")

    ours, theirs = by_seed(drawn), by_seed(shipped)
    shared = ours.keys() & theirs.keys()
    assert len(shared) >= 0.98 * len(theirs)
    apart = [int(np.abs(ours[key] - theirs[key]).max()) for key in shared]
    assert max(apart) <= 8  # levels of 255
    assert sum(map(bool, apart)) <= 0.05 * len(shared)
    onnx = [data for bucket in (drawn, shipped) for name, data in bucket.items() if name.endswith("generator.onnx")]
    assert len(onnx) == 2
    assert onnx[0] == onnx[1]


def test_the_model_card_names_the_release_that_is_there():
    (release,) = (path.name for path in (ROOT / "demo" / "bucket" / "releases").iterdir() if path.is_dir())

    assert f"demo/bucket/releases/{release}/" in (ROOT / "demo" / "README.md").read_text()
