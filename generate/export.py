"""Hand a run over to the lightweight_gan command: its newest snapshot as a checkpoint of that package.

python -m generate export runs/mine models/mine --number 12
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from generate.model.checkpoints import Checkpoint


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path))
@click.option(
    "--number",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="N of model_N.pt, which that command counts its steps by.",
)
def command(run: Path, dest: Path, number: int) -> None:
    """Write a run's newest snapshot as a checkpoint of the lightweight_gan command.

    DEST is that command's models/<name>. The other way round, `train --from model_12.pt` takes one as its
    beginning, and `sample` draws from it.

    \b
    Example:
      python -m generate export runs/mine models/mine --number 12
    """
    from generate.model.checkpoints import write_checkpoint

    path = write_checkpoint(dest, number, checkpoint_of(run))
    click.echo(f"{path} is ready.")
    click.echo(f"Next: lightweight_gan --name {dest.name} --models-dir {dest.parent} --load-from {number} --generate")


def checkpoint_of(run: Path) -> Checkpoint:
    """What the newest snapshot of a run holds. Raises click.ClickException where there is none."""
    from generate.model.checkpoints import Checkpoint
    from generate.model.networks import NetworkOptions, read_options
    from generate.training.snapshots import read_newest

    state = read_newest(run)
    if state is None:
        raise click.ClickException(
            f"{run} has no snapshot to export: train it first (python -m generate train DATA {run})."
        )
    options = json.loads((run / "options.json").read_text())
    names = NetworkOptions.__dataclass_fields__
    if options.get("conditional") or options.get("discriminator") == "projected":
        raise click.ClickException(
            f"{run} was trained with {'--conditional' if options.get('conditional') else '--discriminator projected'}, "
            "which the lightweight_gan command does not know: only runs without it can be handed over."
        )
    network = read_options({name: options[name] for name in names if name in options})
    return Checkpoint(network, state["generator"], state["ema"], state["discriminator"])
