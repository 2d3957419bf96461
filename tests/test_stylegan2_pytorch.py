"""stylegan2-pytorch: parity with the package, its checkpoints whole and damaged, and from a checkpoint to a page."""

from __future__ import annotations

import json
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from generate.__main__ import main
from generate.model.opening import open_model
from generate.model.stylegan2_pytorch.model import open_stylegan2_pytorch
from tests.conftest import picture_in

DRAWN = np.load(Path(__file__).parent / "data" / "stylegan2-pytorch.npz")  # every third pixel of what the package draws
LATENT, SIZE = 16, 32

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "transparent": {"channels": 4},
    "attention": {"attention": (1, 3)},
    "first_map_from_w": {"constant": False, "depth": 3, "rate": 0.2},
    "version_1.0.0": {"blurred": False},
}


def numbers(name: str, *shape: int, scale: float = 1.0) -> Tensor:
    """Numbers that look random, with that standard deviation, and are the same everywhere (quadratic residues)."""
    step, at = 1 + zlib.crc32(name.encode()) % 10_006, torch.arange(1, 1 + int(np.prod(shape)))
    return ((step * at * at % 10_007 / 10_007 - 0.5) * 12**0.5 * scale).float().reshape(shape)


def state(
    widths: tuple[int, ...] = (8, 8, 6, 4),
    channels: int = 3,
    attention: tuple[int, ...] = (),
    constant: bool = True,
    depth: int = 8,
    blurred: bool = True,
) -> dict[str, Tensor]:
    """The package's mapping network S and synthesis network G, under its names."""
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *shape: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = shape
        if bias:
            shapes[f"{name}.bias"] = (shape[0],)

    for number in range(depth):
        layer(f"S.net.{2 * number}", LATENT, LATENT)
    if constant:
        shapes["G.initial_block"] = (1, widths[0], 4, 4)
    else:
        layer("G.to_initial_block", LATENT, widths[0], 4, 4, bias=False)
    layer("G.initial_conv", widths[0], widths[0], 3, 3)
    for level, (inputs, outputs) in enumerate(zip(widths[:1] + widths[:-1], widths, strict=True)):
        block = f"G.blocks.{level}"
        for half, before in ((1, inputs), (2, outputs)):
            layer(f"{block}.to_style{half}", before, LATENT)
            layer(f"{block}.to_noise{half}", outputs, 1)
            layer(f"{block}.conv{half}", outputs, before, 3, 3, bias=False)
        layer(f"{block}.to_rgb.to_style", outputs, LATENT)
        layer(f"{block}.to_rgb.conv", channels, outputs, 1, 1, bias=False)
        if blurred and level < len(widths) - 1:
            shapes[f"{block}.to_rgb.upsample.1.f"] = (3,)
        if level in attention:
            first, second = f"G.attns.{level}.0.fn", f"G.attns.{level}.1.fn"
            layer(f"{first}.fn.to_q", 512, inputs, 1, 1, bias=False)
            layer(f"{first}.fn.to_kv.net.0", inputs, 1, 3, 3, bias=False)
            layer(f"{first}.fn.to_kv.net.1", 1024, inputs, 1, 1, bias=False)
            layer(f"{first}.fn.to_out", inputs, 512, 1, 1)
            layer(f"{second}.fn.0", 2 * inputs, inputs, 1, 1)
            layer(f"{second}.fn.2", inputs, 2 * inputs, 1, 1)
            for norm in (first, second):
                shapes |= {f"{norm}.norm.g": (1, inputs, 1, 1), f"{norm}.norm.b": (1, inputs, 1, 1)}
    return {name: _weight(name, shape) for name, shape in shapes.items()}


