"""Train a generator on a folder of prepared pictures, on CUDA, Apple's MPS or the CPU.

    python -m generate train prepared runs/mine --kimg 300

RUN gets options.json, snapshot-*.pt (everything: a rerun continues where it stopped), generator.safetensors (the
averaged generator of the best snapshot), samples-*.jpg, stats.jsonl, curves.png, tensorboard/, and in the end
time-lapse.mp4. The loop itself is in training/loop.py.
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

if TYPE_CHECKING:
    import torch

AT_LEAST_ONE, POSITIVE = click.IntRange(1), click.FloatRange(0, min_open=True)
DEFAULT = TrainOptions()
Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def auto(name: str, type: click.ParamType[Any], help: str, default: str) -> Option:
    """An option whose default depends on the pictures and the discriminator; `default` says how."""
    return click.option(name, type=type, help=f"{help}  [default: {default}]")


def own(name: str, help: str, type: Any = None, **attributes: Any) -> Option:
    """An option whose default is that of TrainOptions."""
    default = getattr(DEFAULT, name.split("/")[0].removeprefix("--").replace("-", "_"))
    return click.option(name, type=type, default=default, show_default=True, help=help, **attributes)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("run", type=click.Path(path_type=Path))
# how long, and of what
@own("--kimg", "Length of the run, in thousands of real pictures shown.", POSITIVE)
@click.option("--hours", type=POSITIVE, help="End after so many hours, too, all starts of the run together.  [default: no limit]")  # fmt: skip
@click.option("--conditional", is_flag=True, help="One model for all of DATA's categories, its first-level folders.")
@click.option("--greyscale", is_flag=True, help="Train on grey pictures.")
@click.option(
    "--transparent", is_flag=True, help="Train on RGBA pictures: `prepare --background transparent` makes them."
)
# the losses
@click.option("--discriminator", type=click.Choice(["r3gan", "lightweight"]), default=None,
              help="r3gan learns faster; lightweight is the lightweight_gan command's own.  "
              "[default: r3gan; with --from what that was trained with]")  # fmt: skip
@auto("--gamma", POSITIVE, "r3gan: weight of the gradient penalty at the start of the run.", "5")
@auto("--burn-in-kimg", POSITIVE, "r3gan: when gamma and the learning rate have reached a tenth and a quarter.", "300")
@own("--vision-aided/--no-vision-aided", "r3gan: a second discriminator, which sees EfficientNet-lite0's features.")
@own("--gradient-penalty/--no-gradient-penalty", "lightweight: the penalty of every fourth step.")
@click.option("--adaptive", is_flag=True, help="lightweight: adapt --augment-probability to overfitting (ADA).")
@own("--disc-output-size", "lightweight: 1 or 5 logits a side.", click.Choice([1, 5]))
# the steps
@auto("--batch-size", AT_LEAST_ONE, "Pictures of a batch; torchrun's processes share them.", "16")
@auto("--accumulate", AT_LEAST_ONE, "Batches a step.", "1; lightweight 4")
@auto("--learning-rate", POSITIVE, "Adam's, at the start of the run.", "3e-4; lightweight 2e-4")
@click.option("--augment", type=click.Choice(AUGMENTATIONS), multiple=True,
              help="What the discriminator sees changed; repeat it for more.  [default: flip translation]")  # fmt: skip
@auto("--augment-probability", click.FloatRange(0, 1), "How often it does.", "by the number of pictures, at most 0.5")
@auto("--ema-kimg", click.FloatRange(0), "Half-life of the averaged generator.", "5; lightweight 10")
# the networks
@auto("--latent-dim", AT_LEAST_ONE, "Width of the latent.", "128, above 128 px 256; lightweight 256")
@auto("--fmap-max", click.IntRange(4), "Most feature maps in a layer.", "128, above 128 px 256; lightweight 512")
@auto("--fmap-inverse-coef", click.IntRange(6, 16), "A layer of 2^n px has at most 2^(this - n) feature maps.",
      "10, at 256 px 11, at 512 px 12; lightweight 12")  # fmt: skip
@auto("--width", AT_LEAST_ONE, "r3gan: feature maps in the discriminator's first layer.", "32, above 64 px 16")
@click.option("--attention", type=int, multiple=True,
              help="Resolution that gets an attention layer; repeat it for more, 0 for none.  "
              "[default: none; lightweight 32]")  # fmt: skip
# the machine
@precision_option
@own("--compile/--no-compile", "Let torch.compile fuse what it can: minutes at the start, then faster steps.")
@device_option
@own("--seed", "Of all random numbers.", int)
# what is kept
@own("--snapshot-kimg", "How often to save and measure, in thousands of pictures.", POSITIVE)
@own("--keep", "Newest snapshots kept, and the best one.", AT_LEAST_ONE)
@own("--patience", "End after so many snapshots without a better one.", AT_LEAST_ONE)
@own("--fid", "Measure the FID too, with torch-fidelity's Inception: from a file, or downloaded.",
     is_flag=False, flag_value=DOWNLOAD, metavar="[WEIGHTS]")  # fmt: skip
@click.option("--from", "start_from", default="", metavar="MODEL",
              help="Begin with the weights of another run or of a generator.safetensors with its discriminator.safetensors, "
    "of pictures of the same size or half of it, "
              "or of a model_N.pt of the lightweight_gan command.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what would be done and how long it would take; write nothing.")
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

    Run it again, and it continues from RUN's newest snapshot; Ctrl-C saves one first. Watch RUN/samples-*.jpg.

    \b
    Example:
      python -m generate train prepared runs/mine --kimg 300
    """
    if greyscale and transparent:
        raise click.UsageError("Choose --greyscale or --transparent: there is no grey with transparency.")
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
    """What `train` would do, as lines to read: options, parameters, memory, steps, hours."""
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
