"""The benchmarks start, and the peer that training is measured against is the package's own Trainer, at work on a CPU."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.trainer import on_its_device, open_trainer
from generate.model.networks import package
from generate.prepare import prepare
from generate.training.choices import TrainOptions
from tests.conftest import EMOJI, ROOT, TINY

COMMANDS = re.findall(
    r"^    python -m (benchmarks\.\w+)", (ROOT / "benchmarks" / "README.md").read_text(), re.MULTILINE
)


def test_their_readme_shows_how_to_run_every_one():
    runs = {f"benchmarks.{path.stem}" for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text()}

    assert set(COMMANDS) == runs != set()


@pytest.mark.parametrize("module", sorted(set(COMMANDS)))
def test_each_in_their_readme_starts_and_says_what_it_does(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    assert "--help" in done.stdout


@pytest.mark.filterwarnings("ignore")  # of the package's own use of torch
def test_the_packages_trainer_takes_a_step_on_the_cpu_and_nothing_stays_patched(tmp_path):
    cpu, before = torch.device("cpu"), (torch.Tensor.cuda, nn.Module.cuda, package.torch, package.Blur)
    prepare(EMOJI, tmp_path / "prepared", size=32)
    options = replace(TrainOptions(**TINY), learning_rate=2e-4)

    trainer = open_trainer(tmp_path / "prepared", tmp_path, 32, options, cpu, amp=False)
    start = [parameter.clone() for parameter in trainer.GAN.G.parameters()]
    with on_its_device(cpu):
        trainer.train()

    assert trainer.steps == 1
    assert any(not torch.equal(a, b) for a, b in zip(start, trainer.GAN.G.parameters(), strict=True))
    assert not list(tmp_path.rglob("model_*.pt"))  # it is measured training, not saving
    assert (torch.Tensor.cuda, nn.Module.cuda, package.torch, package.Blur) == before
