"""projected: frozen features, fixed projections, and four heads that can be told a category."""

from __future__ import annotations

import copy

import torch

from generate.model.projected import Mixing, build_projected, clamp_to_colours
from generate.training.losses import discriminator_loss


def test_only_the_heads_are_trained():
    discriminator = build_projected().train()
    before = copy.deepcopy(discriminator.state_dict())
    optimizer = torch.optim.Adam([p for p in discriminator.parameters() if p.requires_grad], 0.01)

    *on_real, _ = discriminator(torch.rand(2, 3, 32, 32))
    *on_fake, _ = discriminator(torch.rand(2, 3, 32, 32))
    discriminator_loss(on_real, on_fake).backward()
    optimizer.step()

    changed = {n for n, v in discriminator.state_dict().items() if not torch.equal(v, before[n])}
    assert {name.split(".")[0] for name in changed} == {"heads"}
    assert any(name.endswith("original") for name in changed)


def test_every_scale_judges_with_as_many_logits():
    logits, nothing = build_projected()(torch.rand(2, 3, 64, 64))

    assert logits.shape == (2, 4 * 4**2)  # four heads of 4x4 logits, whatever the pictures' size
    assert nothing == 0


def test_a_large_picture_is_seen_at_its_own_size():
    logits, _ = build_projected()(torch.rand(1, 3, 256, 256))

    assert logits.shape == (1, 4 * 5**2)


def test_a_deep_map_reaches_the_shallow_mixture_and_not_the_other_way_round():
    mixing = Mixing()
    pyramid = [torch.randn(1, c, s, s) for c, s in zip((24, 40, 112, 320), (16, 8, 4, 2), strict=True)]
    before = mixing(pyramid)

    deep = mixing([*pyramid[:3], pyramid[3] + 1])
    shallow = mixing([pyramid[0] + 1, *pyramid[1:]])

    deep_changed = [not torch.equal(a, b) for a, b in zip(before, deep, strict=True)]
    shallow_changed = [not torch.equal(a, b) for a, b in zip(before, shallow, strict=True)]
    assert deep_changed == [True, True, True, True]
    assert shallow_changed == [True, False, False, False]
    assert [m.shape[1:] for m in before] == [(64, 32, 32), (64, 16, 16), (128, 8, 8), (256, 4, 4)]


def test_categories_begin_alike_and_part():
    discriminator = build_projected(categories=3).eval()
    pictures = torch.rand(1, 3, 32, 32).expand(2, -1, -1, -1)

    alike, _ = discriminator(pictures, categories=torch.tensor([0, 1]))
    (alike[0] - alike[1] + alike[0]).sum().backward()

    torch.testing.assert_close(alike[0], alike[1])
    told = discriminator.heads[0].embed[0].weight.grad
    assert not torch.allclose(told[0], told[1])
    assert not told[2].any()


def test_logits_depend_on_the_category_and_on_the_picture():
    discriminator = build_projected(categories=3).eval()
    for head in discriminator.heads:
        torch.nn.init.normal_(head.embed[0].weight)
    pictures = torch.rand(1, 3, 32, 32).expand(3, -1, -1, -1)

    told, _ = discriminator(pictures, categories=torch.tensor([0, 1, 1]))
    other, _ = discriminator(pictures.flip(2), categories=torch.tensor([0, 1, 1]))

    assert not torch.allclose(told[0], told[1])
    torch.testing.assert_close(told[1], told[2])
    assert not torch.allclose(told, other)


def test_gradient_reaches_the_picture():
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)

    build_projected().eval()(picture)[0].sum().backward()

    assert picture.grad.abs().min() > 0


def test_clamped_values_may_only_be_led_back():
    pixels = torch.tensor([-0.5, -0.5, 0.5, 1.5, 1.5], requires_grad=True)

    clamped = clamp_to_colours(pixels)
    clamped.backward(torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0]))  # descent goes against it

    assert clamped.tolist() == [0, 0, 0.5, 1, 1]
    assert pixels.grad.tolist() == [0, -1, 1, 1, 0]
