"""A published StyleGAN2 generator as a model: seeds, categories, truncation, precision and what `explore` asks of it."""

from __future__ import annotations

import click
import numpy as np
import pytest
import torch

from generate.model.stylegan2.model import StyleGAN2, latent_of, open_stylegan2
from tests.published import example, write_ada, write_flax, write_tensorflow


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> StyleGAN2:
    """Of three categories."""
    return open_stylegan2(write_ada(tmp_path_factory.mktemp("model") / "network.pkl", example("conditional")))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> StyleGAN2:
    """Without categories."""
    return open_stylegan2(write_tensorflow(tmp_path_factory.mktemp("plain") / "gs.pkl", example("unconditional")))


def test_what_it_is(model, plain, tmp_path):
    assert (model.size, model.channels, model.categories) == (32, 3, ("0", "1", "2"))
    assert (plain.size, plain.channels, plain.categories) == (32, 3, ())
    flax = open_stylegan2(write_flax(tmp_path / "food.pkl", example("conditional")))
    assert [model.family, flax.family, plain.family] == [
        "StyleGAN2-ADA",
        "StyleGAN2 in Flax",
        "StyleGAN2 in TensorFlow",
    ]
    assert len({model.sha256, flax.sha256, plain.sha256}) == 3


def test_a_latent_is_that_of_the_seed_in_the_authors_programs():
    for seed in (0, 7, 2**32 - 1):
        assert np.array_equal(latent_of(seed, 16).numpy(), np.random.RandomState(seed).randn(1, 16).astype("f4"))
    assert not torch.equal(latent_of(2**32 + 7, 16), latent_of(7, 16))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_seed_draws_the_same_bytes_in_any_batch(model, precision):
    together = model.draw([3, 1, 2, 4, 5], [0, 1, 2, 0, 1], precision=precision)

    assert together.shape == (5, 3, 32, 32)
    assert together.dtype == torch.uint8
    for row, (seed, number) in enumerate(zip([3, 1, 2, 4, 5], [0, 1, 2, 0, 1], strict=True)):
        assert torch.equal(model.draw([seed], [number], precision=precision)[0], together[row])
    assert torch.equal(model.draw([4, 5], [0, 1], precision=precision), together[3:])


def test_bf16_is_nearly_the_same_picture(model):
    """These weights are random, and draw values of -4 to 4 where a trained network draws -1 to 1."""
    exact, fast = (model.draw(range(8), [0] * 8, precision=precision).float() for precision in ("fp32", "bf16"))

    assert not torch.equal(exact, fast)
    assert (exact - fast).abs().mean() < 1.5


def test_truncation_varies_less(model, plain):
    for drawn, numbers in ((model, [0] * 24), (plain, None)):
        spread = [drawn.draw(range(24), numbers, truncation).float().std(dim=0).mean() for truncation in (0.3, 1.0)]
        assert spread[0] < 0.5 * spread[1]


def test_truncation_of_a_flax_model_is_towards_its_category(tmp_path):
    """Its means are one for each category. With a truncation of nearly 0 the mean of the category itself is drawn."""
    found = example("conditional")
    drawn = open_stylegan2(write_flax(tmp_path / "food.pkl", found))
    means = drawn.generator.mapping.w_avg

    assert means.shape == (3, 16)
    means[1] += 1
    assert not torch.equal(drawn.draw([0], [0], 1e-6), drawn.draw([0], [1], 1e-6))
    assert torch.equal(drawn.draw([0], [0], 1e-6), drawn.draw([0], [2], 1e-6))


def test_categories_draw_different_pictures_and_unknown_ones_are_named(model):
    assert len({model.draw([1], [number]).numpy().tobytes() for number in range(3)}) == 3
    assert model.choose(["2", "0", "2"]) == ("2", "0")
    with pytest.raises(click.ClickException, match="can't draw '3'"):
        model.choose(["3"])


