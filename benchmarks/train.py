"""Training speed: ours against lightweight-gan's own Trainer, on the same pictures, options and device.

    python -m benchmarks.train --size 64 --steps 8
    python -m benchmarks.train --size 256 --latent-dim 256 --fmap-max 512 --attention 32 --accumulate 4 --equal-kimg 20
    python -m benchmarks.train --time-to-quality 45 --size 64 --data emoji --plot quality.png

Each trains in a process of its own, ours through `train` itself as a user runs it, the penalty every fourth step. Prints
pictures/s and peak memory of each in every precision it has here, the ratios, the achieved arithmetic as a share of
what a large matrix product reaches on this device, and where our time goes.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import click
import torch
from torch import nn
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.quality import compare, frechet_of
from benchmarks.trainer import on_its_device, open_trainer
from generate.devices import choose_device
from generate.images import load_pictures
from generate.model.generator import load_generator
from generate.model.networks import NetworkOptions, build_discriminator, build_generator
from generate.prepare import prepare
from generate.training import loop as training
from generate.training.choices import TrainOptions
from generate.training.dataset import Pictures
from generate.training.losses import discriminator_loss, generator_loss
from generate.training.options import resolve

PICTURES = Path(__file__).parent.parent / "tests" / "data" / "emoji"
WARM_UP = 4  # steps before the measured ones
SHOWN = 12  # operations, of where the time goes


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), default=PICTURES, help="Pictures.  [default: those of the tests]"
)
@click.option("--size", type=int, default=64, show_default=True)
@click.option("--batch-size", type=int, default=16, show_default=True)
@click.option("--accumulate", type=int, default=1, show_default=True)
@click.option("--latent-dim", type=int, default=128, show_default=True)
@click.option("--fmap-max", type=int, default=128, show_default=True)
@click.option("--attention", type=int, multiple=True, help="As of `train`.  [default: none]")
@click.option(
    "--steps",
    type=click.IntRange(4, 90),
    default=8,
    show_default=True,
    help="Measured steps, after four to warm up.",
)
@click.option("--compile", "compiled", is_flag=True, help="Measure `train --compile` too.")
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--equal-kimg",
    type=click.FloatRange(0, min_open=True),
    metavar="KIMG",
    help="Instead: train both for so many pictures and compare their Frechet distances.",
)
@click.option(
    "--time-to-quality",
    type=click.FloatRange(0, min_open=True),
    metavar="MINUTES",
    help="Instead: train each recipe, and the package, that long and compare what they reach.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Write that comparison's curves there, as PNG.")
def main(
    data: Path,
    size: int,
    batch_size: int,
    accumulate: int,
    latent_dim: int,
    fmap_max: int,
    attention: tuple[int, ...],
    steps: int,
    compiled: bool,
    device: str,
    equal_kimg: float | None,
    time_to_quality: float | None,
    plot: Path | None,
) -> None:
    """Measure training against the lightweight-gan package."""
    if time_to_quality:
        categories = ["--conditional"] if any(path.is_dir() for path in data.iterdir()) else []
        compare(data, size, 60 * time_to_quality, ["--device", device, *categories], plot, device)
        return
    where = choose_device(device)
    options = TrainOptions(
        discriminator="lightweight",
        batch_size=batch_size,
        accumulate=accumulate,
        latent_dim=latent_dim,
        fmap_max=fmap_max,
        attention=attention,
    )
    print(f"{size} px, batch {batch_size} x {accumulate}, latent {latent_dim}, fmap_max {fmap_max}, attention "
          f"{attention or 'none'}, on {name_of(where)}, {torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        home, prepared = Path(folder), Path(folder) / "prepared"
        prepare(data, prepared, size=size)
        options = resolve(options, Pictures(load_pictures(prepared)), where)
        auto = options.precision
        if equal_kimg:
            compare_quality(
                prepared, home, size, TrainOptions(**vars(options) | {"precision": auto}), equal_kimg, device
            )
            return
        rates: dict[str, tuple[float, int]] = {}
        for amp in (False, True) if where.type == "cuda" else (False,):
            name = f"lightweight-gan's Trainer, {'amp' if amp else 'fp32'}"
            rates[name] = alone(theirs_per_s, prepared, home / name, size, options, steps, device, amp)
        for precision in dict.fromkeys(["fp32", auto]):
            for fused in (False, True) if compiled else (False,):
                name = f"ours, {precision}{', compiled' if fused else ''}"
                chosen = TrainOptions(**vars(options) | {"precision": precision, "compile": fused})
                rates[name] = alone(ours_per_s, prepared, home / name, chosen, steps, device)
        print_rates(rates, flop_per_picture(NetworkOptions(size, latent_dim, fmap_max, attention=attention)), where)
        chosen = TrainOptions(**vars(options) | {"precision": auto})
        print(f"\nWhere the time goes, in {auto}, of {steps} steps:")
        for share, operation in alone(where_time_goes, prepared, home / "profiled", chosen, steps, device):
            print(f"{share:6.1%}  {operation}")


def print_rates(rates: dict[str, tuple[float, int]], work: int, where: torch.device) -> None:
    """Rates and peak memory by name, the first one's being the peer; `work` is the operations of one picture."""
    limits = {dtype: product_flops(where, dtype) for dtype in (torch.float32, torch.bfloat16)}
    theirs = next(iter(rates.values()))[0]
    for name, (rate, peak) in rates.items():
        limit = limits[torch.float32 if "fp32" in name else torch.bfloat16]
        print(f"{name:32} {rate:8.2f} pictures/s  {rate / theirs:6.2f} x  {rate * work / 1e12:8.3f} TFLOP/s, "
              f"{rate * work / limit:4.0%} of the limit  {peak / 1e9:6.2f} GB")  # fmt: skip
    for dtype, limit in limits.items():
        print(f"{'matrix product, ' + str(dtype)[6:]:32} {limit / 1e12:38.3f} TFLOP/s: the limit")


