"""Distributed training: `torchrun --nproc-per-node N -m generate train ...`.

Every rank draws the same random numbers for the whole batch and computes its own rows. So, up to rounding, results don't
depend on the number of ranks, and a snapshot can be resumed with any number of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@contextmanager
def together(device: torch.device) -> Iterator[torch.device]:
    """Join the process group if torchrun started this process; yields this rank's device."""
    if "WORLD_SIZE" not in os.environ:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """The rank of this process. Rank 0 prints and writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """The number of ranks."""
    return dist.get_world_size() if dist.is_initialized() else 1


def own_rows(whole: Tensor) -> Tensor:
    """This rank's rows of a whole batch: (N, ...) -> (N / world, ...)."""
    return whole if world() == 1 else whole.chunk(world())[rank()]


def mean_over_ranks(values: Tensor) -> Tensor:
    """The mean over all ranks, in place; not differentiable."""
    if world() > 1:
        dist.all_reduce(values)
        values /= world()
    return values


def anyone(wishes: bool, device: torch.device) -> bool:
    """True if any rank's flag is set, on every rank."""
    return bool(mean_over_ranks(torch.tensor(float(wishes), device=device))) if world() > 1 else wishes


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the ranks, in one all-reduce after the backward passes.

    DistributedDataParallel reduces during backward; it supports neither the second derivatives of a gradient penalty nor
    several forward passes per backward pass.
    """
    if world() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = mean_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


class _SumOverRanks(torch.autograd.Function):
    """Differentiable sum over all ranks; the gradient is also summed over all ranks."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the rows of all ranks. torch's SyncBatchNorm supports GPUs only."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            values = x.float()
            mean = _SumOverRanks.apply(values.mean(dim=(0, 2, 3))) / world()
            centred = values - mean[:, None, None]  # two passes, because E[x^2] - E[x]^2 can be negative by rounding
            variance = _SumOverRanks.apply(centred.square().mean(dim=(0, 2, 3))) / world()
            count = x.numel() / x.shape[1] * world()
            momentum = self.momentum or 0.0
            self.running_mean.lerp_(mean.detach(), momentum)  # type: ignore[union-attr]
            self.running_var.lerp_(variance.detach() * count / (count - 1), momentum)  # type: ignore[union-attr]
            scale = self.weight * (variance + self.eps).rsqrt()
            normal: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
            return normal.to(x.dtype)


def share_norms(network: nn.Module) -> nn.Module:
    """Replace every BatchNorm2d by SharedBatchNorm, keeping weights and names."""
    if world() > 1:
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if type(child) is nn.BatchNorm2d:
                    shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                    shared.load_state_dict(child.state_dict())
                    setattr(parent, name, shared)
    return network
