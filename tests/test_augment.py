"""augment: pictures are moved and mirrored, never changed otherwise, and gradients flow back."""

from __future__ import annotations

import torch

from generate.augment import augment, translate


def test_translate_moves_down_and_right_and_fills_with_zeros():
    picture = torch.arange(1.0, 10).reshape(1, 1, 3, 3)

    moved = translate(picture, torch.tensor([[1, -1]]))

    assert moved[0, 0].tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]


def test_probability_zero_changes_nothing_and_one_changes_nearly_all():
    pictures = torch.rand(64, 3, 32, 32)

    assert torch.equal(augment(pictures, 0.0), pictures)
    changed = (augment(pictures, 1.0) != pictures).flatten(1).any(dim=1)
    assert changed.sum() > 55


def test_gradient_is_one_where_a_pixel_is_still_seen():
    torch.manual_seed(0)
    pictures = torch.rand(4, 3, 16, 16, requires_grad=True)

    augment(pictures, 1.0).sum().backward()

    assert set(pictures.grad.unique().tolist()) <= {0.0, 1.0}
    assert pictures.grad.mean() > 0.7