def test_a_text_file_names_the_categories(tmp_path):
    path = write_ada(tmp_path / "food.pkl", example("conditional"))
    names = tmp_path / "food.categories.txt"

    names.write_text("cheesecake\ncookie\nsushi roll\n")
    assert open_stylegan2(path).categories == ("cheesecake", "cookie", "sushi roll")
    names.write_bytes(b"\xef\xbb\xbfcheesecake\r\ncookie\r\nsushi roll")  # as Notepad saves it
    assert open_stylegan2(path).categories == ("cheesecake", "cookie", "sushi roll")

    names.write_text("cheesecake\ncookie\n")
    with pytest.raises(click.ClickException, match=r"names 2 categories, but food\.pkl has 3"):
        open_stylegan2(path)
    names.write_text("a/b\ncookie\nsushi\n")
    with pytest.raises(click.ClickException, match="'a/b', which can't name a folder"):
        open_stylegan2(path)


def test_points_are_what_seeds_draw_and_the_way_between_them(model):
    points = model.points([5, 6], [0, 1])

    drawn = model.draw_points([points[0], model.between(*points, 0.5), points[1]], truncation=0.7)

    assert torch.equal(drawn[[0, 2]], model.draw([5, 6], [0, 1], 0.7))
    assert not torch.equal(drawn[1], drawn[0])
    assert torch.equal(model.draw_points([model.between(*points, 1.0)]), model.draw([6], [1]))


def test_a_mixture_of_a_picture_with_itself_is_that_picture(plain):
    points = plain.points([1, 2, 3])

    mixed = plain.mix(points[:2], points)

    assert mixed.shape == (2, 3, 3, 32, 32)
    assert torch.equal(mixed[0, 0], plain.draw([1])[0])
    assert torch.equal(mixed[1, 1], plain.draw([2])[0])
    assert len({picture.numpy().tobytes() for picture in mixed.flatten(0, 1)}) == 6


def test_directions_are_those_in_which_w_varies_most(model):
    found = model.directions(4, 1)

    assert torch.allclose(found.components @ found.components.T, torch.eye(4), atol=1e-5)
    assert found.deviations.tolist() == sorted(found.deviations, reverse=True)
    assert 0 < found.shares.sum() <= 1
    (point,) = model.points([0], [1])
    moved = model.along(point, found.components[0], [-2 * float(found.deviations[0]), 0.0], truncation=0.7)
    assert torch.equal(moved[1], model.draw([0], [1], 0.7)[0])
    assert not torch.equal(moved[0], moved[1])
    assert len(model.directions(64, 0).components) == 16


def test_a_file_of_another_kind_is_a_sentence(tmp_path):
    path = tmp_path / "holiday.pkl"
    path.write_bytes(b"JFIF")

    with pytest.raises(click.ClickException, match=r"holiday.pkl can't be read .* Nothing in it was run"):
        open_stylegan2(path)


@pytest.mark.parametrize(
    ("name", "array", "what"),
    [
        ("synthesis.b16.conv1.bias", np.zeros(15, "f4"), r"in the shape \[15\], not \[16\]"),
        ("synthesis.b16.conv1.bias", np.full(16, np.nan, "f4"), "not finite"),
        ("synthesis.b16.conv2.bias", np.zeros(16, "f4"), "does not have"),
        ("synthesis.b4.torgb.weight", np.zeros((5, 16, 1, 1), "f4"), "5 channels"),
        ("mapping.fc0.weight", np.zeros((16, 16, 1), "f4"), "impossible shape"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, name, array, what):
    path = write_ada(tmp_path / "network.pkl", example("unconditional"), more={name: torch.from_numpy(array)})

    with pytest.raises(click.ClickException, match=what):
        open_stylegan2(path)


def test_weights_that_are_missing_are_named(tmp_path):
    found = example("unconditional")
    del found.arrays["synthesis.b8.torgb.affine.bias"]

    with pytest.raises(click.ClickException, match=r"lacks synthesis\.b8\.torgb\.affine\.bias"):
        open_stylegan2(write_ada(tmp_path / "network.pkl", found))
