"""A trained generator: saved and loaded as safetensors, and turned into pictures from seeds.

from generate.generator import draw_pictures, load_generator
pictures = draw_pictures(load_generator(Path("demo/generator.safetensors")), seeds=[0, 1, 2])
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from generate.checkpoints import read_checkpoint
from generate.images import atomic_path
from generate.networks import NetworkOptions, build_generator, draw_inputs, fixed_noise

FAMILY = "lightweight-gan"
MEAN_OF = 4096  # latents, for the mean that truncation draws towards


@dataclass(frozen=True)
class Model:
    """A loaded generator in eval mode, how it was made, and the first half of its file's SHA-256."""

    generator: nn.Module
    network: NetworkOptions
    made: dict[str, Any]
    sha256: str


def choose_device(name: str) -> torch.device:
    """ "auto" is CUDA, else Apple's MPS, else the CPU. Raises click.BadParameter for what isn't here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise click.BadParameter(
            f"{name!r} can't be used here ({reason}); use auto or cpu.", param_hint="--device"
        ) from None
    return device


def save_generator(path: Path, generator: nn.Module, network: NetworkOptions, made: dict[str, Any]) -> None:
    """Write the weights with what rebuilds and explains them as metadata; safetensors holds no code.

    Weights are stored in half precision, which moves a pixel by one level at most and halves the file; batch norm
    statistics, whose range is larger, in full.
    """
    metadata = {"family": FAMILY, "network": json.dumps(asdict(network)), "made": json.dumps(made)}
    weights = {
        name: (weight if "running" in name or not weight.is_floating_point() else weight.half()).cpu().contiguous()
        for name, weight in generator.state_dict().items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(weights, metadata))


def load_generator(path: Path, device: torch.device | None = None) -> Model:
    """Load a run folder's generator, a `generator.safetensors`, or a model_N.pt of the lightweight_gan command.

    Half-precision weights are widened. Raises click.ClickException where there is none, or the file is
    damaged or of another family.
    """
    if path.suffix == ".pt" and path.is_file():
        checkpoint = read_checkpoint(path)
        return _model(path, checkpoint.network, checkpoint.ema, {"checkpoint": path.name}, device)
    file = path / "generator.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise click.ClickException(
            f"{path} has no generator.safetensors: train it first (python -m generate train DATA {path})."
        )
    try:
        with safe_open(file, "pt") as stored:
            metadata = stored.metadata() or {}
            weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
        if metadata.get("family") != FAMILY:
            raise click.ClickException(
                f"{file} is not a generator of this project (family {metadata.get('family')!r}, expected {FAMILY!r})."
            )
        options = json.loads(metadata["network"])
        network = NetworkOptions(**options | {"attention": tuple(options["attention"])})
        return _model(file, network, weights, json.loads(metadata["made"]), device)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise click.ClickException(
            f"{file} can't be loaded ({reason}): it is damaged; copy it again or sample from another snapshot."
        ) from None


def _model(
    file: Path, network: NetworkOptions, weights: dict[str, Tensor], made: dict[str, Any], device: torch.device | None
) -> Model:
    generator = build_generator(network)
    generator.load_state_dict({n: w.float() if w.is_floating_point() else w for n, w in weights.items()})
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    return Model(generator.eval().to(device or "cpu"), network, made, digest)


@torch.inference_mode()
def draw_pictures(generator: nn.Module, seeds: Sequence[int], batch_size: int, truncation: float = 1.0) -> Tensor:
    """Pictures (N, 3, H, W), uint8 on the CPU, one for each seed, which alone fixes its latent and noise.

    Truncation below 1 trades variety for fewer odd pictures, see `truncated`.
    Every batch is full (the last is filled up with repeats), so that a picture comes out of the same
    arithmetic wherever in the list its seed stands.
    """
    device = next(generator.parameters()).device
    latent_dim = generator.get_submodule("initial_conv")[0].in_channels  # type: ignore[index]
    pictures = []
    for start in range(0, len(seeds), batch_size):
        batch = list(seeds[start : start + batch_size])
        padded = batch + batch[-1:] * (batch_size - len(batch))
        latents, noises = draw_inputs(generator, padded, latent_dim)
        with fixed_noise(generator, [noise.to(device) for noise in noises]), truncated(generator, truncation):
            drawn = generator(latents.to(device))[: len(batch)]
        pictures.append(drawn.float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8))
    return torch.cat(pictures)


@contextmanager
def truncated(generator: nn.Module, truncation: float) -> Iterator[None]:
    """Within this context what a latent becomes is drawn towards the mean of all of them.

    Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019, appendix B.
    It acts on the first feature map, this generator's intermediate latent. The network divides every position of
    that by its length: so a shorter latent would make much the same picture, and what is mixed here are directions.
    """
    if truncation == 1:
        yield
        return
    first = generator.get_submodule("initial_conv")
    weight = next(first.parameters())  # (latent_dim, ...)
    latents = torch.randn(MEAN_OF, weight.shape[0], generator=torch.Generator().manual_seed(0))
    features = F.normalize(first(latents.to(weight.device)[:, :, None, None]), dim=1)
    mean = F.normalize(features.mean(dim=0, keepdim=True), dim=1)  # (1, C, 4, 4)
    handle = first.register_forward_hook(lambda _, __, out: torch.lerp(mean, F.normalize(out, dim=1), truncation))
    try:
        yield
    finally:
        handle.remove()
