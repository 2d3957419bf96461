"""imle: every picture gets the latent of a near sample of its category, and the loss pulls that sample towards it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from generate.measuring.features import EfficientNetLite0
from generate.model.networks import build_generator
from generate.training import vision_aided
from generate.training.dataset import Pictures
from generate.training.imle import EPOCHS, POOL, Nearest, pull
from generate.training.players import Players, build
from generate.training.vision_aided import FeatureDiscriminator
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


def test_a_latent_is_assigned_within_its_category(players):
    pictures = Pictures(torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8))
    nearest = Nearest(5, 8)
    torch.manual_seed(1)
    order, pool = torch.randperm(5), torch.randn(POOL * 5, 8)  # what it draws first
    labels = LABELS[order].repeat(POOL)

    torch.manual_seed(1)
    nearest.assign(players, pictures, shown=0)

    found = (nearest.latents[:, None] == pool).all(dim=2).nonzero()
    assert found[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert labels[found[:, 1]].tolist() == LABELS.tolist()


def test_samples_that_are_not_numbers_are_assigned_too(players):
    """Before their gradients end up in the recovery of the loop."""
    with torch.no_grad():
        players.generator.out_conv.weight.fill_(torch.nan)
    nearest = Nearest(5, 8)

    nearest.assign(players, Pictures(torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)), shown=0)

    assert nearest.latents.any(dim=1).all()


def test_a_large_set_is_assigned_piece_by_piece(players, monkeypatch):
    monkeypatch.setattr("generate.training.imle.CHUNK", 2)
    nearest = Nearest(5, 8)

    nearest.assign(players, Pictures(torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)), shown=0)

    assert len(nearest.latents.unique(dim=0)) == 5
    assert not (nearest.latents == 0).all(dim=1).any()


def test_every_second_sample_is_drawn_near_its_latent(players):
    near = torch.randn(5, 8)

    def apart() -> list[float]:
        torch.manual_seed(3)
        return (players.draw(LABELS, near)[0] - players.generator(near, LABELS)).abs().mean(dim=(1, 2, 3)).tolist()

    close, far = apart()[::2], apart()[1::2]
    assert max(close) < 0.5 * min(far)
    assert min(close) > 0


def test_the_loss_pulls_a_picture_to_another(players):
    """The generator gets the same gradients; see test_steps.py."""
    real, fake = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32, requires_grad=True)
    optimizer = torch.optim.Adam([fake], 0.02)
    before = pull(players, fake, real).item()

    for _ in range(40):
        pull(players, fake, real).backward()
        optimizer.step()
        optimizer.zero_grad()

    assert pull(players, fake, real) < 0.5 * before
    assert pull(players, real, real) == 0


def test_grey_and_transparent_pictures_are_compared(players):
    for channels in (1, 4):
        options, network = replace(IMLE, channels=channels), replace(NETWORK, channels=channels, categories=())
        parts = build(options, network, torch.device("cpu"))
        some = Players(
            parts["generator"], parts["discriminator"], options, torch.device("cpu"), None, 0.0, parts["critic"]
        )
        nearest = Nearest(5, 8)

        nearest.assign(some, Pictures(torch.randint(256, (5, channels, 32, 32), dtype=torch.uint8)), shown=0)
        fake = torch.rand(5, channels, 32, 32, requires_grad=True)
        pull(some, fake, torch.rand(5, channels, 32, 32)).backward()

        assert fake.grad.any(dim=3).any(dim=2).all()


def test_no_tensor_is_left_behind_on_the_cpu(players, monkeypatch):
    """On a pretended GPU. Assigning needs real distances, so it is not covered."""
    monkeypatch.setattr(vision_aided, "load_features", lambda device: EfficientNetLite0())
    monkeypatch.setattr(nn.Module, "to", lambda module, **_: module)  # channels_last, which torch can't pretend
    cuda = torch.device("cuda")
    with FakeTensorMode():
        with cuda:
            generator, critic, real = build_generator(NETWORK), FeatureDiscriminator(2, cuda), torch.rand(5, 3, 32, 32)
        pretended = Players(generator, nn.Identity(), IMLE, cuda, LABELS, 0.0, critic)
        fake, _ = pretended.draw(torch.zeros(5, dtype=torch.long, device=cuda), torch.zeros(5, 8))
        loss = pull(pretended, fake, real)

    assert loss.device.type == "cuda"
