"""Sampling speed: pictures written to disk, ours against lightweight-gan's generate loop and the bare forward pass.

    python -m benchmarks.sample --count 64

The package draws one latent at a time and saves it with torchvision; ours is `draw_folder` as `sample` runs it. The
limit is the generator's forward pass alone, in the best of some batch sizes, nothing encoded or written.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import torch
from torchvision.utils import save_image

from generate.drawing import draw_folder
from generate.generator import Model, choose_device, load_generator
from generate.networks import package

MODEL = Path(__file__).parent.parent / "demo" / "generator.safetensors"
BATCHES = (8, 16, 32)


@click.command()
@click.option("--model", type=click.Path(path_type=Path), default=MODEL, help="As of `sample`.  [default: the demo's]")
@click.option("--count", type=int, default=128, show_default=True)
@click.option("--device", default="auto", show_default=True)
def main(model: Path, count: int, device: str) -> None:
    """Measure sampling against the lightweight-gan package."""
    where = choose_device(device)
    loaded = load_generator(model, where)
    print(
        f"{loaded.network.size} px, {count} pictures, on {where}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        theirs = theirs_per_s(loaded, Path(folder) / "theirs", count, where)
        draw_folder(loaded, Path(folder) / "warm-up", range(16))
        started = time.perf_counter()
        draw_folder(loaded, Path(folder) / "ours", range(count))
        ours = count / (time.perf_counter() - started)
    limit = max(forward_per_s(loaded, batch, count, where) for batch in BATCHES)
    print(f"{'lightweight-gan':20} {theirs:8.1f} pictures/s")
    print(
        f"{'ours':20} {ours:8.1f} pictures/s  {ours / theirs:5.2f} x lightweight-gan, {ours / limit:.0%} of the limit"
    )
    print(f"{'bare forward pass':20} {limit:8.1f} pictures/s")


@torch.no_grad()
def theirs_per_s(model: Model, dest: Path, count: int, device: torch.device) -> float:
    """The package's own build of the network, in its `generate` loop: batch 1, unseeded, save_image."""
    dest.mkdir()
    network = model.network
    generator = package.Generator(
        image_size=network.size,
        latent_dim=network.latent_dim,
        fmap_max=network.fmap_max,
        attn_res_layers=list(network.attention),
    )
    generator.to(device).eval()
    started = time.perf_counter()
    for number in range(count):
        latents = torch.randn((1, network.latent_dim)).to(device)
        save_image(generator(latents).clamp_(0.0, 1.0)[0], dest / f"{number}.jpg", nrow=1)
    return count / (time.perf_counter() - started)


@torch.inference_mode()
def forward_per_s(model: Model, batch: int, count: int, device: torch.device) -> float:
    """The forward pass alone."""
    latents = torch.randn(batch, model.network.latent_dim, device=device)
    model.generator(latents)
    rounds = max(1, count // batch)
    started = time.perf_counter()
    for _ in range(rounds):
        drawn = model.generator(latents)
    drawn[0, 0, 0, 0].item()  # a GPU is waited for here
    return rounds * batch / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
