"""ranks: what several processes compute together; the run of two processes is in test_train.py."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn

from generate.ranks import SharedBatchNorm


@pytest.fixture
def one_process(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (10.0, 0.001), (-30.0, 0.01)])
def test_shared_batch_norm_is_batch_norm(one_process, mean, deviation):
    """Also where E[x^2] - E[x]^2 would be rounded to less than zero."""
    torch.manual_seed(0)
    ours, theirs = SharedBatchNorm(3), nn.BatchNorm2d(3)
    x = (mean + deviation * torch.randn(4, 3, 8, 8)).requires_grad_()

    found, expected = ours(x), theirs(x)

    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    slopes = [torch.autograd.grad(y.pow(3).sum(), x)[0] * deviation for y in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-2, atol=1e-2)