def alone(measure: Callable[..., Any], *arguments: object) -> Any:
    """What it returns in a fresh process, so that one's memory and threads are not another's."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def ours_per_s(data: Path, run: Path, options: TrainOptions, steps: int, device: str) -> tuple[float, int]:
    """Pictures/s as users get them, of the steps after the first report, and the peak memory in bytes."""
    kimg = options.batch_size * options.accumulate / 1000
    length = {"kimg": (steps + WARM_UP) * kimg, "snapshot_kimg": WARM_UP * kimg}
    training.train(data, run, TrainOptions(**vars(options) | length), device=device)
    rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()][1:]
    return len(rows) / sum(1 / row["pictures_s"] for row in rows), peak_bytes(choose_device(device))


def theirs_per_s(
    data: Path, home: Path, size: int, options: TrainOptions, steps: int, device: str, amp: bool
) -> tuple[float, int]:
    """The same of the package's Trainer, its data loader included."""
    where = choose_device(device)
    torch.manual_seed(0)
    trainer = open_trainer(data, home, size, options, where, amp)
    with on_its_device(where):
        for _ in range(WARM_UP):
            trainer.train()
        started = time.perf_counter()
        for _ in range(steps):
            trainer.train()  # reads its losses, so that a GPU is waited for
        seconds = time.perf_counter() - started
    return steps * options.batch_size * options.accumulate / seconds, peak_bytes(where)


def where_time_goes(data: Path, run: Path, options: TrainOptions, steps: int, device: str) -> list[tuple[float, str]]:
    """The operations that take the most of our steps' time, each with its share of all."""
    where = choose_device(device)
    kimg = options.batch_size * options.accumulate / 1000
    profiler, calls, step_if_finite = profile(), 0, training.step_if_finite

    def counted(optimizer: torch.optim.Optimizer) -> bool:  # called twice a step
        nonlocal calls
        calls += 1
        finite = step_if_finite(optimizer)
        if calls == 2 * WARM_UP:
            profiler.start()
        if calls == 2 * (WARM_UP + steps):
            profiler.stop()
        return finite

    with mock.patch.object(training, "step_if_finite", counted):
        options = TrainOptions(**vars(options) | {"kimg": (steps + WARM_UP + 1) * kimg, "snapshot_kimg": 1e9})
        training.train(data, run, options, device=device)
    spent = {
        event.key: event.self_device_time_total if where.type == "cuda" else event.self_cpu_time_total
        for event in profiler.key_averages()
    }
    total = sum(spent.values())
    return sorted(((time / total, name) for name, time in spent.items()), reverse=True)[:SHOWN]


def compare_quality(data: Path, home: Path, size: int, options: TrainOptions, kimg: float, device: str) -> None:
    """Frechet distances after the same number of pictures: of our average, of the Trainer's generator and its average."""
    where = choose_device(device)

    def frechet(generator: nn.Module) -> str:
        return f"{frechet_of(data, generator, options.latent_dim, where):.1f}"

    started = time.perf_counter()
    length = {"kimg": kimg, "snapshot_kimg": kimg, "ema_kimg": min(options.ema_kimg, kimg / 20)}
    training.train(data, home / "ours", TrainOptions(**vars(options) | length), device=device)
    seconds, ours = time.perf_counter() - started, load_generator(home / "ours", where).generator
    print(f"ours, {options.precision}: {seconds:,.0f} s, Frechet distance {frechet(ours)}")

    started = time.perf_counter()
    torch.manual_seed(0)
    trainer = open_trainer(data, home, size, options, where, amp=False)
    with on_its_device(where):
        for _ in range(training.steps_of(kimg, options.batch_size * options.accumulate)):
            trainer.train()
    seconds, both = time.perf_counter() - started, (trainer.GAN.G.eval(), trainer.GAN.GE.eval())
    drawn, average = map(frechet, both)
    print(f"lightweight-gan's Trainer, fp32: {seconds:,.0f} s, Frechet distance {drawn}, of its average {average}")


def peak_bytes(device: torch.device) -> int:
    """Of this process so far: a GPU's memory, else the machine's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def name_of(device: torch.device) -> str:
    """A GPU's model, else the kind of device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def flop_per_picture(network: NetworkOptions) -> float:
    """Arithmetic of a training step without penalty for each real picture, as our networks do it."""
    generator, discriminator = build_generator(network), build_discriminator(network)
    with FlopCounterMode(display=False) as counter:
        drawn = generator(torch.randn(2, network.latent_dim))
        generator_loss(discriminator(drawn)[:2]).backward()
        with torch.no_grad():
            generator(torch.randn(2, network.latent_dim))
        discriminator_loss(list(discriminator(drawn.detach())[:2]), list(discriminator(drawn.detach())[:2])).backward()
    return counter.get_total_flops() / 2


def product_flops(device: torch.device, dtype: torch.dtype, side: int = 4096) -> float:
    """What a large matrix product reaches, in FLOP/s."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(4):
        if device.type == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        (a @ b)[0, 0].item()
        seconds.append(time.perf_counter() - started)
    return float(2 * side**3 / min(seconds[1:]))


if __name__ == "__main__":
    main()
