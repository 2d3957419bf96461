"""BigGAN-deep: parity with pytorch-pretrained-biggan, categories by name, truncation, and files that are not what they seem."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from generate.__main__ import main
from generate.model.biggan.model import BigGAN, latent_of, open_biggan
from generate.model.opening import open_model
from tests.conftest import picture_in

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the package is of 2019
    from pytorch_pretrained_biggan import BigGAN as Published
    from pytorch_pretrained_biggan import BigGANConfig, one_hot_from_int, truncated_noise_sample

LAYERS = [[False, 16, 16], [True, 16, 16], [False, 16, 8], [True, 8, 4], [False, 4, 2], [True, 2, 1]]
EXACT = (0.02, 0.4, 1.0)  # truncations that statistics are known for


def write_biggan(folder: Path) -> Path:
    """A small BigGAN-deep of 32 px with random weights, as the package saves it."""
    config = {"output_dim": 32, "z_dim": 16, "class_embed_dim": 16, "channel_width": 8, "num_classes": 1000, "layers": LAYERS,
                  "attention_layer_position": 3, "eps": 1e-4, "n_stats": 51}  # fmt: skip
    torch.manual_seed(0)
    model = Published(BigGANConfig(**config))
    for name, buffer in model.named_buffers():
        if name.endswith("running_means"):
            torch.nn.init.normal_(buffer, std=0.3)
        if name.endswith("running_vars"):
            torch.nn.init.uniform_(buffer, 0.5, 2)
    torch.nn.init.ones_(model.generator.bn.weight)  # the package leaves these two as memory was
    torch.nn.init.zeros_(model.generator.bn.bias)
    model.train()
    for _ in range(3):  # spectral norm's power iteration
        model(torch.randn(2, 16), torch.eye(1000)[:2], 1.0)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return write_biggan(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def model(published) -> BigGAN:
    return open_biggan(published)


def theirs(folder: Path) -> Published:
    model = Published(BigGANConfig.from_json_file(folder / "config.json"))
    model.load_state_dict(torch.load(folder / "pytorch_model.bin", weights_only=True))
    return model.eval()


@pytest.mark.parametrize("truncation", EXACT)
def test_draws_what_the_package_draws(published, model, truncation):
    noise = torch.from_numpy(truncated_noise_sample(batch_size=3, dim_z=16, truncation=truncation, seed=7))
    labels = torch.from_numpy(one_hot_from_int([1, 953, 0], batch_size=3))
    with torch.no_grad():
        expected = theirs(published)(noise, labels, truncation)
        conditions = torch.cat((noise, model.embeddings[[1, 953, 0]]), dim=1)
        ours = model.generator([conditions] * model.generator.blocks, truncation)

    assert torch.allclose(ours, expected, atol=1e-5)


def test_between_known_truncations_statistics_are_between(model):
    norm = model.generator.bn
    below, above = norm.running_means[20], norm.running_means[21]

    assert torch.allclose(norm._at(0.405, norm.running_means), 0.75 * below + 0.25 * above, atol=1e-6)
    assert torch.equal(norm._at(0.4, norm.running_means), below)


def test_a_seed_is_the_latent_that_the_package_draws_with_it():
    expected = truncated_noise_sample(batch_size=1, dim_z=16, truncation=1.0, seed=7)

    assert np.array_equal(latent_of(7, 16).numpy(), expected[0])
    assert latent_of(2**40, 16).abs().max() <= 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_seed_draws_the_same_bytes_in_any_batch(model, precision):
    together = model.draw([3, 1, 2], [0, 953, 2], 0.5, precision)

    assert together.shape == (3, 3, 32, 32)
    for row, (seed, number) in enumerate([(3, 0), (1, 953), (2, 2)]):
        assert torch.equal(model.draw([seed], [number], 0.5, precision)[0], together[row])


def test_less_truncation_is_more_variety(model):
    varied, alike = (model.draw(range(16), [1] * 16, truncation).float().std(dim=0).mean() for truncation in (1, 0.3))

    assert alike < 0.8 * varied


def test_categories_have_names_words_and_numbers(model):
    assert model.choose(["pineapple", "953", "n07753275"]) == ("pineapple",)
    assert len(model.choose([])) == 1000
    with pytest.raises(Exception, match="pinapple"):
        model.choose(["pinapple"])


def test_safetensors_draw_the_same(published, model, tmp_path):
    weights = torch.load(published / "pytorch_model.bin", weights_only=True)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((published / "config.json").read_bytes())

    for path in (tmp_path, tmp_path / "model.safetensors"):
        assert torch.equal(open_model(path).draw([5], [3]), model.draw([5], [3]))


def test_ways_mixtures_and_directions(model):
    one, other = model.points([1, 2], [1, 953])
    assert torch.equal(model.draw_points([model.between(one, other, 0.0)]), model.draw([1], [1]))
    mixed = model.mix([one, other], [one, other])
    assert torch.equal(mixed[0, 0], model.draw([1], [1])[0])
    assert not torch.equal(mixed[0, 1], mixed[0, 0])
    found = model.directions(3, 1)
    moved = model.along(one, found.components[0], [0.0, 3 * float(found.deviations[0])])
    assert torch.equal(moved[0], mixed[0, 0])
    assert not torch.equal(moved[1], moved[0])


class Evil:
    def __reduce__(self):
        return (exec, ("open('ran', 'w')",))


def damage(folder: Path, how: str) -> None:
    weights, config = folder / "pytorch_model.bin", json.loads((folder / "config.json").read_text())
    if how == "pickle":
        weights.write_bytes(pickle.dumps({"embeddings.weight": Evil()}))
    elif how == "archive":
        torch.save({"embeddings.weight": Evil()}, weights)
    elif how.startswith("cut"):
        data = weights.read_bytes()
        weights.write_bytes(data[: int(how[3:]) * len(data) // 10])
    elif how == "gone":
        weights.unlink()
    elif how == "list":
        torch.save([1, 2], weights)
    elif how == "shape":
        torch.save({name: w[:1] for name, w in torch.load(weights, weights_only=True).items()}, weights)
    else:
        name, value = {
            "huge": ("channel_width", 10**9), "negative": ("z_dim", -1), "text": ("z_dim", "a"), "nan": ("eps", float("nan")),
            "layers": ("layers", [[True, 16, 3]]), "size": ("output_dim", 64), "stats": ("n_stats", 1), "none": ("layers", None),
        }[how]  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config | {name: value}))


KINDS = ["pickle", "archive", *(f"cut{tenth}" for tenth in range(10)), "gone", "list", "shape"]
KINDS += ["huge", "negative", "text", "nan", "layers", "size", "stats", "none"]


@pytest.mark.parametrize("how", KINDS)
def test_hostile_and_damaged_files_are_one_sentence(published, tmp_path, monkeypatch, how):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "pytorch_model.bin"):
        (folder / name).write_bytes((published / name).read_bytes())
    damage(folder, how)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["sample", str(folder), "samples", "--count", "1", "--category", "pineapple"])

    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
    assert not (tmp_path / "ran").exists()


def test_from_a_published_file_to_a_page(published, tmp_path, make_client):
    sampling = ["--count", 3, "--category", "pineapple", "--category", "1", "--truncation", 0.4, "--device", "cpu"]
    for arguments in (
        ["sample", published, tmp_path / "samples", *sampling],
        ["publish", tmp_path / "samples", tmp_path / "b"],
    ):
        (tmp_path / "b").mkdir(exist_ok=True)
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output

    page = make_client(tmp_path / "b").get("/c/pineapple").data

    assert b"This Pineapple Does Not Exist" in page
    assert picture_in(page)


def test_a_refill_takes_some_of_its_categories(published, tmp_path, make_client):
    (tmp_path / "b").mkdir()
    arguments = ["refill", published, tmp_path / "b", "--categories", 3, "--seed", 1, "--count", 6, "--no-curate"]
    arguments += ["--title", "This Thing Does Not Exist", "--device", "cpu"]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output

    client = make_client(tmp_path / "b")
    for category in ("armadillo", "milk-can", "suit"):
        page = client.get(f"/c/{category}").data
        assert f"This {category.replace('-', ' ').title()} Does Not Exist".encode() in page
        assert picture_in(page)
