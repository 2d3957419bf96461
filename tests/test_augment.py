"""augment: pictures are moved and mirrored, never changed otherwise, and gradients flow back."""

from __future__ import annotations

import pytest
import torch

from generate.training.augment import KINDS, adapt, augment, colour, cutout, flip, translate


def test_translate_moves_down_and_right_and_fills_with_zeros():
    picture = torch.arange(1.0, 10).reshape(1, 1, 3, 3)

    moved = translate(picture, torch.tensor([[1, -1]]))

    assert moved[0, 0].tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]


@pytest.mark.parametrize("kinds", [[kind] for kind in KINDS] + [list(KINDS)], ids="+".join)
def test_probability_zero_changes_nothing_and_one_changes_many(kinds):
    torch.manual_seed(0)
    pictures = torch.rand(64, 3, 32, 32)

    assert torch.equal(augment(pictures, 0.0, kinds), pictures)
    changed = (augment(pictures, 1.0, kinds) != pictures).flatten(1).any(dim=1)
    assert changed.sum() > (20 if kinds == ["flip"] else 55)


def test_only_the_chosen_are_changed():
    pictures, chosen = torch.rand(32, 3, 16, 16), torch.arange(32) % 2 == 0

    for change in KINDS.values():
        assert torch.equal(change(pictures, chosen)[1::2], pictures[1::2])


def test_flip_mirrors():
    torch.manual_seed(0)
    pictures = torch.rand(16, 3, 8, 8)

    flipped = flip(pictures, torch.ones(16, dtype=torch.bool))

    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(flipped, pictures, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(flipped, pictures, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 0 < sum(mirrored) < 16


def test_cutout_blackens_at_most_a_quarter():
    torch.manual_seed(0)
    black = cutout(torch.ones(64, 3, 16, 16), torch.ones(64, dtype=torch.bool)) == 0

    shares = black.flatten(1).float().mean(dim=1)
    assert shares.max() <= 0.25
    assert shares.min() >= 0.25 / 4  # the centre is in the picture


def test_colour_keeps_the_order_of_grey_levels():
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 16).expand(8, 3, 16, 16)

    changed = colour(ramp, torch.ones(8, dtype=torch.bool))

    assert (changed.diff(dim=3) > 0).all()
    assert changed.mean(dim=(1, 2, 3)).std() > 0.05


def test_gradient_is_one_where_a_pixel_is_still_seen():
    torch.manual_seed(0)
    pictures = torch.rand(4, 3, 16, 16, requires_grad=True)

    augment(pictures, 1.0).sum().backward()

    assert set(pictures.grad.unique().tolist()) <= {0.0, 1.0}
    assert pictures.grad.mean() > 0.7


def test_adaptation_goes_from_never_to_always_in_its_time_and_no_further():
    probability = 0.0
    for _ in range(600):
        probability = adapt(probability, r_t=0.9, pictures=1000)
    assert probability == 1.0

    assert adapt(1.0, r_t=0.1, pictures=50_000) == pytest.approx(0.9)
    assert adapt(0.0, r_t=0.1, pictures=1000) == 0.0
