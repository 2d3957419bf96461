"""Sampling speed: pictures written to disk, ours against lightweight-gan's generate loop and the bare forward pass.

    python -m benchmarks.sample --count 64

The package draws one latent at a time and saves it with torchvision; ours is `draw_folder` as `sample` runs it, in the
precision and batch size it chooses. The limit is the generator's forward pass alone, in the best of some batch sizes
and both precisions, nothing encoded or written. All take turns, and the medians of the rounds are compared.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from unittest import mock

import click
import torch
from torch import nn
from torchvision.utils import save_image

from generate.devices import choose_device, choose_precision
from generate.model.drawing import choose_batch_size, draw_folder
from generate.model.generator import LightweightModel, load_generator
from generate.model.networks import package

MODEL = Path(__file__).parent.parent / "demo" / "generator.safetensors"
BATCHES = {"cpu": (1, 4, 8, 16), "cuda": (16, 64, 256), "mps": (8, 16, 32)}


@click.command()
@click.option("--model", type=click.Path(path_type=Path), default=MODEL, help="As of `sample`.  [default: the demo's]")
@click.option("--count", type=int, default=128, show_default=True)
@click.option("--rounds", type=int, default=3, show_default=True)
@click.option("--device", default="auto", show_default=True)
def main(model: Path, count: int, rounds: int, device: str) -> None:
    """Measure sampling against the lightweight-gan package."""
    where = choose_device(device)
    loaded = load_generator(model, where)
    precision = choose_precision("auto", where)
    batch = choose_batch_size(loaded, precision)
    print(
        f"{loaded.network.size} px, {count} pictures, on {where}, {torch.get_num_threads()} threads, torch {torch.__version__}; "
        f"ours in {precision}, batches of {batch}"
    )
    peer, kinds = their_generator(loaded, where), ("fp32", precision) if precision != "fp32" else ("fp32",)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds + 1):
            home = Path(folder) / str(turn)
            rates.setdefault("lightweight-gan", []).append(
                theirs_per_s(peer, width_of(loaded), home / "theirs", count, where)
            )
            for kind in kinds:
                rates.setdefault(f"ours, {kind}", []).append(ours_per_s(loaded, home / kind, count, kind))
                for size in BATCHES[where.type]:
                    rates.setdefault(f"bare forward, {kind}, {size}", []).append(
                        forward_per_s(loaded, size, count, where, kind)
                    )
    medians = {name: median(values[1:]) for name, values in rates.items()}  # the first turn warms up
    theirs, limit = medians["lightweight-gan"], max(v for name, v in medians.items() if name.startswith("bare"))
    for name, rate in medians.items():
        print(
            f"{name:24} {rate:8.1f} pictures/s  {rate / theirs:6.2f} x lightweight-gan, {rate / limit:5.0%} of the limit"
        )


def their_generator(model: LightweightModel, device: torch.device) -> nn.Module:
    """The same weights in the package's own network, as its Trainer builds it; a category is more of the latent to it."""
    network, weights = model.network, model.generator.state_dict()
    weights.pop("embed.weight", None)
    with mock.patch.object(package, "Blur", nn.Identity):
        generator = package.Generator(
            image_size=network.size,
            latent_dim=width_of(model),
            fmap_max=network.fmap_max,
            attn_res_layers=list(network.attention),
        )
    generator.load_state_dict(weights)
    return generator.to(device).eval()


def width_of(model: LightweightModel) -> int:
    """Of what goes into the first convolution: the latent, and a category's embedding if the model has some."""
    return model.network.latent_dim * (2 if model.categories else 1)


@torch.no_grad()
def theirs_per_s(generator: nn.Module, latent_dim: int, dest: Path, count: int, device: torch.device) -> float:
    """The package's `generate` loop: batch 1, unseeded, save_image."""
    dest.mkdir(parents=True)
    started = time.perf_counter()
    for number in range(count):
        latents = torch.randn((1, latent_dim)).to(device)
        save_image(generator(latents).clamp_(0.0, 1.0)[0], dest / f"{number}.jpg", nrow=1)
    return count / (time.perf_counter() - started)


def ours_per_s(model: LightweightModel, dest: Path, count: int, precision: str) -> float:
    """As `sample` does it, the table of samples included."""
    started = time.perf_counter()
    draw_folder(model, dest, range(count), categories=model.categories[:1], precision=precision)
    return count / (time.perf_counter() - started)


@torch.inference_mode()
def forward_per_s(model: LightweightModel, batch: int, count: int, device: torch.device, precision: str) -> float:
    """The forward pass alone."""
    joined = torch.randn(batch, width_of(model), device=device)
    rounds = max(1, count // batch)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        model.generator.from_joined(joined)
        started = time.perf_counter()
        for _ in range(rounds):
            drawn = model.generator.from_joined(joined)
        drawn[0, 0, 0, 0].item()  # a GPU is waited for here
        return rounds * batch / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