def _weight(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("upsample.1.f"):
        return torch.tensor([1.0, 2.0, 1.0])
    if name.startswith("S.net") and name.endswith("weight"):
        return numbers(name, *shape, scale=14 / LATENT**0.5)
    fan_in = int(np.prod(shape[1:]))
    return numbers(name, *shape, scale=fan_in**-0.5 if len(shape) == 4 and name.endswith("weight") else 0.3)


def inputs() -> tuple[Tensor, Tensor]:
    """Two latents and two images of noise."""
    return numbers("latents", 2, LATENT), numbers("noise", 2, SIZE, SIZE, scale=12**-0.5) + 0.5


def write(folder: Path, kind: str = "plain", **changed: Any) -> Path:
    """models/NAME/model_7.pt and .config.json as the package writes them; `changed` are entries of the state dict."""
    options = dict(KINDS[kind])
    rate = options.pop("rate", 0.1)
    trained = state(**options)
    averaged = {f"{name[0]}E{name[1:]}": weight for name, weight in trained.items()}
    others = {name: weight + 1 for name, weight in trained.items()}  # what was trained last is not what is shown
    critic = {"D.fc.weight": torch.ones(1, 4), "D.quantize_blocks.0.fn._codebook.embed": torch.ones(4, 4)}
    folder.mkdir(parents=True, exist_ok=True)
    stored = {"GAN": {**others, **averaged, **critic, **changed}, "version": "1.9.0"}
    torch.save(stored, folder / "model_7.pt")
    config = {"image_size": SIZE, "network_capacity": 2, "lr_mlp": rate, "transparent": options.get("channels") == 4,
              "fq_layers": [1], "fq_dict_size": 4, "attn_layers": [], "no_const": False}  # fmt: skip
    (folder / ".config.json").write_text(json.dumps(config))
    return folder / "model_7.pt"


@pytest.fixture
def file(tmp_path) -> Path:
    return write(tmp_path / "models" / "flowers")


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_draws_what_the_package_draws(tmp_path, kind):
    model = open_stylegan2_pytorch(write(tmp_path, kind))
    latents, noise = inputs()

    w = model.generator.mapping(latents)
    drawn = model.generator.synthesis(w[:, None].expand(-1, 4, -1), noise)

    assert np.abs(drawn[..., ::3, ::3].numpy() - DRAWN[kind]).max() < 1e-5
    assert (model.size, model.channels) == (SIZE, 4 if kind == "transparent" else 3)
    assert model.made == {"checkpoint": "model_7.pt", "version": "1.9.0"}


def test_a_seed_draws_the_same_bytes_in_any_batch_and_truncation_is_less_variety(file):
    model = open_model(file)
    together = model.draw([3, 1, 2], truncation=0.5)

    assert torch.equal(model.draw([1], truncation=0.5)[0], together[1])
    assert (model.draw([1], precision="bf16").int() - model.draw([1]).int()).abs().float().mean() < 3
    varied, alike = (model.draw(range(16), truncation=t).float().std(dim=0).mean() for t in (1.0, 0.3))
    assert alike < 0.8 * varied


@pytest.mark.parametrize("kind", ["plain", "transparent"])
def test_ways_mixtures_and_directions(tmp_path, kind):
    model = open_model(write(tmp_path, kind))
    one, other = model.points([1, 2])
    first, second = model.draw_points([one, other])

    ends = model.draw_points([model.between(one, other, 0.0), model.between(one, other, 1.0)]).int()
    assert (ends - torch.stack([first, second])).abs().max() <= 1
    noise = model.between(one, other, 0.5).noise
    assert float(noise.std()) == pytest.approx(float(one.noise.std()), rel=0.05)
    mixed = model.mix([one, other], [one, other])
    assert torch.equal(mixed[0, 0], first)
    assert (mixed[0, 1].int() - first).abs().max() > 3
    found = model.directions(3)
    moved = model.along(one, found.components[0], [0.0, 3 * float(found.deviations[0])])
    assert torch.equal(moved[0], first)
    assert not torch.equal(moved[1], first)


def test_the_configuration_tells_the_scale_of_the_mapping_network(file, capsys):
    drawn = open_model(file).draw([0, 1])
    config = json.loads((file.parent / ".config.json").read_text())

    (file.parent / ".config.json").rename(file.parent / "config.json")  # as on the hub
    assert torch.equal(open_model(file).draw([0, 1]), drawn)
    assert "is missing" not in capsys.readouterr().out
    (file.parent / "config.json").write_text(json.dumps(config | {"lr_mlp": 0.2}))
    assert not torch.equal(open_model(file).draw([0, 1]), drawn)
    (file.parent / "config.json").unlink()
    assert torch.equal(open_model(file).draw([0, 1]), drawn)
    assert f"{file.parent / '.config.json'} is missing: its lr_mlp is taken to be 0.1" in capsys.readouterr().out


def test_a_folder_of_checkpoints_is_its_newest(file):
    for number in (10, 9):
        write(file.parent.parent / str(number), **{"GE.initial_conv.bias": torch.full((8,), float(number))})
        (file.parent.parent / str(number) / "model_7.pt").rename(file.parent / f"model_{number}.pt")

    model = open_model(file.parent)

    assert model.made["checkpoint"] == "model_10.pt"
    assert torch.equal(model.draw([0]), open_model(file.parent / "model_10.pt").draw([0]))
    assert not torch.equal(model.draw([0]), open_model(file).draw([0]))


class Evil:
    def __reduce__(self):
        return (exec, ("open('ran', 'w')",))


def damage(file: Path, how: str) -> None:
    """Make it a file that is not what it seems."""
    config = file.parent / ".config.json"
    if how == "pickle":
        file.write_bytes(pickle.dumps({"GAN": {"SE.net.0.weight": Evil()}}))
    elif how == "archive":
        torch.save({"GAN": {"SE.net.0.weight": Evil()}}, file)
    elif how.startswith("cut"):
        file.write_bytes(file.read_bytes()[: int(how[3:]) * file.stat().st_size // 10])
    elif how == "bomb":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("g/data.pkl", b"\x80\x02" + b"N0" * 10_000_000 + b"N.")
            archive.writestr("g/version", "3\n")
    elif how.startswith("config"):
        told = json.loads(config.read_text())
        values = {
            "size": 256,
            "size_text": "32",
            "rate": "0.1",
            "rate_nan": float("nan"),
            "rate_0": 0,
            "rate_true": True,
        }
        name = how.removeprefix("config_")
        damaged = json.dumps(told | {"image_size" if "size" in name else "lr_mlp": values.get(name)})
        config.write_text({"config_cut": "{", "config_list": "[]", "config_deep": "[" * 100_000}.get(how, damaged))
    elif how in ("list", "trained_only"):
        odd = {"list": [1, 2], "trained_only": {"GAN": state()}}[how]
        torch.save(odd, file)
    else:
        name = "GE.blocks.1.conv1.weight"
        views = {"header": (50_000, 50_000, 3, 3), "wide": (1_000_000, 16)}
        odd = {
            **{kind: torch.zeros(1).expand(shape) for kind, shape in views.items()},
            "shape": torch.zeros(8, 9, 3, 3),
            "nan": torch.full((8, 8, 3, 3), float("nan")),
            "text": "weights",
            "whole": torch.ones(8, 8, 3, 3, dtype=torch.int64),
        }[how]
        write(file.parent, **{"SE.net.0.weight" if how == "wide" else name: odd})


ODD_FILES = "pickle archive bomb header wide shape nan text whole list trained_only".split()
ODD_CONFIGURATIONS = [f"config_{how}" for how in "cut list deep size size_text rate rate_nan rate_0 rate_true".split()]


@pytest.mark.parametrize("how", [*ODD_FILES, *(f"cut{tenth}" for tenth in range(10)), *ODD_CONFIGURATIONS])
def test_hostile_and_damaged_files_are_one_sentence(file, tmp_path, monkeypatch, how):
    damage(file, how)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["sample", str(file), "samples", "--count", "1"])

    assert result.exit_code == 1, result.output
    kinds = {"pickle": "can't be read as a StyleGAN2 generator, since it asks for", "cut0": "is empty"}
    said = kinds.get(how, "can't be read as a checkpoint of stylegan2_pytorch (")
    assert result.output.startswith(f"Error: {file} {said}")
    assert result.output.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "samples").exists()


def test_layers_of_other_versions_are_named(tmp_path):
    file = write(tmp_path, **{"GE.attns.2.0.fn.g": torch.zeros(1), "GE.attns.2.0.fn.fn.to_q.weight": torch.zeros(1)})

    result = CliRunner().invoke(main, ["sample", str(file), str(tmp_path / "samples"), "--count", "1"])

    assert result.exit_code == 1
    assert "its attention is that of an older version of the package, with synthesis.attns.2.0.fn.g" in result.output


def generate(*arguments: object) -> str:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_from_a_checkpoint_to_a_page(file, tmp_path, make_client):
    (tmp_path / "b").mkdir()
    said = generate("sample", file, tmp_path / "samples", "--count", 12, "--truncation", 0.75, "--device", "cpu")
    generate("curate", tmp_path / "samples", tmp_path / "chosen", "--keep", 3, "--device", "cpu")
    generate("publish", tmp_path / "chosen", tmp_path / "b", "--title", "This Flower Does Not Exist")
    generate("explore", file, tmp_path / "explored", "--seconds", 0.1, "--directions", 1, "--device", "cpu")

    page = make_client(tmp_path / "b").get("/").data

    assert "12 pictures of 32 px" in said
    assert b"This Flower Does Not Exist" in page
    assert picture_in(page)
