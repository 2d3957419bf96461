"""What each recipe reaches in the same time on the same pictures: `python -m benchmarks.train --time-to-quality 45`.

R3GAN's losses and the lightweight discriminator, each with all of `train`'s defaults but small networks for the latter, and
the lightweight-gan package's own Trainer with the same small networks. Time is that of training; measuring is left out.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib.figure
import torch
from torch import nn

from benchmarks.trainer import on_its_device, open_trainer
from generate.devices import choose_device
from generate.images import load_pictures
from generate.measuring.extractors import extract
from generate.measuring.features import load_features, preprocess
from generate.measuring.metrics import frechet_distance
from generate.prepare import prepare
from generate.training.choices import TrainOptions
from generate.training.stats import Row, read_rows

KINDS = ("r3gan", "lightweight")
SMALL = {"batch_size": 16, "accumulate": 1, "learning_rate": 3e-4, "latent_dim": 128, "fmap_max": 128, "attention": ()}
MEASURES = ("frechet", "precision", "recall", "copies")
SNAPSHOTS = 8  # about that many a run


def compare(data: Path, size: int, seconds: float, options: Sequence[str], plot: Path | None, device: str) -> None:
    """Train each for so many seconds, print what was measured, and plot it if asked to."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared"
        count = prepare(data, prepared, size=size)["count"]
        print(f"{count} pictures of {size} px, {seconds / 60:g} minutes each")
        runs = {kind: run_for(seconds, prepared, Path(folder) / kind, kind, options) for kind in KINDS}
        shown, distance = trainer_for(seconds, prepared, Path(folder) / "trainer", size, choose_device(device))
    for kind, rows in runs.items():
        print(f"\n{kind:12} minutes   kimg {' '.join(f'{name:>9}' for name in MEASURES)}")
        for row in rows:
            values = " ".join(f"{row[name]:9.3f}" for name in MEASURES)
            print(f"{'':12} {row['seconds'] / 60:7.2f} {row['kimg']:6.2f} {values}")
    print(f"\nlightweight-gan's Trainer: {shown / 1000:.2f} kimg, Frechet distance {distance:.1f}")
    best = min(runs["lightweight"], key=lambda row: row["frechet"])
    passing = [row for row in runs["r3gan"] if row["frechet"] <= best["frechet"]]
    print(f"best of lightweight: {best['frechet']:.1f} after {best['seconds'] / 60:.1f} minutes")
    if passing:
        share = passing[0]["seconds"] / best["seconds"]
        print(
            f"r3gan passes it after {passing[0]['seconds'] / 60:.1f} minutes, {share:.2f} of that time; to reach: 0.1"
        )
    else:
        print("r3gan does not pass it in this time; to reach: in a tenth of it")
    if plot:
        draw(runs, plot)


def run_for(seconds: float, data: Path, run: Path, kind: str, options: Sequence[str]) -> list[Row]:
    """The rows of a run that is stopped as users stop it, when it has trained for so many seconds."""
    command = [sys.executable, "-m", "generate", "train", data, run, "--discriminator", kind, *options]
    command += ["--kimg", "100000", "--snapshot-kimg", "0.5", "--patience", "1000000"]
    if kind == "lightweight":
        command += (
            "--accumulate 1 --learning-rate 3e-4 --ema-kimg 1 --latent-dim 128 --fmap-max 128 --attention 0".split()
        )
    rows: list[Row] = []
    with (run.parent / f"{kind}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while process.poll() is None and (not rows or rows[-1]["seconds"] < seconds):
            time.sleep(2)
            rows = read_rows(run) if run.exists() else []
        process.send_signal(signal.SIGTERM)
        process.wait()
    if not rows:
        raise SystemExit((run.parent / f"{kind}.log").read_text())
    return rows[:: max(1, len(rows) // SNAPSHOTS)]


def trainer_for(seconds: float, data: Path, home: Path, size: int, device: torch.device) -> tuple[int, float]:
    """How many pictures the package's Trainer shows in that time, and the Frechet distance of its generator then."""
    options = TrainOptions(discriminator="lightweight", **SMALL)
    trainer = open_trainer(data, home, size, options, device, amp=device.type == "cuda")
    shown, started = 0, time.monotonic()
    with on_its_device(device):
        while time.monotonic() - started < seconds:
            trainer.train()
            shown += options.batch_size * options.accumulate
    return shown, frechet_of(data, trainer.GAN.G.eval(), options.latent_dim, device)


@torch.inference_mode()
def frechet_of(data: Path, generator: nn.Module, latent_dim: int, device: torch.device, batch: int = 16) -> float:
    """Of as many pictures as DATA has, from a generator of ours or the package's, on EfficientNet-lite0's features."""
    real, network = load_pictures(data), load_features(device)
    torch.manual_seed(1)
    drawn = [
        generator(torch.randn(batch, latent_dim, device=device)).float().clamp(0, 1).mul(255).round().byte()
        for _ in range(-(-len(real) // batch))
    ]

    def features(pictures: Iterable[torch.Tensor]) -> torch.Tensor:
        return extract(lambda some: network(preprocess(some.to(device))).float().cpu(), pictures)

    return frechet_distance(features(real), features(torch.cat(drawn)[: len(real)].cpu()))


def draw(runs: dict[str, list[Row]], path: Path) -> None:
    """A panel a measure, over minutes of training."""
    figure = matplotlib.figure.Figure(figsize=(10, 7), layout="constrained")
    for axes, measure in zip(figure.subplots(2, 2).flat, MEASURES, strict=True):
        for kind, rows in runs.items():
            axes.plot([row["seconds"] / 60 for row in rows], [row[measure] for row in rows], ".-", label=kind)
        axes.set(title=measure, xlabel="minutes of training", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")
    figure.savefig(path, dpi=110)
