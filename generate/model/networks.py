"""lightweight-gan's own networks: importable without CUDA, with seeded noise and a fast local attention.

    from generate.model.networks import NetworkOptions, build_generator
    generator = build_generator(NetworkOptions(size=64))

The weights are those of the package (same names, same shapes), so its checkpoints can be exchanged.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.ranks import own_rows, world


def _import_package() -> Any:
    """lightweight_gan asserts a CUDA GPU on import, though its networks run on anything."""
    with mock.patch.object(torch.cuda, "is_available", return_value=True):
        return importlib.import_module("lightweight_gan.lightweight_gan")


package = _import_package()
Network = TypeVar("Network", bound=nn.Module)

# Adam moves a weight by about the learning rate a step, so that without a gain an embedding takes thousands of steps to
# weigh as much as the latent beside it. With 1, 4 and 16 on 36 pictures in three colours (tests/test_conditional.py): 1
# drew no colour as asked after 200 steps; 4 drew 53 % as asked after 300, 88 % after 400 and all after 500; 16 drew one
# picture for all after 300.
EMBEDDING_GAIN = 4.0


@dataclass(frozen=True)
class NetworkOptions:
    """What fixes the shapes of both networks. Defaults are those of the `lightweight_gan` command."""

    size: int  # pixels, a power of two
    latent_dim: int = 256
    fmap_max: int = 512
    attention: tuple[int, ...] = (32,)  # the resolutions that get an attention layer
    disc_output_size: int = 1
    channels: int = 3  # 1: grey, 4: with transparency
    categories: tuple[str, ...] = ()  # what one model draws; none where it isn't told


def read_options(values: Mapping[str, Any]) -> NetworkOptions:
    """As written to JSON. Raises ValueError for what could not have been written, as categories that would not do as folders."""
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    options = NetworkOptions(**given)
    for name in options.categories:
        if not isinstance(name, str) or name.startswith(".") or set(name) & {"/", "\\", "\0"} or not name:
            raise ValueError(f"{name!r} is no name of a category")
    if options.channels not in (1, 3, 4):
        raise ValueError(f"{options.channels} channels, not 1, 3 or 4")
    return options


class Generator(package.Generator):  # type: ignore[name-defined, misc]
    """The package's; told categories, it joins an embedding of each, as wide as the latent, to the latent.

    The embeddings begin at zero and the discriminators' alike, so that categories part as training goes on: told of
    them from the start, generators of few pictures learn one picture for each (Shahbazi et al., "Collapse by
    Conditioning", ICLR 2022). How fast they part, EMBEDDING_GAIN says.
    """

    def __init__(self, options: NetworkOptions) -> None:
        told = bool(options.categories)
        super().__init__(
            image_size=options.size,
            latent_dim=options.latent_dim * (2 if told else 1),
            fmap_max=options.fmap_max,
            attn_res_layers=list(options.attention),
            greyscale=options.channels == 1,
            transparent=options.channels == 4,
        )
        self.latent_dim = options.latent_dim
        self.embed = nn.Embedding(len(options.categories), options.latent_dim) if told else None
        if self.embed is not None:
            nn.init.zeros_(self.embed.weight)

    def forward(self, latents: Tensor, categories: Tensor | None = None) -> Tensor:
        return self.from_joined(self.joined(latents, categories))

    def from_joined(self, joined: Tensor) -> Tensor:
        """The pictures of what `joined` gives, or of something between two of these."""
        pictures: Tensor = super().forward(joined)
        return pictures

    def first_map(self, latents: Tensor, categories: Tensor | None = None) -> Tensor:
        """What a latent becomes first, its intermediate latent: (N, C, 4, 4), of unit length at every position."""
        return F.normalize(self.initial_conv(self.joined(latents, categories)[:, :, None, None]), dim=1)

    def embedded(self, categories: Tensor | None) -> Tensor:
        """What a category adds to the latent: (N, latent_dim)."""
        assert self.embed is not None
        added: Tensor = EMBEDDING_GAIN * self.embed(categories)
        return added

    def joined(self, latents: Tensor, categories: Tensor | None) -> Tensor:
        """What goes into the first convolution: (N, latent_dim), or twice as wide."""
        return latents if self.embed is None else torch.cat((latents, self.embedded(categories)), dim=1)


class Discriminator(package.Discriminator):  # type: ignore[name-defined, misc]
    """The package's; told categories, it adds to its logits the dot product of its last map with theirs.

    Miyato & Koyama, "cGANs with Projection Discriminator", ICLR 2018, figure 2. The output at 32 px is not told.
    """

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__(
            image_size=options.size,
            fmap_max=options.fmap_max,
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
        told, last = self.embed(categories), []
        handle = self.to_logits.register_forward_pre_hook(lambda _, inputs: last.append(inputs[0]))
        logits, logits_32, reconstruction = super().forward(pictures, calc_aux_loss)
        handle.remove()
        agreement = (last[0].mean(dim=(2, 3)) * told).sum(dim=1, keepdim=True)  # (N, 1)
        return logits + agreement, logits_32, reconstruction


class TiledAttention(package.LinearAttention):  # type: ignore[name-defined, misc]
    """The package's attention with its 3x3 part as masked matrix products over 8x8 tiles.

    The package copies every key and value nine times (`unfold`), which is most of what its
    discriminator costs. Here a tile of queries meets the tile of keys around it in one product and a
    mask keeps the 3x3 neighbourhood: the same weights and result, in terms that matrix units like.
    Positions outside the picture take part in the softmax with a score of zero, as they do there.
    """

    tile = 8

    def forward(self, fmap: Tensor) -> Tensor:
        n, _, height, width = fmap.shape
        global_part = self.nonlin(self._attend_globally(fmap))
        local_part = self._attend_locally(fmap)
        both = torch.cat((global_part, local_part), dim=3).reshape(n, height, width, -1)
        out: Tensor = self.to_out(both.permute(0, 3, 1, 2))  # (N, C, H, W)
        return out

    def _attend_globally(self, fmap: Tensor) -> Tensor:
        """softmax(q) (softmax(k)^T v): linear in the number of positions (Efficient Attention, Shen et al., 2021)."""
        n, _, height, width = fmap.shape
        shape = (n, height * width, self.heads, self.dim_head)
        q, k, v = (
            x.permute(0, 2, 3, 1).reshape(shape) for x in (self.to_lin_q(fmap), *self.to_lin_kv(fmap).chunk(2, dim=1))
        )
        context = torch.einsum("nphd,nphe->nhde", k.softmax(dim=1), v)
        out = torch.einsum("nphd,nhde->nphe", q.softmax(dim=3) * self.scale, context)
        return out.reshape(n, height, width, -1)

    def _attend_locally(self, fmap: Tensor) -> Tensor:
        n, _, height, width = fmap.shape
        t = min(self.tile, height, width)
        rows, columns, dim = height // t, width // t, self.dim_head
        tiled = (n, rows, columns, -1, self.heads, dim)

        q = self.to_q(fmap).permute(0, 2, 3, 1).reshape(n, rows, t, columns, t, -1)
        q = q.transpose(2, 3).reshape(tiled).transpose(3, 4).reshape(-1, t * t, dim)

        kv = F.pad(self.to_kv(fmap), (1, 1, 1, 1)).permute(0, 2, 3, 1)  # (N, H+2, W+2, 2C)
        kv = kv.index_select(1, _with_border(rows, t, fmap.device))
        kv = kv.index_select(2, _with_border(columns, t, fmap.device))
        kv = kv.reshape(n, rows, t + 2, columns, t + 2, -1).transpose(2, 3)
        k, v = (x.reshape(tiled).transpose(3, 4).reshape(-1, (t + 2) ** 2, dim) for x in kv.chunk(2, dim=-1))

        outside = _neighbourhood(t, fmap.device).logical_not()
        bias = q.new_zeros(outside.shape).masked_fill_(outside, -torch.inf)
        scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=self.scale)
        out = scores.softmax(dim=-1).to(v.dtype) @ v  # (N * tiles * heads, t * t, dim)

        out = out.reshape(n, rows, columns, self.heads, t, t, dim)
        return out.permute(0, 1, 4, 2, 5, 3, 6).reshape(n, height, width, -1)


class Gate(nn.Module):
    """nn.GLU over channels, in a form whose gradient keeps channels_last: the batch norm before it
    is ten times as slow on a CPU when its input and its gradient lie differently in memory."""

    def forward(self, x: Tensor) -> Tensor:
        value, gate = x.chunk(2, dim=1)
        return value * gate.sigmoid()


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as the matrix product that it is, for what the gradient penalty differentiates twice: torch
    computes the second derivative of a convolution as one with kernels as large as the picture."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def _with_border(tiles: int, tile: int, device: torch.device) -> Tensor:
    """The rows of a padded map that each tile sees, one tile after the other: 0..t+1, t..2t+1, ..."""
    starts = torch.arange(tiles, device=device) * tile
    return (starts[:, None] + torch.arange(tile + 2, device=device)).flatten()


def _neighbourhood(tile: int, device: torch.device) -> Tensor:
    """Which keys of a tile with a border of one each of its queries sees: (t * t, (t + 2) ** 2), bool."""
    queries = torch.arange(tile, device=device)[:, None]
    keys = torch.arange(-1, tile + 1, device=device)[None, :]
    near = (queries - keys).abs() <= 1  # (t, t + 2)
    return (near[:, None, :, None] & near[None, :, None, :]).reshape(tile**2, (tile + 2) ** 2)


def build_generator(options: NetworkOptions) -> Generator:
    """(N, latent_dim) latents -> (N, channels, size, size), nominally 0..1 (not clamped), with fresh weights.

    With categories it takes their numbers (N,) as well.
    """
    with _as_its_trainer_builds():
        generator = Generator(options)
    return _finish(generator)


def build_discriminator(options: NetworkOptions) -> Discriminator:
    """(N, channels, size, size) -> logits, logits of the picture at 32 px, and the reconstruction loss if asked for.

    With categories it takes their numbers (N,) as well.
    """
    with _as_its_trainer_builds():
        discriminator = Discriminator(options)
    _finish(discriminator)
    for module in discriminator.modules():
        if type(module) is nn.Conv2d and module.kernel_size == (1, 1):
            module.__class__ = Pointwise  # with the weights it has; the package has none with a stride
    return discriminator


@contextmanager
def _as_its_trainer_builds() -> Iterator[None]:
    """The package's Trainer replaces its global Blur by Identity before building; so do we, or weights differ."""
    with mock.patch.multiple(package, Blur=nn.Identity, LinearAttention=TiledAttention):
        yield


def _finish(network: Network) -> Network:
    network.apply(_init_weights)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.GLU):
                setattr(parent, name, Gate())
    return network.to(memory_format=torch.channels_last)


