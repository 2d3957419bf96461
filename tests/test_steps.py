"""steps: the gradients of one batch, against the losses written out; and no tensor on the wrong device."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import softplus

from generate.model.networks import NetworkOptions, build_discriminator, build_generator
from generate.model.noise import draw_inputs, fixed_noise
from generate.model.r3gan import build_r3gan, clamp_to_colours
from generate.training.choices import TrainOptions
from generate.training.imle import pull
from generate.training.losses import discriminator_loss, generator_loss, relativistic_loss
from generate.training.players import Players, build
from generate.training.steps import r3gan_backward

NETWORK = NetworkOptions(size=32, latent_dim=8, fmap_max=8, fmap_inverse_coef=10, attention=(), categories=("a", "b"))
OPTIONS = TrainOptions(
    discriminator="r3gan",
    batch_size=3, accumulate=2, learning_rate=1e-3, gamma=5.0, burn_in_kimg=1.0, vision_kimg=0.0, width=4, augment=("flip",),
    augment_probability=0.0, ema_kimg=1.0, latent_dim=8, fmap_max=8, fmap_inverse_coef=10, attention=(), precision="fp32",
)  # fmt: skip


@pytest.mark.parametrize("imle", [0.0, 0.5])
def test_r3gan_leaves_the_gradients_of_its_losses(imle):
    """One pass for both networks gives what each network's own loss and backward pass give."""
    torch.manual_seed(0)
    parts = build(OPTIONS, NETWORK, torch.device("cpu"))
    generator, discriminator = parts["generator"], parts["discriminator"]
    generator.eval()  # batch norm of fixed statistics, so that a second pass is the same
    options = replace(OPTIONS, imle=imle)
    players = Players(
        generator, discriminator, options, torch.device("cpu"), torch.tensor([0, 1, 1]), 0.0, parts["critic"]
    )
    real, labels = torch.rand(3, 3, 32, 32), torch.tensor([0, 1, 1])
    latents = torch.randn(3, 8)
    noises = [torch.randn(3, 1, r, r) for r in (8, 16, 32)]
    players.draw = lambda categories=None, near=None: (generator(latents, categories), categories)

    with fixed_noise(generator, noises):
        losses = r3gan_backward(
            players, real.clone(), labels, gamma=5.0, aided=False, assigned=latents if imle else None
        )
        fake = clamp_to_colours(generator(latents, labels))
    found = [p.grad for p in (*generator.parameters(), *discriminator.parameters())]

    real, shown = real.requires_grad_(), fake.detach().requires_grad_()
    on_real, on_fake = discriminator(real, labels), discriminator(shown, labels)
    slopes = torch.autograd.grad(on_real.sum() + on_fake.sum(), (real, shown), create_graph=True)
    penalty = sum((slope / 2).square().sum(dim=(1, 2, 3)).mean() for slope in slopes)  # of pictures from -1 to 1
    loss_d = softplus(on_fake - on_real).mean()
    loss_g = softplus(on_real.detach() - discriminator(fake, labels)).mean()
    loss_g_and_pull = loss_g + imle * pull(players, fake[::2], real[::2])
    expected = [*torch.autograd.grad(loss_g_and_pull / 2, list(generator.parameters()), allow_unused=True)]
    expected += torch.autograd.grad((loss_d + 5 / 2 * penalty) / 2, list(discriminator.parameters()))

    assert losses[:2].tolist() == pytest.approx([loss_d.item(), loss_g.item()], rel=1e-5)
    for ours, written_out in zip(found, expected, strict=True):
        if written_out is not None:
            torch.testing.assert_close(ours, written_out, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["r3gan", "lightweight"])
def test_no_tensor_is_left_behind_on_the_cpu(kind, monkeypatch):
    """Forward passes, losses and augmentation on a pretended GPU, where torch refuses to mix devices.

    Backward passes want a real GPU. Translation is left out: its shifts become Python numbers, which pretended ones can't.
    """
    monkeypatch.setattr(nn.Module, "to", lambda module, **_: module)  # channels_last, which torch can't pretend
    with FakeTensorMode():
        with torch.device("cuda"):
            generator = build_generator(NETWORK)
            r3gan = kind == "r3gan"
            discriminator = build_r3gan(NETWORK, OPTIONS.width) if r3gan else build_discriminator(NETWORK)
            real = torch.rand(3, 3, 32, 32)
        options = replace(OPTIONS, discriminator=kind, augment=("flip", "cutout", "colour"), augment_probability=0.5)
        cuda = torch.device("cuda")
        players = Players(generator, discriminator, options, cuda, torch.zeros(3, dtype=torch.long), 0.5)
        fake, labels = players.draw()
        shown, real = players.augmented(clamp_to_colours(fake)), players.augmented(real)
        if r3gan:
            loss = relativistic_loss(discriminator(real, labels), discriminator(shown, labels))
        else:
            *on_fake, _ = discriminator(shown, categories=labels)
            *on_real, reconstruction = discriminator(real, True, labels)
            loss = discriminator_loss(on_real, on_fake) + generator_loss(on_fake) + reconstruction

    assert loss.device.type == "cuda"


def test_a_sampling_batch_stays_on_its_device(monkeypatch):
    monkeypatch.setattr(nn.Module, "to", lambda module, **_: module)  # channels_last, which torch can't pretend
    with FakeTensorMode():
        with torch.device("cuda"):
            generator = build_generator(NETWORK).eval()
        latents, noises = draw_inputs(generator, [0, 1], NETWORK.latent_dim)
        with fixed_noise(generator, [noise.to("cuda") for noise in noises]):
            drawn = generator(latents.to("cuda"), torch.zeros(2, dtype=torch.long, device="cuda"))

    assert drawn.device.type == "cuda"
