"""lightweight-gan's own networks: importable without CUDA, with seeded noise and a fast local attention.

    from generate.model.networks import NetworkOptions, build_generator
    generator = build_generator(NetworkOptions(size=64))

The weights are those of the package (same names, same shapes), so its checkpoints can be exchanged.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.model.layers import Gate, Pointwise, TiledAttention


def _import_package() -> Any:
    """lightweight_gan asserts a CUDA GPU on import, though its networks run on anything."""
    is_available = torch.cuda.is_available
    torch.cuda.is_available = lambda: True
    try:
        return importlib.import_module("lightweight_gan.lightweight_gan")
    finally:
        torch.cuda.is_available = is_available


package = _import_package()
Network = TypeVar("Network", bound=nn.Module)

# Adam moves a weight by about the learning rate per step: without a gain, an embedding takes thousands of steps to weigh as
# much as the latent beside it. benchmarks/README.md, "Categories", compares gains of 1, 4 and 16.
EMBEDDING_GAIN = 4.0


@dataclass(frozen=True)
class NetworkOptions:
    """The options that determine the shapes of both networks. Defaults are those of the `lightweight_gan` command."""

    size: int  # pixels, a power of two
    latent_dim: int = 256
    fmap_max: int = 512
    fmap_inverse_coef: int = 12  # a layer of 2^n px has at most 2^(coef - n) maps
    attention: tuple[int, ...] = (32,)  # the resolutions that get an attention layer
    disc_output_size: int = 1
    channels: int = 3  # 1: grey, 4: with transparency
    categories: tuple[str, ...] = ()  # of a conditional model


def read_options(values: Mapping[str, Any]) -> NetworkOptions:
    """Read the options from their JSON. Raises ValueError for impossible ones, such as categories that can't name a folder."""
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    if unknown := sorted(given.keys() - NetworkOptions.__dataclass_fields__.keys()):
        raise ValueError(f"it has an option of another version, {unknown[0]!r}")
    options = NetworkOptions(**given)
    for name in options.categories:
        if not isinstance(name, str) or name.startswith(".") or set(name) & {"/", "\\", "\0"} or not name:
            raise ValueError(f"{name!r} is not a valid category name")
    if options.channels not in (1, 3, 4):
        raise ValueError(f"{options.channels} channels, not 1, 3 or 4")
    return options


class Generator(package.Generator):  # type: ignore[name-defined, misc]
    """The package's generator. With categories, it concatenates the category embedding to the latent.

    Embeddings start at zero, so that categories separate during training. Generators of few pictures that are conditional from
    the start collapse to one picture per category (Shahbazi et al., "Collapse by Conditioning", ICLR 2022).
    EMBEDDING_GAIN sets how fast the categories separate.
    """

    def __init__(self, options: NetworkOptions) -> None:
        conditional = bool(options.categories)
        super().__init__(
            image_size=options.size,
            latent_dim=options.latent_dim * (2 if conditional else 1),
            fmap_max=options.fmap_max,
            fmap_inverse_coef=options.fmap_inverse_coef,
            attn_res_layers=list(options.attention),
            greyscale=options.channels == 1,
            transparent=options.channels == 4,
        )
        self.latent_dim = options.latent_dim
        self.embed = nn.Embedding(len(options.categories), options.latent_dim) if conditional else None
        if self.embed is not None:
            nn.init.zeros_(self.embed.weight)

    def forward(self, latents: Tensor, categories: Tensor | None = None) -> Tensor:
        return self.from_joined(self.joined(latents, categories))

    def from_joined(self, joined: Tensor) -> Tensor:
        """Pictures from the result of `joined`, or from an interpolation of two such results."""
        pictures: Tensor = super().forward(joined)
        return pictures

    def first_map(self, latents: Tensor, categories: Tensor | None = None) -> Tensor:
        """The first feature map, the intermediate latent: (N, C, 4, 4), of unit length at every position."""
        return F.normalize(self.initial_conv(self.joined(latents, categories)[:, :, None, None]), dim=1)

    def embedded(self, categories: Tensor | None) -> Tensor:
        """The category embeddings: (N, latent_dim)."""
        assert self.embed is not None
        added: Tensor = EMBEDDING_GAIN * self.embed(categories)
        return added

    def joined(self, latents: Tensor, categories: Tensor | None) -> Tensor:
        """The input of the first convolution: (N, latent_dim), or (N, 2 latent_dim) with categories."""
        return latents if self.embed is None else torch.cat((latents, self.embedded(categories)), dim=1)


