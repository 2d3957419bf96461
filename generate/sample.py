"""Draw pictures from a trained generator, one file per seed; a seed gives the same picture everywhere.

python -m generate sample runs/mine samples --count 384
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from generate.advice import command_line, train_option
from generate.devices import choose_device
from generate.folders import data_of
from generate.images import WRITTEN
from generate.model.fetching import ModelPath
from generate.shared_options import (
    batch_size_option,
    category_option,
    device_option,
    precision_option,
    truncation_option,
)
from generate.units import Seeds, plural


@click.command()
@click.argument("model", type=ModelPath())
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(1), help="Number of pictures, with seeds 0 to COUNT - 1.")
@click.option("--seeds", type=Seeds(), help="Seeds to draw, such as 0-383,1000.")
@truncation_option
@click.option("--format", type=click.Choice(WRITTEN), default="jpg", show_default=True)
@click.option("--quality", type=click.IntRange(1, 100), default=90, show_default=True, help="Quality of jpg and webp.")
@category_option
@batch_size_option
@precision_option
@device_option
def command(
    model: Path, dest: Path, count: int | None, seeds: Sequence[int] | None, device: str, **options: Any
) -> None:
    """Draw pictures from a trained generator.

    The file name is the seed, and the same seed gives the same picture. A conditional model draws every seed for each
    category, into a folder of that name. A rerun draws only missing and damaged pictures. torchrun splits the seeds
    among its processes.

    \b
    MODEL is one of these, detected by content. Files never run code. Licences: docs/models.md.
      runs/mine, generator.safetensors   written by `train`
      model_N.pt                         of the lightweight_gan command
      model_N.pt                         of the stylegan2_pytorch command; .config.json beside it
      models/NAME                        the folder of either command: its newest checkpoint
      a folder of BigGAN-deep            config.json and weights; 1,000 categories of ImageNet
      *.pth, *.tar or *.pt of a DCGAN    its generator's weights, as PyTorch's example saves them
      *.pkl of StyleGAN2-ADA             in PyTorch
      *.pkl of StyleGAN2 in Flax         as of This Food Does Not Exist
      *.pkl of StyleGAN2 in TensorFlow   the originals
      *.pt of StyleGAN2 of rosinality    the averaged generator, g_ema
      hf:owner/name, https://...         any of these, downloaded once; also hf:owner/name@revision

    \b
    Example:
      python -m generate sample runs/mine samples --count 384
    """
    if (count is None) == (seeds is None):
        raise click.UsageError("Give either --count or --seeds, as in --count 384 or --seeds 0-383.")
    import torch

    from generate.model.drawing import draw_folder
    from generate.model.opening import open_model

    seeds = seeds if seeds is not None else range(count or 0)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1 and device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    loaded = open_model(model, choose_device(device))
    drawn = draw_folder(loaded, dest, seeds, rank=rank, world=world, **options)
    of = f" (process {rank + 1} of {world})" if world > 1 else ""
    click.echo(f"{plural(drawn, 'picture')} of {loaded.size} px in {dest}{of}")
    if rank == 0:
        total = len(set(seeds)) * max(1, len(loaded.choose(options["categories"])))
        keep = max(1, total * 2 // 3)
        click.echo(f"Next: {command_line('curate', dest, 'chosen', '--keep', keep, *train_option(data_of(model)))}")
