"""Curating many samples: time and peak memory of the process, which grows by what is remembered of each picture.

    python -m benchmarks.curate --count 10000 --training 1000

The pictures are mixtures of the demo bucket's, two and two, 64 px: all different, none of a new size or kind.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from PIL import Image

BUCKET = Path(__file__).parent.parent / "demo" / "bucket"


@click.command()
@click.option("--count", type=int, default=1000, show_default=True, help="Samples.")
@click.option("--training", type=int, default=200, show_default=True, help="Training pictures.")
def main(count: int, training: int) -> None:
    """Measure curating."""
    pictures = [Image.open(path).convert("RGB") for path in sorted(BUCKET.rglob("*.jpg"))]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, number, suffix in (("samples", count, "jpg"), ("training", training, "png")):
            mix(pictures, home / name, number, suffix)
        command = ["-m", "generate", "curate", home / "samples", home / "chosen", "--train", home / "training"]
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, *command, "--keep", "384"], stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    print(
        f"status {status}: {count} samples against {training} training pictures: {seconds:.0f} s, peak {peak:,.0f} MB"
    )


def mix(pictures: list[Image.Image], dest: Path, count: int, suffix: str) -> None:
    """So many mixtures of two pictures each, seeded by the folder's name."""
    dest.mkdir()
    chance = random.Random(dest.name)
    for number in range(count):
        one, other = chance.sample(pictures, 2)
        Image.blend(one, other, chance.uniform(0.1, 0.9)).save(dest / f"{number:07d}.{suffix}")


if __name__ == "__main__":
    main()