def _init_weights(module: nn.Module) -> None:
    """As the package: He initialisation of plain convolutions (the transposed one keeps torch's default)."""
    if type(module) in (nn.Conv2d, nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=0, mode="fan_in", nonlinearity="leaky_relu")  # type: ignore[arg-type]


def draw_inputs(generator: nn.Module, seeds: Sequence[int], latent_dim: int) -> tuple[Tensor, list[Tensor]]:
    """Latents (N, latent_dim) and one noise tensor (N, 1, h, w) per noise layer, each row from its seed alone.

    Drawn on the CPU, so that a seed means the same picture on every device and in every batch.
    """
    resolutions = [2 ** (3 + i) for i in range(len(_noise_layers(generator)))]
    latents, noises = [], []
    for seed in seeds:
        source = torch.Generator().manual_seed(seed)
        latents.append(torch.randn(latent_dim, generator=source))
        noises.append([torch.randn(1, r, r, generator=source) for r in resolutions])
    return torch.stack(latents), [torch.stack(layer) for layer in zip(*noises, strict=True)]


@contextmanager
def fixed_noise(generator: nn.Module, noises: Sequence[Tensor]) -> Iterator[None]:
    """Within this context the generator's noise layers take these tensors instead of drawing fresh noise."""

    def use(noise: Tensor) -> Any:
        return lambda _, inputs: (inputs[0], noise)

    handles = [
        layer.register_forward_pre_hook(use(noise))
        for layer, noise in zip(_noise_layers(generator), noises, strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def share_noise(generator: nn.Module) -> None:
    """Let every rank draw the noise of the whole batch and use its own rows, as it does with all random numbers."""

    def draw(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = inputs[0]
        return x, own_rows(torch.randn(len(x) * world(), 1, *x.shape[2:], device=x.device))

    if world() > 1:
        for layer in _noise_layers(generator):
            layer.register_forward_pre_hook(draw)


def _noise_layers(generator: nn.Module) -> list[nn.Module]:
    return [module for module in generator.modules() if isinstance(module, package.Noise)]
