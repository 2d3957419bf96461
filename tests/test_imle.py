"""imle: every picture gets the latent of a near sample of its category, and the loss pulls that sample towards it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from generate.training.dataset import Pictures
from generate.training.imle import EPOCHS, LATENT_NOISE, Nearest, imle_backward
from generate.training.players import Players, build
from tests.test_steps import NETWORK, OPTIONS

LABELS = torch.tensor([0, 1, 1, 0, 1])
IMLE = replace(OPTIONS, imle=1.0, accumulate=1, batch_size=5)


@pytest.fixture
def players() -> Players:
    torch.manual_seed(0)
    parts = build(IMLE, NETWORK, torch.device("cpu"))
    generator = parts["generator"]
    generator.eval()  # batch norm of fixed statistics, so that a sample doesn't depend on its batch
    torch.nn.init.normal_(generator.embed.weight)  # which starts at zero
    return Players(generator, parts["discriminator"], IMLE, torch.device("cpu"), LABELS, 0.0, parts["critic"])


def drawn(players: Players, latents: Tensor) -> Tensor:
    with torch.no_grad():
        return players.generator(latents, LABELS).clamp(0, 1)


def test_each_picture_gets_the_latent_of_a_near_sample_of_its_category(players):
    """The pictures are samples themselves; their latents are nearest if the pool has them."""
    latents = torch.randn(5, 8)
    pictures = Pictures((drawn(players, latents) * 255).round().to(torch.uint8))
    nearest = Nearest(5, 8)

    nearest.assign(players, pictures, shown=100)

    wanted = pictures.held.float() / 255
    apart = (drawn(players, nearest.latents) - wanted).square().mean().item()
    others = [(drawn(players, torch.randn(5, 8)) - wanted).square().mean().item() for _ in range(20)]
    assert apart < sorted(others)[2]
    assert len(nearest.latents.unique(dim=0)) == 5
    assert nearest.due == 100 + 5 * EPOCHS


def test_a_large_set_is_assigned_piece_by_piece(players, monkeypatch):
    monkeypatch.setattr("generate.training.imle.CHUNK", 2)
    nearest = Nearest(5, 8)

    nearest.assign(players, Pictures(torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)), shown=0)

    assert len(nearest.latents.unique(dim=0)) == 5
    assert not (nearest.latents == 0).all(dim=1).any()


def test_the_loss_pulls_samples_to_their_pictures(players):
    real, latents = torch.rand(5, 3, 1, 1).expand(-1, -1, 32, 32), torch.randn(5, 8)
    optimizer = torch.optim.Adam(players.generator.parameters(), 3e-3)
    before = (drawn(players, latents) - real).abs().mean()

    for _ in range(30):
        imle_backward(players, latents, real, LABELS)
        optimizer.step()
        optimizer.zero_grad()

    assert (drawn(players, latents) - real).abs().mean() < 0.6 * before
    near = latents + LATENT_NOISE * torch.randn(5, 8)
    assert (drawn(players, near) - real).abs().mean() < 0.7 * before


def test_grey_and_transparent_pictures_are_compared(players):
    for channels in (1, 4):
        options, network = replace(IMLE, channels=channels), replace(NETWORK, channels=channels, categories=())
        parts = build(options, network, torch.device("cpu"))
        some = Players(
            parts["generator"], parts["discriminator"], options, torch.device("cpu"), None, 0.0, parts["critic"]
        )
        nearest = Nearest(5, 8)

        nearest.assign(some, Pictures(torch.randint(256, (5, channels, 32, 32), dtype=torch.uint8)), shown=0)
        imle_backward(some, nearest.latents, torch.rand(5, channels, 32, 32), None)

        assert any(p.grad is not None and bool(p.grad.any()) for p in some.generator.parameters())
