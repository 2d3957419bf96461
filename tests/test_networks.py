"""networks: the package's weights and results, in forms that are faster and can be seeded."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from generate.model.layers import Gate, Pointwise, TiledAttention
from generate.model.networks import NetworkOptions, build_discriminator, build_generator, package
from generate.model.noise import draw_inputs, fixed_noise

OPTIONS = NetworkOptions(size=64, latent_dim=16, fmap_max=16, attention=(16,))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 16), (8, 8), (4, 4), (16, 32)])
def test_tiled_attention_is_the_packages(height, width):
    torch.manual_seed(0)
    theirs = package.LinearAttention(6, dim_head=8, heads=2).double()
    ours = TiledAttention(package.LinearAttention(6, dim_head=8, heads=2)).double()
    assert_same(ours, theirs, torch.randn(2, 6, height, width, dtype=torch.float64))


@pytest.mark.parametrize("bias", [True, False])
def test_pointwise_is_a_convolution(bias):
    torch.manual_seed(0)
    theirs, ours = (kind(6, 4, 1, bias=bias).double() for kind in (nn.Conv2d, Pointwise))
    assert_same(ours, theirs, torch.randn(2, 6, 4, 8, dtype=torch.float64))
    assert sum(type(module) is Pointwise for module in build_discriminator(OPTIONS).modules()) > 10


def assert_same(ours: nn.Module, theirs: nn.Module, x: torch.Tensor) -> None:
    """With the same weights: the value, its gradient, and the gradient of that as the gradient penalty takes it."""
    ours.load_state_dict(theirs.state_dict())
    x.requires_grad_()

    def value_slope_and_curvature(module: nn.Module) -> list[torch.Tensor]:
        value = module(x)
        (slope,) = torch.autograd.grad(value.square().sum(), x, create_graph=True)
        penalty = torch.autograd.grad(slope.square().sum(), list(module.parameters()))
        return [value, slope, *penalty]

    for a, b in zip(value_slope_and_curvature(ours), value_slope_and_curvature(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_gate_is_glu():
    x = torch.randn(2, 6, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(Gate()(x), nn.functional.glu(x, dim=1))


def test_weights_are_exchangeable_with_the_packages_own_build(monkeypatch):
    monkeypatch.setattr(package, "Blur", nn.Identity)  # as its Trainer does before building
    shared = {"image_size": OPTIONS.size, "fmap_max": OPTIONS.fmap_max, "attn_res_layers": [16]}
    their_g = package.Generator(latent_dim=OPTIONS.latent_dim, **shared).eval()
    their_d = package.Discriminator(disc_output_size=OPTIONS.disc_output_size, **shared).eval()
    our_g, our_d = build_generator(OPTIONS).eval(), build_discriminator(OPTIONS).eval()
    our_g.load_state_dict(their_g.state_dict())
    our_d.load_state_dict(their_d.state_dict())

    latents, noises = draw_inputs(our_g, range(3), OPTIONS.latent_dim)
    with torch.no_grad(), fixed_noise(our_g, noises), fixed_noise(their_g, noises):
        pictures = our_g(latents)
        torch.testing.assert_close(pictures, their_g(latents))
        for ours, theirs in zip(our_d(pictures, True), their_d(pictures, True), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_inputs_depend_on_the_seed_alone():
    generator = build_generator(OPTIONS)
    latents, noises = draw_inputs(generator, [5, 6, 7], OPTIONS.latent_dim)
    alone, noise_alone = draw_inputs(generator, [6], OPTIONS.latent_dim)

    assert latents.shape == (3, 16)
    assert [tuple(noise.shape[1:]) for noise in noises] == [(1, 8, 8), (1, 16, 16), (1, 32, 32), (1, 64, 64)]
    assert torch.equal(latents[1:2], alone)
    for several, one in zip(noises, noise_alone, strict=True):
        assert torch.equal(several[1:2], one)


def test_noise_is_fixed_within_the_context_only():
    generator = build_generator(OPTIONS).eval()
    for name, weight in generator.named_parameters():
        if name.endswith("3.weight") and weight.numel() == 1:  # the noise layers' strength starts at zero
            weight.data.fill_(1.0)
    latents, noises = draw_inputs(generator, [0], OPTIONS.latent_dim)

    with torch.no_grad():
        with fixed_noise(generator, noises):
            assert torch.equal(generator(latents), generator(latents))
        assert not torch.equal(generator(latents), generator(latents))
