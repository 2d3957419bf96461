"""Preparing speed: `prepare` as users run it against what the JPEG decoder alone reaches on the same cores.

    python -m benchmarks.prepare [--count 1000] [--side 1000] [--jobs 2]

The pictures are photographs for all that a decoder knows: emoji before a noisy, shaded background, JPEG of quality 88, about
150 KB at 1,000 px. 100 are drawn; the rest are these with other bytes after their end, so that no two files are the
same, and near duplicates are kept (`--near -1`). The limit is Pillow's decoder, reading from files, in as many processes.
"""

from __future__ import annotations

import io
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from PIL import Image

from generate.prepare import prepare

EMOJI = Path(__file__).parent.parent / "tests" / "data" / "emoji"
DRAWN = 100


@click.command()
@click.option("--count", type=int, default=1000, show_default=True)
@click.option("--side", type=int, default=1000, show_default=True, help="Of the pictures, in pixels.")
@click.option("--size", type=int, default=256, show_default=True, help="As of `prepare`.")
@click.option("--jobs", type=int, default=2, show_default=True)
@click.option("--rounds", type=int, default=3, show_default=True)
def main(count: int, side: int, size: int, jobs: int, rounds: int) -> None:
    """Measure preparing against decoding."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "photos"
        mean_kb = draw_pictures(source, count, side) / 1e3
        print(f"{count} JPEGs of {side}x{side} px and {mean_kb:.0f} KB, {jobs} processes, to {size} px")
        for number in range(rounds):
            cpu = [cpu_s()]
            limit = decoder_per_s(source, jobs)
            cpu.append(cpu_s())
            started = time.perf_counter()
            summary = prepare(source, Path(folder) / f"out-{number}", size=size, near=-1, jobs=jobs)
            ours = count / (time.perf_counter() - started)
            cpu.append(cpu_s())
            assert summary["count"] == count
            theirs_ms, ours_ms = (1e3 * (after - before) / count for before, after in pairwise(cpu))
            print(f"prepare {ours:6.1f} pictures/s, decoder alone {limit:6.1f}: {ours / limit:.0%}", end="; ")
            print(f"CPU {ours_ms:.1f} ms a picture, {theirs_ms:.1f}: {theirs_ms / ours_ms:.0%}", flush=True)
    peak = [resource.getrusage(who).ru_maxrss / 1e3 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"peak memory: {peak[0]:.0f} MB here, {peak[1]:.0f} MB in the largest of the other processes")


def cpu_s() -> float:
    """Of this process and of those that ended: what other work on the machine disturbs least."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(times.ru_utime + times.ru_stime for times in used)


def draw_pictures(folder: Path, count: int, side: int) -> float:
    """Fill the folder; returns the mean size in bytes."""
    folder.mkdir()
    emoji = sorted(EMOJI.rglob("*.webp"))
    rng = np.random.default_rng(0)
    drawn = []
    for number in range(min(DRAWN, count)):
        shade = np.linspace(0, 120, side)[:, None, None] + rng.uniform(20, 100, 3)
        picture = Image.fromarray((shade + rng.normal(0, 6, (side, side, 1))).clip(0, 255).astype(np.uint8))
        object = Image.open(emoji[number % len(emoji)]).resize((side * 3 // 4, side * 3 // 4))
        picture.paste(object, (side // 8, side // 8), object)
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=88)
        drawn.append(data.getvalue())
    for number in range(count):
        (folder / f"{number:06}.jpg").write_bytes(drawn[number % len(drawn)] + number.to_bytes(4, "big"))
    return sum(map(len, drawn)) / len(drawn)


def decoder_per_s(source: Path, jobs: int) -> float:
    """Pictures decoded whole a second, nothing else done, once every process is there."""
    paths = sorted(source.iterdir())
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        list(pool.map(decode, paths[: 8 * jobs]))
        started = time.perf_counter()
        list(pool.map(decode, paths, chunksize=8))
        return len(paths) / (time.perf_counter() - started)


def decode(path: Path) -> None:
    """What prepare can't do without."""
    with Image.open(path) as image:
        image.load()


if __name__ == "__main__":
    main()
