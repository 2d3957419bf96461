"""Every kind of model file, cut off or claiming 10 GB: one sentence each, within bounded memory."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.conftest import ROOT
from tests.families import write_family

CLAIMED = 10_000_000_000  # bytes
FILES = {  # the file to damage, and in which format it is written
    ("ours", "safetensors"): "generator.safetensors",
    ("biggan", "safetensors"): "model.safetensors",
    **{("biggan", how): "pytorch_model.bin" for how in ("zip", "legacy")},
    **{("lightweight-gan", how): "model.pt" for how in ("zip", "legacy")},
    **{("stylegan2-pytorch", how): "model_7.pt" for how in ("zip", "legacy")},
    ("rosinality", "zip"): "010000.pt",
    **{("dcgan", how): "netG.pth" for how in ("zip", "legacy")},
    **{(family, "pickle"): "network.pkl" for family in ("ada", "flax", "tensorflow")},
}
FOLDERS = ("biggan", "lightweight-gan")  # whose MODEL is the folder

OPEN_ALL = """
import json, resource, sys
from pathlib import Path

import click
from generate.model.opening import open_model

count = int(sys.argv[1])
for path in sys.argv[2 : 2 + count]:
    open_model(path)  # which imports all that it needs
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
said = {}
for path in sys.argv[2 + count :]:
    try:
        open_model(path)
        said[path] = "opened"
    except click.ClickException as error:
        said[path] = error.message
print(json.dumps(said))
"""


def write(family: str, how: str, folder: Path) -> Path:
    """MODEL of the family, written in this format."""
    model = write_family(family, folder)
    file = folder / FILES[family, how]
    if family == "biggan" and how == "safetensors":
        weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
        save_file({name: weight.contiguous() for name, weight in weights.items()}, file)
        (folder / "pytorch_model.bin").unlink()
    elif how == "legacy":
        torch.save(torch.load(file, weights_only=True), file, _use_new_zipfile_serialization=False)
    return model


def claim(file: Path, how: str) -> None:
    """Make one array in the file claim 10 GB, most of which is not there."""
    if how == "safetensors":
        data = file.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        name = max(header.keys() - {"__metadata__"}, key=lambda name: header[name]["data_offsets"][1])
        start = header[name]["data_offsets"][0]
        header[name] |= {"dtype": "F16", "shape": [CLAIMED // 2], "data_offsets": [start, start + CLAIMED]}
        encoded = json.dumps(header).encode()
        file.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data[8 + length :])
    elif how == "pickle":
        data = file.read_bytes()  # of which every array of 16 numbers claims to have 2**31 - 1
        file.write_bytes(data.replace(b"K\x10\x85", b"J\xff\xff\xff\x7f\x85").replace(b"K\x10t", b"J\xff\xff\xff\x7ft"))
    else:
        repeat(file, how)


def repeat(file: Path, how: str) -> None:
    """Make the array with most numbers one number in half precision, repeated by a view."""
    stored = torch.load(file, weights_only=False)  # written by this test
    weights = stored.get("GAN") or stored.get("g_ema") or stored
    shown = {name: weight for name, weight in weights.items() if not name.startswith(("G.", "S.", "D"))}
    name = max(shown, key=lambda name: shown[name].numel())
    weights[name] = torch.zeros(1, dtype=torch.half).expand(CLAIMED // 2 // 16, 16)
    torch.save(stored, file, _use_new_zipfile_serialization=how == "zip")


def damaged(family: str, how: str, whole: Path, folder: Path) -> Iterator[Path]:
    """Copies of MODEL in the folder `whole`: cut at ten places, with an array that claims 10 GB, and with both."""
    for kind in (*range(10), "claim", "claim_and_cut"):
        copy = shutil.copytree(whole, folder / f"{family}-{how}-{kind}")
        file = copy / FILES[family, how]
        if not isinstance(kind, int):
            claim(file, how)
        if kind != "claim":
            tenths = kind if isinstance(kind, int) else 5
            os.truncate(file, file.stat().st_size * tenths // 10)
        yield copy if family in FOLDERS else file


def test_cut_at_ten_places_or_claiming_10_gb_is_a_sentence_within_bounded_memory(tmp_path):
    whole, broken = [], []
    for family, how in FILES:
        folder = tmp_path / "whole" / f"{family}-{how}"
        whole.append(write(family, how, folder))
        broken += damaged(family, how, folder, tmp_path)
    command = [sys.executable, "-c", OPEN_ALL, str(len(whole)), *whole, *broken]

    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert len(said) == len(broken) == 12 * len(FILES)
    for path, sentence in said.items():
        assert sentence.startswith(path), (path, sentence)
        assert len(sentence) < 600
        assert "\n" not in sentence
        assert not re.search("memory|alloc", sentence), sentence  # it was refused before there was a lack of it
