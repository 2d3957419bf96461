"""Training speed: ours against lightweight-gan's networks in its loop's form, on the same pictures and device.

    python -m benchmarks.train --size 64 --steps 8
    python -m benchmarks.train --time-to-quality 10 --size 32 --plot quality.png

Both see the same batches, size and options, penalty every fourth step; ours through `train` itself as a user runs it.
Prints pictures/s of each in fp32 and in the precision that `auto` picks, the ratio, and the achieved arithmetic
as a share of what a large matrix product reaches on this device.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from unittest import mock

import click
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.quality import compare
from generate.generator import choose_device
from generate.images import load_pictures
from generate.losses import discriminator_loss, generator_loss, gradient_penalty
from generate.networks import NetworkOptions, build_discriminator, build_generator, package
from generate.options import TrainOptions, resolve
from generate.prepare import prepare
from generate.train import PENALTY_EVERY, PENALTY_WEIGHT, train

PICTURES = Path(__file__).parent.parent / "tests" / "data" / "emoji"


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), default=PICTURES, help="Pictures.  [default: those of the tests]"
)
@click.option("--size", type=int, default=64, show_default=True)
@click.option("--batch-size", type=int, default=16, show_default=True)
@click.option("--latent-dim", type=int, default=128, show_default=True)
@click.option("--fmap-max", type=int, default=128, show_default=True)
@click.option("--attention", type=int, multiple=True, help="As of `train`.  [default: none]")
@click.option("--steps", type=int, default=8, show_default=True, help="Measured steps, after four to warm up.")
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--time-to-quality",
    type=click.FloatRange(0, min_open=True),
    metavar="MINUTES",
    help="Instead: train both discriminators that long each and compare what they reach.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Write the comparison's curves there, as PNG.")
def main(
    data: Path,
    size: int,
    batch_size: int,
    latent_dim: int,
    fmap_max: int,
    attention: tuple[int, ...],
    steps: int,
    device: str,
    time_to_quality: float | None,
    plot: Path | None,
) -> None:
    """Measure training against the lightweight-gan package."""
    if time_to_quality:
        options = f"--batch-size {batch_size} --latent-dim {latent_dim} --fmap-max {fmap_max} --device {device}"
        attended = [f"--attention {resolution}" for resolution in attention or (0,)]
        compare(data, size, 60 * time_to_quality, " ".join([options, *attended]).split(), plot)
        return
    where = choose_device(device)
    network = NetworkOptions(size, latent_dim, fmap_max, tuple(attention))
    shared = {"batch_size": batch_size, "accumulate": 1, "latent_dim": latent_dim, "fmap_max": fmap_max}
    options = TrainOptions(attention=tuple(attention), **shared)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared"
        prepare(data, prepared, size=size)
        pictures = load_pictures(prepared)
        auto = resolve(options, pictures, where).precision
        print(f"{size} px, batch {batch_size}, latent {latent_dim}, fmap_max {fmap_max}, attention {attention or 'none'}, "
              f"on {where}, {torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip

        theirs = theirs_per_s(network, pictures.to(where), batch_size, steps)
        rates = {"lightweight-gan's form, fp32": theirs}
        for precision in dict.fromkeys(["fp32", auto]):
            rates[f"ours, {precision}"] = ours_per_s(
                prepared, Path(folder) / precision, options, precision, steps, where
            )
    work = flop_per_picture(network)
    for name, rate in rates.items():
        print(f"{name:32} {rate:8.2f} pictures/s  {rate / theirs:6.2f} x  {rate * work / 1e12:7.3f} TFLOP/s")
    for dtype in (torch.float32, torch.bfloat16):
        print(f"{'matrix product, ' + str(dtype)[6:]:32} {product_flops(where, dtype) / 1e12:38.3f} TFLOP/s: the limit")


def ours_per_s(
    prepared: Path, run: Path, options: TrainOptions, precision: str, steps: int, device: torch.device
) -> float:
    """As users get it: the second report of a run, which leaves out what happens once."""
    kimg = options.batch_size / 1000
    with_snapshots = {"kimg": (steps + 4) * kimg, "snapshot_kimg": 4 * kimg, "precision": precision}
    train(prepared, run, TrainOptions(**vars(options) | with_snapshots), device=str(device))
    rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()][1:]
    return len(rows) / sum(1 / row["pictures_s"] for row in rows)


def theirs_per_s(network: NetworkOptions, pictures: torch.Tensor, batch: int, steps: int) -> float:
    """The package's networks as its Trainer builds and steps them, without its data loader and logging."""
    torch.manual_seed(0)
    device = pictures.device
    with mock.patch.object(package, "Blur", nn.Identity):
        common = {"image_size": network.size, "fmap_max": network.fmap_max, "attn_res_layers": list(network.attention)}
        generator = package.Generator(latent_dim=network.latent_dim, **common).to(device)
        discriminator = package.Discriminator(disc_output_size=network.disc_output_size, **common).to(device)
    seen_by = package.AugWrapper(discriminator, network.size)
    augmentation = {"prob": 0.3, "types": ["translation"]}
    optimizer_g, optimizer_d = (
        torch.optim.Adam(module.parameters(), 2e-4, (0.5, 0.9)) for module in (generator, discriminator)
    )

    def step(number: int) -> None:
        penalised = number % PENALTY_EVERY == 0
        real = (pictures[torch.randint(len(pictures), (batch,))].float() / 255).requires_grad_(penalised)
        with torch.no_grad():
            fake = generator(torch.randn(batch, network.latent_dim, device=device))
        fake, (*on_fake, _) = seen_by(
            fake, detach=True, input_requires_grad=penalised, return_discr_input=True, **augmentation
        )
        *on_real, reconstruction = seen_by(real, calc_aux_loss=True, **augmentation)
        loss = discriminator_loss(on_real, on_fake) + reconstruction
        if penalised:
            loss = loss + PENALTY_WEIGHT * gradient_penalty([(on_real, real), (on_fake, fake)])
        optimizer_d.zero_grad()
        loss.backward()
        optimizer_d.step()
        loss.item()  # as the Trainer reads its losses in every step

        *on_fake, _ = seen_by(generator(torch.randn(batch, network.latent_dim, device=device)), **augmentation)
        loss = generator_loss(on_fake)
        optimizer_g.zero_grad()
        loss.backward()
        optimizer_g.step()
        loss.item()

    for number in range(4):
        step(number)
    started = time.perf_counter()
    for number in range(steps):
        step(number)
    return steps * batch / (time.perf_counter() - started)


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
