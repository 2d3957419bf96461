"""The generator as ONNX draws what `sample` draws, in a runtime that knows nothing of torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from generate.model.generator import draw_pictures, load_generator, save_generator
from generate.model.networks import NetworkOptions, build_generator
from generate.model.noise import draw_inputs
from generate.model.portable import to_onnx

SEEDS = range(4)
LEVELS = 2  # of 255, that a pixel may differ
NETWORKS = {
    "32 px": NetworkOptions(32, 16, 16, attention=()),
    "64 px, grey, attention, categories": NetworkOptions(64, 16, 16, channels=1, categories=("cats", "dogs")),
    "128 px, transparent, attention": NetworkOptions(128, 16, 16, channels=4),
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
        for _ in range(20):
            told = torch.arange(8) % len(network.categories) if network.categories else None
            generator(torch.randn(8, network.latent_dim), told)
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


def draw(session, model, seed, category=0, truncation=1.0, directions=None):
    """As a browser does: (C, H, W), whole numbers."""
    latents, noises = draw_inputs(model.generator, [seed], model.network.latent_dim)
    inputs = {"latents": latents.numpy(), "truncation": np.array([truncation], np.float32)}
    inputs |= {f"noise_{noise.shape[-1]}": noise.numpy() for noise in noises}
    inputs["directions"] = np.zeros((1, 8), np.float32) if directions is None else directions
    if model.categories:
        weights = np.eye(len(model.categories), dtype=np.float32)[category]
        inputs["categories"] = np.atleast_2d(weights.mean(axis=0) if weights.ndim == 2 else weights)
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
