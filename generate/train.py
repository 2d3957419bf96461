"""Train a generator on a folder of prepared pictures, on CUDA, Apple's MPS or the CPU.

    python -m generate train prepared runs/mine --kimg 300

Writes to RUN: options.json, snapshot-*.pt (the whole state, for resuming), generator.safetensors (the EMA generator of
the best snapshot), samples-*.jpg, stats.jsonl, curves.png, tensorboard/, and finally time-lapse.mp4. The loop is in
training/loop.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gallery.names import slug_notes
from generate.advice import title_option, to_bucket
from generate.shared_options import device_option, precision_option
from generate.training.choices import AUGMENTATIONS, DOWNLOAD, TrainOptions
from generate.units import Number

if TYPE_CHECKING:
    import torch

AT_LEAST_ONE, POSITIVE = click.IntRange(1), Number(0, min_open=True)
DEFAULT = TrainOptions()
Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def auto(name: str, type: click.ParamType[Any], help: str, default: str) -> Option:
    """An option whose default depends on the pictures and the discriminator; `default` describes it."""
    return click.option(name, type=type, help=f"{help}  [default: {default}]")


def own(name: str, help: str, type: Any = None, **attributes: Any) -> Option:
    """An option whose default is that of TrainOptions."""
    default = getattr(DEFAULT, name.split("/")[0].removeprefix("--").replace("-", "_"))
    return click.option(name, type=type, default=default, show_default=True, help=help, **attributes)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("run", type=click.Path(path_type=Path))
# length and data
@own("--kimg", "Length of the run, in thousands of real pictures shown.", POSITIVE)
@click.option("--hours", type=POSITIVE, help="Also stop after this many hours, summed over all resumes.  [default: no limit]")  # fmt: skip
@click.option(
    "--conditional",
    is_flag=True,
    help="Class-conditional: one model for all categories, the first-level folders of DATA.",
)
@click.option("--greyscale", is_flag=True, help="Train on greyscale pictures.")
@click.option(
    "--transparent", is_flag=True, help="Train on RGBA pictures: `prepare --background transparent` makes them."
)
# the losses
@click.option("--discriminator", type=click.Choice(["r3gan", "lightweight"]), default=None,
              help="r3gan learns faster; lightweight is the lightweight_gan command's own.  "
              "[default: r3gan; with --from as in that run]")  # fmt: skip
@auto("--gamma", POSITIVE, "r3gan: weight of the gradient penalty at the start of the run.", "5")
@auto("--burn-in-kimg", POSITIVE, "r3gan: kimg until gamma falls to a tenth and the learning rate to a quarter.", "300")
@auto("--vision-kimg", Number(0), "r3gan: when a second discriminator begins, on features of EfficientNet-lite0; "
      "a number above --kimg leaves it out.", "30; 0 with --from")  # fmt: skip
@own("--imle", "r3gan: weight of a loss that pulls a sample towards each training picture (IMLE), for variety; try 1. "
     "It begins at --vision-kimg.",
     Number(0))  # fmt: skip
@own("--gradient-penalty/--no-gradient-penalty", "lightweight: apply the gradient penalty every fourth step.")
@click.option("--adaptive", is_flag=True, help="lightweight: adapt --augment-probability to overfitting (ADA).")
@own("--disc-output-size", "lightweight: 1x1 or 5x5 logits.", click.Choice([1, 5]))
# the steps
@auto("--batch-size", AT_LEAST_ONE, "Pictures in a batch, split among torchrun's processes.", "16")
@auto("--accumulate", AT_LEAST_ONE, "Batches per step (gradient accumulation).", "1; lightweight 4")
@auto("--learning-rate", POSITIVE, "Learning rate of Adam at the start of the run.", "3e-4; lightweight 2e-4")
@click.option("--augment", type=click.Choice(AUGMENTATIONS), multiple=True,
              help="Differentiable augmentation before the discriminator; repeatable.  [default: flip translation]")  # fmt: skip
@auto("--augment-probability", Number(0, 1), "Its probability.", "by the number of pictures, at most 0.5")
@auto("--ema-kimg", Number(0), "Half-life of the generator's moving average (EMA).", "5; lightweight 10")
# the networks
@auto("--latent-dim", AT_LEAST_ONE, "Dimension of the latent.", "128, above 128 px 256; lightweight 256")
@auto("--fmap-max", click.IntRange(4), "Maximum feature maps in a layer.", "128, above 128 px 256; lightweight 512")
@auto("--fmap-inverse-coef", click.IntRange(6, 16), "A layer of 2^n px has at most 2^(this - n) feature maps.",
      "10, at 256 px 11, at 512 px 12; lightweight 12")  # fmt: skip
@auto("--width", AT_LEAST_ONE, "r3gan: feature maps in the discriminator's first layer.", "32, above 64 px 16")
@click.option("--attention", type=int, multiple=True,
              help="Resolution with an attention layer; repeatable, 0 for none.  "
              "[default: none; lightweight 32]")  # fmt: skip
# the machine
@precision_option
@own("--compile/--no-compile", "Use torch.compile: minutes of compilation, then faster steps.")
@device_option
@own("--seed", "Random seed.", int)
# snapshots
@own("--snapshot-kimg", "Interval between snapshots, in thousands of pictures.", POSITIVE)
@own("--keep", "Number of newest snapshots to keep, besides the best.", AT_LEAST_ONE)
@own("--patience", "Stop after this many snapshots without improvement.", AT_LEAST_ONE)
@own("--fid", "Also measure FID with torch-fidelity's Inception, from a file or downloaded.",
     is_flag=False, flag_value=DOWNLOAD, metavar="[WEIGHTS]")  # fmt: skip
@click.option("--from", "start_from", default="", metavar="MODEL",
              help="Initial weights: another run or a generator.safetensors beside its discriminator.safetensors, "
              "of the same or half the picture size, or a model_N.pt of the lightweight_gan command.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the options, memory and estimated time; write nothing.")
def command(
    data: Path,
    run: Path,
    device: str,
    greyscale: bool,
    transparent: bool,
    augment: Sequence[str],
    attention: Sequence[int],
    dry_run: bool,
    **values: Any,
) -> None:
    """Train a generator on the pictures that `prepare` made.

    Ctrl-C saves a snapshot and stops; the same command resumes from the newest one. RUN/samples-*.jpg shows progress.

    \b
    Example:
      python -m generate train prepared runs/mine --kimg 300
    """
    if greyscale and transparent:
        raise click.UsageError("Choose --greyscale or --transparent: greyscale with transparency is not supported.")
    options = TrainOptions(
        **{name: value for name, value in values.items() if value is not None},
        channels=1 if greyscale else 4 if transparent else 3,
        augment=tuple(augment) or DEFAULT.augment,
        attention=tuple(r for r in attention if r) if attention else DEFAULT.attention,
    )
    if dry_run:
        for line in plan(data, options, device):
            click.echo(line)
        return
    from generate.training.curves import write_time_lapse
    from generate.training.dataset import read_categories
    from generate.training.loop import train

    leads = not int(os.environ.get("RANK", 0))
    if options.conditional and leads:
        for line in slug_notes(read_categories(data)[0]):
            click.echo(line)
    train(data, run, options, device=device)
    if not leads:
        return
    write_time_lapse(run)
    click.echo(
        f"The generator is {run / 'generator.safetensors'}; samples, curves.png and time-lapse.mp4 are beside it."
    )
    named = title_option(has_categories=options.conditional)
    click.echo(f"Next: {to_bucket('refill', run, 'bucket', '--count', 384, '--train', data, *named)}")


def plan(data: Path, options: TrainOptions = DEFAULT, device: str = "auto") -> list[str]:
    """The lines of --dry-run: options, parameters, memory, steps, estimated time."""
    from dataclasses import asdict

    from generate.devices import choose_device
    from generate.training.dataset import open_pictures, read_categories
    from generate.training.estimate import estimate
    from generate.training.loop import steps_of
    from generate.training.options import network_of, resolve
    from generate.training.pace import announce
    from generate.training.pretrained import read_pretrained

    where: torch.device = choose_device(device)
    pictures = open_pictures(data, where, options.channels)
    categories = read_categories(data)[0] if options.conditional else ()
    options = resolve(
        options, pictures, where, read_pretrained(Path(options.start_from)) if options.start_from else None
    )
    network = network_of(options, pictures, categories)
    expected = estimate(network, options, len(pictures))
    per_step = options.batch_size * options.accumulate
    steps = steps_of(options.kimg, per_step)
    return [
        *(f"{name:20} {value}" for name, value in asdict(options).items()),
        *slug_notes(categories),
        f"{len(pictures)} pictures of {pictures.size} px {pictures.where}, training on {where}",
        f"generator {expected.generator / 1e6:.1f} M parameters, discriminator {expected.discriminator / 1e6:.1f} M",
        f"memory at least {expected.total_bytes / 1e9:.2f} GB: weights and optimizers {expected.weights_bytes / 1e9:.2f}, "
        f"pictures {expected.data_bytes / 1e9:.2f}, a batch {expected.batch_bytes / 1e9:.2f}",
        f"{steps:,} steps of {per_step} pictures",
        *announce(options, network, pictures, where, steps * per_step),
    ]
