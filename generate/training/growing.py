"""Grow a trained pair of networks to pictures of twice the size.

    grow_generator(old_generator_weights, generator)
    grow_discriminator(old_discriminator_weights, discriminator)

Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation", ICLR 2018, fade new layers in.
Here the discriminator's new block starts as 2x2 mean pooling followed by the old first layer. The grown discriminator thus
gives the same logits as the old one on the picture at half the size, and the generator's new last layer trains against
a discriminator that is already trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from generate.model.r3gan import SLOPE, Block, R3Discriminator

Weights = Mapping[str, Tensor]


@torch.no_grad()
def grow_generator(weights: Weights, generator: nn.Module) -> None:
    """Copy the weights of all shared layers to a fresh generator of twice the size; its last layers stay fresh."""
    fresh = generator.state_dict()
    shared = {name: weight for name, weight in weights.items() if name in fresh and fresh[name].shape == weight.shape}
    generator.load_state_dict(fresh | shared)


@torch.no_grad()
def grow_discriminator(weights: Weights, discriminator: R3Discriminator) -> None:
    """Make a fresh discriminator of twice the size and half the width give the old one's logits at half the size."""
    kept = {_one_deeper(name): weight for name, weight in weights.items() if not name.startswith("from_colours.")}
    discriminator.load_state_dict(discriminator.state_dict() | kept)
    kernel, bias = weights["from_colours.weight"], weights["from_colours.bias"]  # (D, C, 3, 3), (D,)
    colours = kernel.shape[1]
    block = cast(Block, discriminator.blocks[0])
    sign = torch.cat((torch.eye(colours), -torch.eye(colours)))  # (2C, C)

    # each colour and its negative: LeakyReLU(x) - LeakyReLU(-x) = (1 + slope) x recovers the colour
    first = discriminator.from_colours
    first.weight[: 2 * colours] = 0
    first.weight[: 2 * colours, :, 1, 1] = sign.to(first.weight)
    both = (sign @ sign.T).to(first.weight) / (1 + SLOPE)  # (2C, 2C)
    block.halve.weight[: 2 * colours] = 0  # with stride 2, the four middle taps of 4x4 average 2x2 pixels
    block.halve.weight[: 2 * colours, : 2 * colours, 1:3, 1:3] = both[:, :, None, None] / 4
    block.refine.weight.zero_()
    block.refine.weight[:, : 2 * colours] = torch.cat((kernel, -kernel), dim=1) / (1 + SLOPE)
    assert block.refine.bias is not None
    block.refine.bias.copy_(bias)
    block.skip.weight.zero_()


def _one_deeper(name: str) -> str:
    """Rename a layer of the old discriminator for the new one, which has one more block in front."""
    layers, _, rest = name.partition(".")
    if layers != "blocks":
        return name
    number, _, layer = rest.partition(".")
    return f"blocks.{int(number) + 1}.{layer}"
