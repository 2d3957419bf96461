"""A small model of 32 px of every family, in the files that its people publish."""

from __future__ import annotations

from pathlib import Path

import torch

from generate.model.checkpoints import Checkpoint, write_checkpoint
from generate.model.generator import save_generator
from generate.model.networks import NetworkOptions, build_discriminator, build_generator
from tests.published import example, write_ada, write_flax, write_tensorflow
from tests.test_biggan import write_biggan
from tests.test_dcgan import example as dcgan
from tests.test_rosinality import write as write_rosinality
from tests.test_stylegan2_pytorch import write as write_stylegan2_pytorch

NETWORK = NetworkOptions(size=32, latent_dim=16, fmap_max=16, attention=())


def write_lightweight(folder: Path) -> Path:
    """model.pt and config.json, the names that checkpoints of lightweight_gan have on the hub."""
    torch.manual_seed(0)
    generator, judge = build_generator(NETWORK).state_dict(), build_discriminator(NETWORK).state_dict()
    write_checkpoint(folder, 1, Checkpoint(NETWORK, generator, generator, judge))
    (folder / "model_1.pt").rename(folder / "model.pt")
    (folder / ".config.json").rename(folder / "config.json")
    return folder


def write_ours(folder: Path) -> Path:
    """generator.safetensors."""
    torch.manual_seed(0)
    save_generator(folder / "generator.safetensors", build_generator(NETWORK), NETWORK, {})
    return folder / "generator.safetensors"


def write_dcgan(folder: Path) -> Path:
    torch.save(dcgan().state_dict(), folder / "netG.pth")
    return folder / "netG.pth"


WRITERS = {
    "ours": write_ours,
    "lightweight-gan": write_lightweight,
    "ada": lambda folder: write_ada(folder / "network.pkl", example("conditional")),
    "flax": lambda folder: write_flax(folder / "network.pkl", example("conditional")),
    "tensorflow": lambda folder: write_tensorflow(folder / "network.pkl", example("unconditional")),
    "rosinality": write_rosinality,
    "stylegan2-pytorch": write_stylegan2_pytorch,
    "biggan": write_biggan,
    "dcgan": write_dcgan,
}
CATEGORY = {"ada": "1", "flax": "1", "biggan": "pineapple"}  # one of those that a family has


def write_family(name: str, folder: Path) -> Path:
    """MODEL of this family in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[name](folder)
