"""What both discriminators reach in the same time on the same pictures: `python -m benchmarks.train --time-to-quality 10`.

Time is that of training; measuring, the same for both, is left out.
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

from generate.images import load_pictures
from generate.measuring.extractors import extract
from generate.measuring.features import load_features, preprocess
from generate.measuring.metrics import frechet_distance
from generate.prepare import prepare
from generate.training.stats import Row, read_rows

KINDS = ("lightweight", "projected")
MEASURES = ("frechet", "precision", "recall", "copies")
SNAPSHOTS = 8  # about that many a run


def compare(data: Path, size: int, seconds: float, options: Sequence[str], plot: Path | None) -> None:
    """Train with each discriminator for so many seconds, print what was measured, and plot it if asked to."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared"
        count = prepare(data, prepared, size=size)["count"]
        print(f"{count} pictures of {size} px, {seconds / 60:g} minutes each")
        runs = {kind: run_for(seconds, prepared, Path(folder) / kind, kind, options) for kind in KINDS}
    for kind, rows in runs.items():
        print(f"\n{kind:12} minutes   kimg {' '.join(f'{name:>9}' for name in MEASURES)}")
        for row in rows:
            values = " ".join(f"{row[name]:9.3f}" for name in MEASURES)
            print(f"{'':12} {row['seconds'] / 60:7.2f} {row['kimg']:6.2f} {values}")
    best = min(runs["lightweight"], key=lambda row: row["frechet"])
    passing = [row for row in runs["projected"] if row["frechet"] <= best["frechet"]]
    print(f"\nbest of lightweight: {best['frechet']:.1f} after {best['seconds'] / 60:.1f} minutes")
    if passing:
        share = passing[0]["seconds"] / best["seconds"]
        print(
            f"projected passes it after {passing[0]['seconds'] / 60:.1f} minutes, {share:.2f} of that time; to reach: 0.1"
        )
    else:
        print("projected does not pass it in this time; to reach: in a tenth of it")
    if plot:
        draw(runs, plot)


def run_for(seconds: float, data: Path, run: Path, kind: str, options: Sequence[str]) -> list[Row]:
    """The rows of a run that is stopped as users stop it, when it has trained for so many seconds."""
    command = [sys.executable, "-m", "generate", "train", data, run, "--discriminator", kind, "--accumulate", "1"]
    command += ["--kimg", "100000", "--snapshot-kimg", "0.1", "--ema-kimg", "1", "--patience", "1000000", *options]
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
    return [rows[0], *rows[len(rows) // SNAPSHOTS :: max(1, len(rows) // SNAPSHOTS)]]


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
