"""Count the parameters and memory of a training run on torch's meta device, without running it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from generate.model.networks import NetworkOptions, build_discriminator, build_generator
from generate.model.r3gan import build_r3gan
from generate.training.choices import TrainOptions
from generate.training.vision_aided import FeatureDiscriminator

ADAM_COPIES = 4  # per weight: itself, its gradient and Adam's two moments


@dataclass(frozen=True)
class Estimate:
    """Parameters of both networks, bytes that stay allocated, and bytes that one batch of a step adds."""

    generator: int
    discriminator: int
    weights_bytes: int
    data_bytes: int
    batch_bytes: int

    @property
    def total_bytes(self) -> int:
        """Return a lower bound: it excludes torch itself, kernel workspaces and the penalties' second derivatives."""
        return self.weights_bytes + self.data_bytes + self.batch_bytes


def estimate(network: NetworkOptions, options: TrainOptions, pictures: int) -> Estimate:
    """Count the weights and the tensors that autograd saves for one batch.

    The generator's are held while first the discriminator's and then the feature discriminator's are.
    """
    r3gan, batch_size = options.discriminator == "r3gan", options.batch_size
    aided = r3gan and options.vision_kimg < options.kimg
    with torch.device("meta"):
        generator = build_generator(network)
        discriminator = build_r3gan(network, options.width) if r3gan else build_discriminator(network)
        critic = FeatureDiscriminator(len(network.categories), torch.device("meta")) if aided else None
        latents = torch.randn(batch_size, network.latent_dim)
        labels = torch.zeros(batch_size, dtype=torch.long) if network.categories else None
        real, drawn = torch.empty(2, batch_size, network.channels, network.size, network.size, requires_grad=True)
        for_generator = _saved_bytes([generator], lambda: generator(latents, labels))
        passes = (real, drawn) if r3gan else (drawn,)
        for_judges = [_saved_bytes([discriminator], lambda: [discriminator(x, categories=labels) for x in passes])]
        if critic:
            for_judges.append(_saved_bytes([critic, critic.frozen[0]], lambda: critic(critic.maps(drawn), labels)))
    count_g, count_d, count_c = (_count(network) if network else 0 for network in (generator, discriminator, critic))
    weights = ADAM_COPIES * (count_g + count_d + count_c) + count_g  # the EMA is one more generator
    if critic:
        weights += sum(parameter.numel() for parameter in critic.frozen[0].parameters())
    activations = for_generator + max(for_judges)
    return Estimate(
        generator=count_g,
        discriminator=count_d,
        weights_bytes=4 * weights,
        data_bytes=pictures * network.channels * network.size**2,
        batch_bytes=activations // 2 if options.precision == "bf16" else activations,
    )


def _saved_bytes(networks: list[nn.Module], forward: Callable[[], Any]) -> int:
    """Bytes of what autograd saves during a forward pass, the networks' weights not counted."""
    held: list[Tensor] = []  # holding them keeps the ids of their storages unique

    def hold(tensor: Tensor) -> Tensor:
        held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        result = forward()
    del result
    kept = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in held}
    own = {p.untyped_storage()._cdata for network in networks for p in network.parameters()}
    return sum(size for storage, size in kept.items() if storage not in own)


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
