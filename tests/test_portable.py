"""The generator as ONNX draws what `sample` draws, in a runtime that knows nothing of torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from generate.model.family import as_rgb
from generate.model.generator import draw_pictures, load_generator, save_generator
from generate.model.latent import along, between, draw_points, points_of
from generate.model.networks import NetworkOptions, build_generator
from generate.model.noise import draw_inputs
from generate.model.portable import Portable, to_onnx
from tests.conftest import ROOT

SEEDS = range(4)
LEVELS = 2  # of 255, that a pixel may differ
NETWORKS = {
    "32 px": NetworkOptions(32, 16, 16, attention=()),
    "64 px, grey, attention, categories": NetworkOptions(
        64, 16, 16, attention=(16,), channels=1, categories=("cats", "dogs")
    ),
    "128 px, transparent, attention": NetworkOptions(128, 16, 16, attention=(16,), channels=4),
    "128 px, categories": NetworkOptions(128, 16, 16, attention=(), categories=("cats", "dogs", "eels")),
}


def trained_a_little(network: NetworkOptions):
    """A generator whose noise, embeddings and batch norms do something, unlike those of a fresh one."""
    torch.manual_seed(0)
    generator = build_generator(network)
    for name, weight in generator.named_parameters():
        if name.endswith(("3.weight", "embed.weight")):
            torch.nn.init.normal_(weight)
    generator.train()
    with torch.no_grad():
        for _ in range(6):
            labels = torch.arange(4) % len(network.categories) if network.categories else None
            generator(torch.randn(4, network.latent_dim), labels)
    return generator


@pytest.fixture(scope="module", params=NETWORKS)
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "generator.safetensors"
    save_generator(path, trained_a_little(NETWORKS[request.param]), NETWORKS[request.param], {})
    return load_generator(path)


@pytest.fixture(scope="module")
def session(model):
    return start(to_onnx(model).data)


def start(data: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def draw(session, model, seed, category=0, truncation=1.0, directions=(0,) * 8):
    """As a browser does: (C, H, W), whole numbers. With two categories, halfway between them."""
    latents, noises = draw_inputs(model.generator, [seed], model.network.latent_dim)
    inputs = {"latents": latents.numpy(), "truncation": np.array([truncation], np.float32)}
    inputs |= {f"noise_{noise.shape[-1]}": noise.numpy() for noise in noises}
    inputs["directions"] = np.array([directions], np.float32)
    if model.categories:
        one_hot = np.eye(len(model.categories), dtype=np.float32)
        inputs["categories"] = one_hot[np.atleast_1d(category)].mean(axis=0, keepdims=True)
    (pictures,) = session.run(["pictures"], inputs)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    return torch.from_numpy(pictures[0]).mul(255).round().int()


def levels_apart(a, b) -> int:
    return int((a.int() - b.int()).abs().max())


@pytest.mark.parametrize("truncation", [1.0, 0.6])
def test_a_seed_is_the_same_picture(model, session, truncation):
    numbers = [seed % len(model.categories) for seed in SEEDS] if model.categories else None

    drawn = draw_pictures(model.generator, list(SEEDS), 4, numbers, truncation, model.means)

    others = [draw(session, model, seed, numbers[seed] if numbers else 0, truncation) for seed in SEEDS]
    assert [d for d in map(levels_apart, others, drawn) if d > LEVELS] == []
    assert levels_apart(others[0], others[1]) > 10 * LEVELS


@pytest.mark.parametrize("truncation", [1.0, 0.6])
def test_a_direction_leads_to_the_same_picture(model, session, truncation):
    """Two at once, in the units that `explore` moves in."""
    with torch.no_grad():
        steps = Portable(model, 8).directions.reshape(8, -1, 4, 4)
    (point,) = points_of(model.generator, model.means, [5], [0] if model.categories else None)

    (moved,) = along(model.generator, point, 6 * steps[0] - 3 * steps[3], [1.0], truncation)

    drawn = draw(session, model, 5, 0, truncation, directions=(6, 0, 0, -3, 0, 0, 0, 0))
    assert levels_apart(as_rgb(drawn[None].to(torch.uint8))[0], moved) <= LEVELS
    assert levels_apart(drawn, draw(session, model, 5, 0, truncation)) > LEVELS


def test_halfway_between_categories_is_the_same_picture(model, session):
    if not model.categories:
        assert "categories" not in {i.name for i in session.get_inputs()}
        return
    one, other = points_of(model.generator, model.means, [5, 5], [0, 1])

    (drawn,) = draw_points(model.generator, [between(one, other, 0.5)], 0.6)

    assert levels_apart(as_rgb(draw(session, model, 5, [0, 1], 0.6)[None].to(torch.uint8))[0], drawn) <= LEVELS


def test_the_same_weights_give_the_same_file(tmp_path):
    network = replace(NETWORKS["32 px"], categories=("cats", "dogs"))
    save_generator(tmp_path / "generator.safetensors", trained_a_little(network), network, {})

    first, second = (to_onnx(load_generator(tmp_path)).data for _ in range(2))

    assert first == second


@pytest.mark.slow
def test_the_demos_generator_draws_the_same_pictures():
    model = load_generator(ROOT / "demo" / "generator.safetensors")
    session = start(to_onnx(model).data)
    seeds, numbers = list(range(100, 120)), [seed % len(model.categories) for seed in range(20)]

    for truncation in (1.0, 0.85):
        drawn = draw_pictures(model.generator, seeds, 4, numbers, truncation, model.means)
        others = [draw(session, model, seed, n, truncation) for seed, n in zip(seeds, numbers, strict=True)]
        assert max(map(levels_apart, others, drawn)) <= LEVELS
