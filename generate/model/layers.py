"""Faster replacements for layers of lightweight-gan, with the same weights and results."""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TiledAttention(nn.Module):
    """The package's attention, with its 3x3 local part computed as masked matrix products over 8x8 tiles.

    The package copies every key and value nine times (`unfold`), which dominates the cost of its discriminator. Here a tile
    of queries is multiplied with the keys of the tile and its border, and a mask keeps each query's 3x3 neighbourhood.
    Positions outside the picture take part in the softmax with a score of zero, as in the package.
    """

    tile = 8
    nonlin: nn.Module
    to_lin_q: nn.Module
    to_lin_kv: nn.Module
    to_q: nn.Module
    to_kv: nn.Module
    to_out: nn.Module

    def __init__(self, theirs: nn.Module) -> None:
        super().__init__()
        for name, layer in theirs.named_children():  # under the same names, so that checkpoints fit
            self.add_module(name, layer)
        self.heads: int = theirs.heads  # type: ignore[assignment]
        self.dim_head: int = theirs.dim_head  # type: ignore[assignment]
        self.scale: float = theirs.scale  # type: ignore[assignment]

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
    """nn.GLU over channels with a gradient in channels_last: on a CPU, batch norm is slow when its input and its gradient
    have different memory formats."""

    def forward(self, x: Tensor) -> Tensor:
        value, gate = x.chunk(2, dim=1)
        return value * gate.sigmoid()


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as a matrix product, for the gradient penalty: torch computes the second derivative of a convolution
    as a convolution with kernels as large as the picture."""

    @classmethod
    def like(cls, convolution: nn.Conv2d) -> Self:
        """Return one that shares the weights of a 1x1 convolution of stride 1."""
        made = cls(convolution.in_channels, convolution.out_channels, 1, bias=convolution.bias is not None)
        made.weight, made.bias = convolution.weight, convolution.bias
        return made

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def _with_border(tiles: int, tile: int, device: torch.device) -> Tensor:
    """Return the rows of a padded map that each tile and its border cover: 0..t+1, t..2t+1, ..."""
    starts = torch.arange(tiles, device=device) * tile
    return (starts[:, None] + torch.arange(tile + 2, device=device)).flatten()


def _neighbourhood(tile: int, device: torch.device) -> Tensor:
    """Return which keys (tile and border) lie in each query's neighbourhood: (t * t, (t + 2) ** 2), bool."""
    queries = torch.arange(tile, device=device)[:, None]
    keys = torch.arange(-1, tile + 1, device=device)[None, :]
    near = (queries - keys).abs() <= 1  # (t, t + 2)
    return (near[:, None, :, None] & near[None, :, None, :]).reshape(tile**2, (tile + 2) ** 2)
