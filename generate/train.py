"""Train a Lightweight GAN on a folder of prepared pictures, on CUDA, Apple's MPS or the CPU.

    python -m generate train prepared runs/mine --kimg 800

RUN gets options.json, snapshot-*.pt (everything: a rerun continues where it stopped), generator.safetensors (the
averaged generator), samples-*.jpg, stats.jsonl, curves.png, tensorboard/, and in the end time-lapse.mp4. The loop
itself is in training/loop.py.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from generate.devices import choose_device
from generate.training.augment import KINDS
from generate.training.curves import film
from generate.training.dataset import open_pictures, read_categories
from generate.training.estimate import estimate
from generate.training.loop import DOWNLOAD, steps_of, train
from generate.training.options import DEFAULT, TrainOptions, network_of, resolve


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--kimg",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULT.kimg,
    show_default=True,
    help="Length of the run, in thousands of real pictures shown.",
)
@click.option(
    "--discriminator",
    type=click.Choice(["lightweight", "projected"]),
    default=DEFAULT.discriminator,
    show_default=True,
    help="Who judges the pictures: the package's own, or one that looks through EfficientNet's eyes.",
)
@click.option("--conditional", is_flag=True, help="One model for all of DATA's categories, its first-level folders.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=DEFAULT.batch_size,
    show_default=True,
    help="Pictures of a batch; torchrun's processes share them.",
)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=DEFAULT.accumulate,
    show_default=True,
    help="Batches whose gradients make one step.",
)
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), default=DEFAULT.learning_rate, show_default=True
)
@click.option(
    "--augment",
    type=click.Choice([*KINDS]),
    multiple=True,
    help="How pictures are changed before the discriminator sees them; repeat it for more.  "
    "[default: flip translation; with the projected discriminator all]",
)
@click.option(
    "--augment-probability",
    type=click.FloatRange(0, 1),
    help="How often the discriminator sees a changed picture.  "
    "[default: by the number of pictures; with the projected discriminator always]",
)
@click.option(
    "--adaptive", is_flag=True, help="Steer that probability so that the discriminator does not overfit (ADA)."
)
@click.option(
    "--gradient-penalty/--no-gradient-penalty",
    default=DEFAULT.gradient_penalty,
    show_default=True,
    help="Of the lightweight discriminator, every fourth step.",
)
@click.option(
    "--ema-kimg",
    type=click.FloatRange(0),
    default=DEFAULT.ema_kimg,
    show_default=True,
    help="Half-life of the averaged generator.",
)
@click.option("--latent-dim", type=click.IntRange(1), default=DEFAULT.latent_dim, show_default=True)
@click.option(
    "--fmap-max",
    type=click.IntRange(4),
    default=DEFAULT.fmap_max,
    show_default=True,
    help="Most feature maps in a layer.",
)
@click.option(
    "--attention",
    type=int,
    multiple=True,
    default=DEFAULT.attention,
    show_default=True,
    help="Resolution that gets an attention layer; repeat it for more, 0 for none.",
)
@click.option("--disc-output-size", type=click.Choice([1, 5]), default=DEFAULT.disc_output_size, show_default=True)
@click.option("--greyscale", is_flag=True, help="Train on grey pictures.")
@click.option(
    "--transparent",
    is_flag=True,
    help="Train on transparency too: pictures that `prepare --background transparent` made.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    default=DEFAULT.precision,
    show_default=True,
    help="auto: bf16 where the hardware computes it.",
)
@click.option(
    "--compile/--no-compile",
    default=DEFAULT.compile,
    show_default=True,
    help="Let torch.compile fuse what it can: minutes at the start, and a C++ compiler, for faster steps.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps or cpu.")
@click.option("--seed", type=int, default=DEFAULT.seed, show_default=True)
@click.option(
    "--snapshot-kimg",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULT.snapshot_kimg,
    show_default=True,
    help="How often to save, in thousands of pictures.",
)
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=DEFAULT.keep,
    show_default=True,
    help="Newest snapshots kept, and the best one.",
)
@click.option(
    "--patience",
    type=click.IntRange(1),
    default=DEFAULT.patience,
    show_default=True,
    help="End after so many snapshots without a better one.",
)
@click.option(
    "--fid",
    default=DEFAULT.fid,
    is_flag=False,
    flag_value=DOWNLOAD,
    metavar="[WEIGHTS]",
    help="Measure the FID too, with torch-fidelity's Inception: from a file, or downloaded.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done and what it takes; write nothing.")
@click.option(
    "--from",
    "start_from",
    default="",
    metavar="CHECKPOINT",
    help="Begin with the weights of a model_N.pt of the lightweight_gan command.",
)
def command(
    data: Path,
    run: Path,
    device: str,
    augment_probability: float | None,
    greyscale: bool,
    transparent: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Train a Lightweight GAN on the pictures that `prepare` made.

    Run again, it continues from RUN's newest snapshot; Ctrl-C saves one first. Watch RUN/samples-*.jpg.

    \b
    Example:
      python -m generate train prepared runs/mine --kimg 800
    """
    options["attention"] = tuple(resolution for resolution in options["attention"] if resolution)
    if augment_probability is not None:
        options["augment_probability"] = augment_probability
    if greyscale and transparent:
        raise click.UsageError("Either --greyscale or --transparent: the networks know no grey with transparency.")
    options["channels"] = 1 if greyscale else 4 if transparent else 3
    if dry_run:
        for line in plan(data, TrainOptions(**options), device):
            click.echo(line)
        return
    train(data, run, TrainOptions(**options), device=device)
    if int(os.environ.get("RANK", 0)):
        return
    film(run)
    click.echo(
        f"The generator is in {run / 'generator.safetensors'}; samples, curves.png and time-lapse.mp4 beside it."
    )
    click.echo(f"Next: python -m generate refill {run} bucket --count 384 --train {data}")


def plan(data: Path, options: TrainOptions = DEFAULT, device: str = "auto") -> list[str]:
    """What `train` would do, as lines to read: options, parameters, memory, steps."""
    where = choose_device(device)
    pictures = open_pictures(data, where, options.channels)
    categories = read_categories(data)[0] if options.conditional else ()
    options = resolve(options, pictures, where)
    network, bf16 = network_of(options, pictures, categories), options.precision == "bf16"
    expected = estimate(network, options.discriminator == "projected", len(pictures), options.batch_size, bf16)
    per_step = options.batch_size * options.accumulate
    return [
        *(f"{name:20} {value}" for name, value in asdict(options).items()),
        f"{len(pictures)} pictures of {pictures.size} px {pictures.where}, training on {where}",
        f"generator {expected.generator / 1e6:.1f} M parameters, discriminator {expected.discriminator / 1e6:.1f} M",
        f"memory at least {expected.total_bytes / 1e9:.2f} GB: weights and optimizers {expected.weights_bytes / 1e9:.2f}, "
        f"pictures {expected.data_bytes / 1e9:.2f}, a batch {expected.batch_bytes / 1e9:.2f}",
        f"{steps_of(options.kimg, per_step):,} steps of {per_step} pictures",
    ]
