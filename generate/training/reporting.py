"""Print the progress of a training run, and write the files of each snapshot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor
from tqdm import tqdm

from generate.figures import contact_sheet
from generate.images import atomic_path, to_picture
from generate.model.family import as_rgb
from generate.model.generator import draw_pictures, save_generator, save_weights
from generate.model.networks import Generator, NetworkOptions
from generate.ranks import world
from generate.training.choices import TrainOptions
from generate.training.curves import draw_curves
from generate.training.dataset import Pictures
from generate.training.pace import announce
from generate.training.pretrained import DISCRIMINATOR
from generate.training.snapshots import save_snapshot
from generate.training.stats import Row, best_row, write_rows

SHOW_EVERY_S, LOG_EVERY_S = 0.2, 60.0  # refresh interval of the progress bar on a terminal, and in a file
GRID = 8  # samples-*.jpg show GRID x GRID pictures from fixed seeds


def report(
    run: Path,
    rows: list[Row],
    parts: dict[str, Any],
    counters: dict[str, Any],
    network: NetworkOptions,
    made: dict[str, Any],
    keep: int,
    where: torch.device,
) -> None:
    """Write the sheet, the generator if it is the best so far, the rows, the snapshot and the curves."""
    best, ema = best_row(rows), parts["ema"]
    save_grid(run / f"samples-{counters['step']:07d}.jpg", draw_grid(ema, network))
    if best is rows[-1]:
        save_generator(run / "generator.safetensors", ema, network, best | made)
        save_weights(run / DISCRIMINATOR, parts["discriminator"], {})  # `train --from` needs it
    write_rows(run, rows)
    # last, so that a run killed before this repeats everything above
    save_snapshot(run, parts, counters, keep, int(best["step"]), where)
    draw_curves(run)


def draw_grid(ema: Generator, network: NetworkOptions) -> Tensor:
    """Draw the GRID x GRID fixed seeds, (GRID^2, C, H, W) uint8; categories change from row to row."""
    seeds = range(GRID**2)
    rows = [i // GRID % len(network.categories) for i in seeds] if network.categories else None
    return draw_pictures(ema, seeds, batch_size=16, categories=rows)


def save_grid(path: Path, pictures: Tensor) -> None:
    """Write (N, C, H, W) uint8 as a sheet with GRID columns."""
    with atomic_path(path) as temporary:
        contact_sheet([to_picture(p) for p in as_rgb(pictures.cpu())], GRID).save(temporary, "JPEG", quality=92)


def print_introduction(
    run: Path,
    pictures: Pictures,
    options: TrainOptions,
    network: NetworkOptions,
    where: torch.device,
    step: int,
    steps: int,
) -> None:
    """Print what is trained on what and how long it will take. A new run writes RUN/real.jpg, a sheet of real pictures."""
    per_step = options.batch_size * options.accumulate
    click.echo(
        f"{len(pictures)} pictures of {network.size} px {pictures.where}; {steps:,} steps of {per_step} on {where} "
        f"in {options.precision}" + (f", shared by {world()} processes" if world() > 1 else "")
    )
    for line in announce(options, network, pictures, where, (steps - step) * per_step):
        click.echo(line)
    if step:
        click.echo(f"continuing after step {step:,} ({step * per_step / 1000:g} kimg)")
    else:
        shown = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[: GRID**2]
        save_grid(run / "real.jpg", pictures[shown])


def progress_bar(total: int, initial: int, leads: bool) -> Any:
    """Return a progress bar over pictures, disabled on other ranks than the first."""
    every_s = SHOW_EVERY_S if sys.stderr.isatty() else LOG_EVERY_S
    return tqdm(
        total=total, initial=initial, unit="img", unit_scale=True, mininterval=every_s, miniters=1, disable=not leads
    )


def progress_values(means: list[float], device: torch.device) -> dict[str, str]:
    """Format mean (loss_d, loss_g, r_t) and the GPU memory for the progress bar."""
    values = {"D": f"{means[0]:.2f}", "G": f"{means[1]:.2f}", "r_t": f"{means[2]:.2f}"}
    if device.type == "cuda":
        values["GPU"] = f"{torch.cuda.max_memory_reserved(device) / 2**30:.1f} GiB"
    return values


def print_ending(options: TrainOptions, kimg: float, over: bool, late: bool, stopped: bool) -> None:
    """Print why the run ended and how to continue it."""
    if late:
        click.echo(
            f"Ended at {kimg:g} of {options.kimg:g} kimg: --hours {options.hours:g} are over. Raise --hours to continue."
        )
    elif over:
        click.echo(
            f"Stopped early: the last {options.patience} snapshots were no better. Raise --patience to continue."
        )
    if stopped:
        click.echo(f"Stopped and saved at {kimg:g} of {options.kimg:g} kimg; the same command continues.")
