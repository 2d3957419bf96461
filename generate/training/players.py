"""Build the two networks of a run and their optimizers; draw batches of pictures."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from generate.model.networks import NetworkOptions, build_discriminator, build_generator
from generate.model.noise import share_noise
from generate.model.r3gan import build_r3gan
from generate.ranks import own_rows, share_norms
from generate.training.augment import augment
from generate.training.choices import TrainOptions
from generate.training.vision_aided import FeatureDiscriminator

NEARBY = 0.1  # standard deviation around a given latent, so that its neighbourhood is trained


@dataclass
class Players:
    """The two networks, the options they are trained with, the probability of augmentation, and perhaps a second discriminator."""

    generator: nn.Module
    discriminator: nn.Module
    options: TrainOptions
    device: torch.device
    labels: Tensor | None  # of the real pictures; those of generated pictures are drawn from them
    probability: float
    critic: FeatureDiscriminator | None = None

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16")

    def draw(self, categories: Tensor | None = None, near: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Draw a batch of generated pictures; return them and their categories, by default as frequent as in the real ones.

        If latents `near` (N, latent_dim) are given, every second picture is drawn near its own.
        """
        batch = self.options.batch_size
        if categories is None and self.labels is not None:
            categories = own_rows(self.labels[torch.randint(len(self.labels), (batch,))]).to(self.device)
        latents = own_rows(torch.randn(batch, self.options.latent_dim)).to(self.device)
        if near is not None:
            latents[::2] = near[::2].to(self.device) + NEARBY * latents[::2]
        return self.generator(latents, categories), categories

    def augmented(self, pictures: Tensor) -> Tensor:
        return augment(pictures, self.probability, self.options.augment)


def build(options: TrainOptions, network: NetworkOptions, where: torch.device) -> dict[str, Any]:
    """Build fresh networks and optimizers, by their names in a snapshot."""
    generator, ema = build_generator(network), build_generator(network)
    r3gan = options.discriminator == "r3gan"
    discriminator = build_r3gan(network, options.width) if r3gan else build_discriminator(network)
    ema.load_state_dict(generator.state_dict())
    ema.eval().requires_grad_(False)
    share_norms(generator)
    share_norms(discriminator)
    share_noise(generator)
    for module in (generator, discriminator, ema):
        module.to(where)
    generator.train()
    discriminator.train()
    if options.compile:
        generator.compile()
        if not r3gan:  # its penalty needs second derivatives, which torch.compile doesn't support
            discriminator.compile()
    parts: dict[str, Any] = {"generator": generator, "discriminator": discriminator, "ema": ema}
    trained: dict[str, nn.Module] = {"optimizer_g": generator, "optimizer_d": discriminator}
    if r3gan:
        parts["critic"] = trained["optimizer_c"] = FeatureDiscriminator(len(network.categories), where).to(where)
    betas, fused = (0.0, 0.99) if r3gan else (0.5, 0.9), where.type != "mps"
    for name, its in trained.items():
        parts[name] = torch.optim.Adam(its.parameters(), options.learning_rate, betas, fused=fused)
        for group in parts[name].param_groups:
            group["initial_lr"] = options.learning_rate
    return parts
