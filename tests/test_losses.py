"""losses: the package's signs and values."""

from __future__ import annotations

import torch

from generate.model.networks import package
from generate.training.losses import discriminator_loss, generator_loss, gradient_penalty


def test_hinge_is_the_packages_summed_over_both_outputs():
    real, fake = [torch.randn(8, 1), torch.randn(8, 1)], [torch.randn(8, 1), torch.randn(8, 1)]

    theirs = sum(package.hinge_loss(r, f) for r, f in zip(real, fake, strict=True))

    torch.testing.assert_close(discriminator_loss(real, fake), theirs)
    torch.testing.assert_close(generator_loss(fake), fake[0].mean() + fake[1].mean())


def test_penalty_of_a_linear_discriminator_is_its_squared_weight():
    weight = torch.tensor([3.0, 4.0])
    pictures = torch.randn(5, 2, requires_grad=True)

    penalty = gradient_penalty([([pictures @ weight], pictures), ([pictures @ weight], pictures)])

    torch.testing.assert_close(penalty, torch.tensor(25.0))