class Discriminator(package.Discriminator):  # type: ignore[name-defined, misc]
    """The package's discriminator. With categories, it adds the dot product of its last map and their embedding to the logits.

    Miyato & Koyama, "cGANs with Projection Discriminator", ICLR 2018, figure 2. The output at 32 px is unconditional.
    """

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__(
            image_size=options.size,
            fmap_max=options.fmap_max,
            fmap_inverse_coef=options.fmap_inverse_coef,
            attn_res_layers=list(options.attention),
            disc_output_size=options.disc_output_size,
            greyscale=options.channels == 1,
            transparent=options.channels == 4,
        )
        width = self.to_logits[0 if options.disc_output_size == 5 else 1].in_channels
        self.embed = nn.Embedding(len(options.categories), width) if options.categories else None
        if self.embed is not None:
            nn.init.zeros_(self.embed.weight)

    def forward(
        self, pictures: Tensor, calc_aux_loss: bool = False, categories: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        if self.embed is None:
            logits, logits_32, reconstruction = super().forward(pictures, calc_aux_loss)
            return logits, logits_32, reconstruction
        embedding, last = self.embed(categories), []
        handle = self.to_logits.register_forward_pre_hook(lambda _, inputs: last.append(inputs[0]))
        try:
            logits, logits_32, reconstruction = super().forward(pictures, calc_aux_loss)
        finally:
            handle.remove()
        agreement = (last[0].mean(dim=(2, 3)) * embedding).sum(dim=1, keepdim=True)  # (N, 1)
        return logits + agreement, logits_32, reconstruction


def build_generator(options: NetworkOptions) -> Generator:
    """(N, latent_dim) latents -> (N, channels, size, size), nominally 0..1 (not clamped), with fresh weights.

    With categories it takes their numbers (N,) as well.
    """
    return _finish(Generator(options))


def build_discriminator(options: NetworkOptions) -> Discriminator:
    """(N, channels, size, size) -> logits, logits of the picture at 32 px, and the reconstruction loss if asked for.

    With categories it takes their numbers (N,) as well.
    """
    discriminator = _finish(Discriminator(options))
    for parent, name, child in _layers(discriminator):
        if type(child) is nn.Conv2d and child.kernel_size == (1, 1):  # the package has none with a stride
            setattr(parent, name, Pointwise.like(child))
    return discriminator


def _finish(network: Network) -> Network:
    """Fresh weights, and our layers in place of the package's. Its Trainer leaves out Blur, so we do too."""
    network.apply(_init_weights)
    for parent, name, child in _layers(network):
        if isinstance(child, nn.GLU):
            setattr(parent, name, Gate())
        elif isinstance(child, package.LinearAttention):
            setattr(parent, name, TiledAttention(child))
        elif isinstance(child, package.Blur):
            setattr(parent, name, nn.Identity())
    return network.to(memory_format=torch.channels_last)


def _layers(network: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Every layer with its parent and its name there."""
    return [(parent, name, child) for parent in network.modules() for name, child in parent.named_children()]


def _init_weights(module: nn.Module) -> None:
    """As the package: He initialization of plain convolutions (the transposed one keeps torch's default)."""
    if type(module) in (nn.Conv2d, nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=0, mode="fan_in", nonlinearity="leaky_relu")  # type: ignore[arg-type]
