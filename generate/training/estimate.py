"""Count the parameters and memory of a training run on torch's meta device, without running it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generate.model.networks import NetworkOptions, build_discriminator, build_generator
from generate.model.r3gan import build_r3gan
from generate.training.choices import TrainOptions

ADAM_COPIES = 4  # per weight: itself, its gradient and Adam's two moments


@dataclass(frozen=True)
class Estimate:
    """Parameters of both networks, bytes that stay allocated, and bytes that one batch of a generator step adds."""

    generator: int
    discriminator: int
    weights_bytes: int
    data_bytes: int
    batch_bytes: int

    @property
    def total_bytes(self) -> int:
        """Return a lower bound: it excludes kernel workspaces and the penalty's second derivative."""
        return self.weights_bytes + self.data_bytes + self.batch_bytes


def estimate(network: NetworkOptions, options: TrainOptions, pictures: int) -> Estimate:
    """Count the weights and the tensors that autograd saves for one batch."""
    r3gan, batch_size = options.discriminator == "r3gan", options.batch_size
    with torch.device("meta"):
        generator = build_generator(network)
        discriminator = build_r3gan(network, options.width) if r3gan else build_discriminator(network)
        held: list[Tensor] = []  # holding them keeps the ids of their storages unique

        def hold(tensor: Tensor) -> Tensor:
            held.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            latents = torch.randn(batch_size, network.latent_dim)
            labels = torch.zeros(batch_size, dtype=torch.long) if network.categories else None
            logits = discriminator(generator(latents, labels), categories=labels)
        del logits
    kept = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in held}
    own = {p.untyped_storage()._cdata for net in (generator, discriminator) for p in net.parameters()}
    activations = sum(size for storage, size in kept.items() if storage not in own)
    count_g, count_d = _count(generator), _count(discriminator)
    return Estimate(
        generator=count_g,
        discriminator=count_d,
        weights_bytes=4 * (ADAM_COPIES * (count_g + count_d) + count_g),  # the EMA is one more generator
        data_bytes=pictures * network.channels * network.size**2,
        batch_bytes=activations // 2 if options.precision == "bf16" else activations,
    )


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
