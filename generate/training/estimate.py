"""What a training run will take, without running it: parameters, and memory counted on torch's meta device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generate.model.networks import NetworkOptions, build_discriminator, build_generator
from generate.model.projected import build_projected
from generate.training.losses import generator_loss

ADAM_COPIES = 4  # of each weight in training: itself, its gradient and Adam's two moments


@dataclass(frozen=True)
class Estimate:
    """Parameters of both networks, and bytes: what stays, and what one batch of the generator's step adds."""

    generator: int
    discriminator: int
    weights_bytes: int
    data_bytes: int
    batch_bytes: int

    @property
    def total_bytes(self) -> int:
        """At the least; kernels' workspaces and the penalty's second derivative come on top."""
        return self.weights_bytes + self.data_bytes + self.batch_bytes


def estimate(network: NetworkOptions, projected: bool, pictures: int, batch_size: int, bf16: bool) -> Estimate:
    """Count the networks' weights and all that autograd would keep of one batch."""
    frozen = build_projected(len(network.categories)).to("meta") if projected else None
    with torch.device("meta"):
        generator, discriminator = build_generator(network), frozen or build_discriminator(network)
        held: list[Tensor] = []  # as long as they are held, their storages' identities are their own

        def hold(tensor: Tensor) -> Tensor:
            held.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            latents = torch.randn(batch_size, network.latent_dim)
            told = torch.zeros(batch_size, dtype=torch.long) if network.categories else None
            *on_fake, _ = discriminator(generator(latents, told), categories=told)
            loss = generator_loss(on_fake)
        del loss
    kept = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in held}
    own = {p.untyped_storage()._cdata for net in (generator, discriminator) for p in net.parameters()}
    activations = sum(size for storage, size in kept.items() if storage not in own)
    count_g, count_d = _count(generator), _count(discriminator)
    return Estimate(
        generator=count_g,
        discriminator=count_d,
        weights_bytes=4 * (ADAM_COPIES * (count_g + count_d) + count_g),  # the average is one more generator
        data_bytes=pictures * network.channels * network.size**2,
        batch_bytes=activations // 2 if bf16 else activations,
    )


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
