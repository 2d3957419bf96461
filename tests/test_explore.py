"""explore: the ways between pictures begin and end at them, and what is written is what a viewer can open."""

from __future__ import annotations

import av
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from generate.__main__ import main
from generate.model.exploring import walk
from generate.model.family import slerp
from generate.model.generator import draw_pictures, load_generator, save_generator
from generate.model.networks import NetworkOptions, build_generator

SEEDS = [3, 1, 4]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Untrained generators: of one kind of thing, in colour; of two categories, grey."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    for name, channels, categories in [("one", 3, ()), ("two", 1, ("cats", "dogs"))]:
        network = NetworkOptions(32, 16, 16, attention=(), channels=channels, categories=categories)
        generator = build_generator(network)
        if categories:
            torch.nn.init.normal_(generator.embed.weight)  # which starts at zero
        save_generator(folder / name / "generator.safetensors", generator, network, {})
    return folder


def explore(*arguments: object):
    return CliRunner().invoke(main, ["explore", "--device", "cpu", *map(str, arguments)])


def levels_apart(a: torch.Tensor, b: torch.Tensor) -> int:
    return int((a.int() - b.int()).abs().max())


@pytest.mark.parametrize("truncation", [1.0, 0.5])
def test_a_walk_passes_through_its_pictures_and_back_to_the_first(models, truncation):
    model = load_generator(models / "one")
    seen = draw_pictures(model.generator, SEEDS, 1, truncation=truncation, means=model.means)

    way = list(walk(model, model.points(SEEDS), steps=4))
    drawn = model.draw_points(way, truncation)

    assert len(way) == 4 * len(SEEDS)
    assert levels_apart(drawn[::4], seen) <= 1
    steps = [levels_apart(a, b) for a, b in zip(drawn, drawn.roll(-1, 0), strict=True)]
    assert min(steps) > 0  # it moves all the time, the last step back to the first too


def test_between_categories_is_something_of_both(models):
    model = load_generator(models / "two")
    cat, dog = model.points([5, 5], [0, 1])

    drawn = model.draw_points(list(walk(model, [cat, dog], steps=2)))

    assert levels_apart(drawn[0], drawn[2]) > 10
    assert levels_apart(drawn[1], drawn[0]) > 0
    assert torch.equal(drawn[1], drawn[3])  # the way back is the same way: only the category changes


def test_an_arc_keeps_its_length():
    a, b = (
        torch.nn.functional.normalize(torch.randn(64, generator=torch.Generator().manual_seed(i)), dim=0)
        for i in (0, 1)
    )

    assert [float(slerp(a, b, t).norm()) for t in (0, 0.3, 0.5, 1)] == pytest.approx([1, 1, 1, 1])
    assert torch.allclose(slerp(a, b, 0.5), (a + b) / (a + b).norm())
    assert torch.equal(slerp(a, a, 0.3), a)


def test_a_mixture_with_itself_is_the_picture_and_with_another_is_neither(models):
    model = load_generator(models / "one")
    points = model.points(SEEDS)
    own = model.draw_points(points)

    mixed = model.mix(points, points)

    assert mixed.shape[:2] == (3, 3)
    for i in range(3):
        assert levels_apart(mixed[i, i], own[i]) <= 1
        assert levels_apart(mixed[i, i - 1], own[i]) > 1
        assert levels_apart(mixed[i, i - 1], own[i - 1]) > 10
    assert levels_apart(model.draw_points(points), own) == 0  # nothing is left behind in the generator


def test_principal_directions_are_orthonormal_ordered_and_lead_somewhere(models):
    model = load_generator(models / "two")
    (point,) = model.points([7], [1])

    found = model.directions(5, 1)
    flat = found.components.flatten(1)
    drawn = model.along(point, found.components[0], [-3 * float(found.deviations[0]), 0.0])

    assert torch.allclose(flat @ flat.T, torch.eye(5), atol=1e-4)
    assert found.shares.diff().max() <= 0
    assert 0 < found.shares.sum() < 1
    assert levels_apart(drawn[1], model.draw_points([point])[0]) <= 1
    assert levels_apart(drawn[0], drawn[1]) > 3


def test_with_many_seeds_the_table_of_mixtures_stays_one_to_look_at(models, tmp_path):
    explore(models / "one", tmp_path / "twelve", "--seeds", "0-11", "--seconds", 0.1, "--directions", 1)
    result = explore(models / "one", tmp_path / "more", "--seeds", "0-19", "--seconds", 0.1, "--directions", 1)

    assert result.exit_code == 0, result.output
    assert (tmp_path / "more" / "mixing.png").read_bytes() == (tmp_path / "twelve" / "mixing.png").read_bytes()


def test_nothing_that_is_drawn_keeps_a_graph(models):
    model = load_generator(models / "one")
    seen = []
    model.generator.out_conv.register_forward_hook(lambda _, __, out: seen.append(out.requires_grad))
    points = model.points(SEEDS)

    model.draw_points(points)
    model.mix(points[:1], points[1:])
    model.along(points[0], torch.zeros_like(points[0].mean), [0.0])

    assert seen == [False] * 3


@pytest.mark.parametrize(("name", "options"), [("one", ["--truncation", 0.7]), ("two", ["--category", "dogs"])])
def test_writes_a_video_and_two_sheets(models, tmp_path, name, options):
    result = explore(models / name, tmp_path / "out", "--seeds", "0-2", "--seconds", 0.25, "--directions", 3, *options)

    assert result.exit_code == 0, result.output
    with av.open(str(tmp_path / "out" / "interpolation.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 3 * 6
    assert frames[0].shape == (256, 256, 3)
    for sheet in ("mixing.png", "directions.png"):
        with Image.open(tmp_path / "out" / sheet) as picture:
            assert len(picture.convert("RGB").getcolors(2**24)) > 100


@pytest.mark.parametrize(
    ("name", "options", "code", "sentence"),
    [
        ("one", ["--seeds", "7"], 2, "One seed leads nowhere"),
        ("one", ["--category", "cats"], 1, "has no categories"),
        ("two", ["--category", "eels"], 1, "can't draw 'eels': it knows cats, dogs"),
    ],
)
def test_what_cannot_be_explored_is_a_sentence(models, tmp_path, name, options, code, sentence):
    result = explore(models / name, tmp_path / "out", *options)

    assert result.exit_code == code
    assert sentence in result.output
    assert not (tmp_path / "out").exists()
