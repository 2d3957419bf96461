"""What lies around beside models and in place of them: one sentence says what it is. Models under other names and in wrappings open."""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import json
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from click import ClickException
from PIL import Image
from safetensors.torch import save_file

from generate.model.opening import open_model
from tests.families import write_family
from tests.published import Reduced, example, stand_ins, write_ada, write_tensorflow
from tests.test_dcgan import discriminator
from tests.test_dcgan import example as dcgan

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
PAGE = b"\n<!DOCTYPE html>\n<html><title>Virus scan warning</title></html>"
NUMBERS = torch.zeros(4, 4)


def zipped(name: str, data: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, data)
    return stream.getvalue()


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    return stream.getvalue()


def script() -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), stream)
    return stream.getvalue()


FILES = {  # name: what is in it, and what is said of it
    "page.pkl": (PAGE, "is a web page, not a model"),
    "page.pth": (PAGE, "is a web page"),
    "page.safetensors": (PAGE, "is a web page"),
    "pointer.pt": (LFS, "is a pointer to a file in Git LFS"),
    "pointer.safetensors": (LFS, "is a pointer to a file in Git LFS"),
    "network.pkl.gz": (gzip.compress(b"\x80\x04}."), "is packed with gzip: unpack it"),
    "network.pkl": (bz2.compress(b"\x80\x04}."), "is packed with bzip2"),
    "network.zip": (zipped("network.pkl", b"\x80\x04}."), "is a zip archive: unpack it"),
    "arrays.npz": (zipped("a.npy"), "is a zip archive"),
    "model.keras": (zipped("model.weights.h5"), "is a model of Keras"),
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "is a model of Keras"),
    "model.tflite": (struct.pack("<I", 28) + b"TFL3" + bytes(100), "is a model of TensorFlow Lite"),
    "model.onnx": (b"\x08\x07\x12\x07pytorch", "is an ONNX graph"),
    "picture.png": (picture(), "is a picture (PNG)"),
    "model.pt": (b"", "is empty"),
    "model_3.pt": (PAGE, "is a web page"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_model_is_named(tmp_path, name):
    data, sentence = FILES[name]
    (tmp_path / name).write_bytes(data)

    with pytest.raises(ClickException) as refused:
        open_model(tmp_path / name)

    assert refused.value.message.startswith(f"{tmp_path / name} {sentence}")
    assert "\n" not in refused.value.message


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_torchscript_is_a_program(tmp_path):
    (tmp_path / "model.pt").write_bytes(script())

    with pytest.raises(ClickException, match="is a model of TorchScript, which is not read"):
        open_model(tmp_path / "model.pt")


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".pt"])
@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("model.diffusion_model.input_blocks.0.0.weight", "Stable Diffusion"),
        ("lora_unet_down_blocks_0.lora_up.weight", "a LoRA"),
        ("time_embedding.linear_1.weight", "a diffusion model"),
        ("module.feat_8.1.weight_orig", "FastGAN"),
        ("decoder.convs.0.conv.weight", "an encoder for StyleGAN2"),
        ("output_layer.0.gain", "BigGAN-PyTorch"),
    ],
)
def test_weights_of_another_program_are_named(tmp_path, suffix, name, whose):
    file = tmp_path / f"model{suffix}"
    weights = {name: NUMBERS, "a.weight": NUMBERS.clone()}
    if suffix == ".safetensors":
        save_file(weights, file)
    else:
        torch.save({"state_dict": weights, "global_step": 3}, file)

    with pytest.raises(ClickException, match=f"holds weights of {whose}.*, which is not read: docs/models.md"):
        open_model(file)


def test_a_checkpoint_of_nobody_does_not_ask_for_lightweight_gan_s_configuration(tmp_path):
    torch.save({"layer.weight": NUMBERS}, tmp_path / "best.pt")

    with pytest.raises(ClickException, match="its layers are not 4x4 transposed convolutions"):
        open_model(tmp_path / "best.pt")


def test_a_folder_of_the_hub_is_called_what_its_configuration_says(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    save_file({"weight": NUMBERS}, tmp_path / "model.safetensors")

    with pytest.raises(ClickException, match="is a BertModel by its config"):
        open_model(tmp_path)


def test_a_folder_of_a_diffusion_model_and_one_of_several_models(tmp_path):
    for name in ("pipeline", "several"):
        (tmp_path / name).mkdir()
    (tmp_path / "pipeline" / "model_index.json").write_text("{}")
    for name in ("a.pkl", "b.pkl"):
        write_ada(tmp_path / "several" / name, example("unconditional"))

    with pytest.raises(ClickException, match="is a diffusion model"):
        open_model(tmp_path / "pipeline")
    with pytest.raises(ClickException, match=r"holds 2 models: give one of them, such as .*a\.pkl"):
        open_model(tmp_path / "several")


@pytest.mark.parametrize(("name", "family"), [("dcgan", "DCGAN"), ("ada", "StyleGAN2-ADA")])
def test_a_folder_with_one_model_is_that_model(tmp_path, name, family):
    file = write_family(name, tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("It draws cakes.")

    assert open_model(tmp_path / "model").family == open_model(file).family == family


def put_in_order(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: weights[name].contiguous() for name in sorted(weights)}


WRAPPINGS = {  # how a generator's state dict is wrapped in a file
    "options.pth.tar": lambda weights: {"state_dict": weights, "epoch": 3, "args": argparse.Namespace(lr=0.1)},
    "score.pt": lambda weights: {"model": weights, "fid": np.float64(31.5), "step": np.int64(9)},
    "module.pth": lambda weights: {f"module.{name}": weight for name, weight in weights.items()},
    "nested.pt": lambda weights: {"ema": {"generator": weights}},
    "lightning.ckpt": lambda weights: {
        "state_dict": {f"generator.{name}": weight for name, weight in weights.items()}
        | {f"discriminator.{name}": weight for name, weight in discriminator().state_dict().items()},
        "hyper_parameters": {"latent_dim": 16},
    },
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_wrapped_generator_draws_the_same(tmp_path, name):
    weights = dcgan().state_dict()
    torch.save(weights, tmp_path / "plain.pth")
    torch.save(WRAPPINGS[name](weights), tmp_path / name)

    assert torch.equal(open_model(tmp_path / name).draw([0]), open_model(tmp_path / "plain.pth").draw([0]))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_dcgan_of_the_hub_draws_the_same(tmp_path, name):
    """Its layers in a .safetensors are sorted by name, main.10 before main.2."""
    weights = dcgan().state_dict()
    torch.save(weights, tmp_path / "plain.pth")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").write_text(json.dumps({"_class_name": "Generator", "latent_dim": 16}))
    if name.endswith(".bin"):
        torch.save(weights, tmp_path / "hub" / name)
    else:
        save_file(put_in_order(weights), tmp_path / "hub" / name)

    assert torch.equal(open_model(tmp_path / "hub").draw([0]), open_model(tmp_path / "plain.pth").draw([0]))


@pytest.mark.parametrize("name", ["network.pt", "network.PKL", "network"])
def test_a_pickle_under_any_name_is_read(tmp_path, name):
    file = write_ada(tmp_path / "network.pkl", example("unconditional"))
    expected = open_model(file).draw([0])
    shutil.move(file, tmp_path / name)

    assert torch.equal(open_model(tmp_path / name).draw([0]), expected)


def test_a_snapshot_without_the_average_draws_with_what_there_is(tmp_path):
    """`write_ada` writes the same network twice."""
    file = write_ada(tmp_path / "network.pkl", example("unconditional"))
    (tmp_path / "only.pkl").write_bytes(file.read_bytes().replace(b"G_ema", b"other"))

    assert torch.equal(open_model(tmp_path / "only.pkl").draw([0]), open_model(file).draw([0]))


@pytest.mark.parametrize(
    ("network", "synthesis", "name"),
    [
        ("Generator", "FastganSynthesis", "Projected GAN"),
        ("SuperresGenerator", "SynthesisNetwork", "StyleGAN-XL"),
        ("TriPlaneGenerator", "", "EG3D"),
    ],
)
def test_other_networks_in_pickles_are_named(tmp_path, network, synthesis, name):
    with stand_ins("torch_utils.persistence._reconstruct_persistent_obj") as (rebuild,):

        def module(class_name: str, **modules: object) -> Reduced:
            state = {"_parameters": {}, "_buffers": {}, "_modules": modules, "_init_kwargs": {}}
            return Reduced(rebuild, ({"class_name": class_name, "state": state},))

        parts = {"synthesis": module(synthesis, init=torch.nn.Identity())} if synthesis else {}
        (tmp_path / "network.pkl").write_bytes(pickle.dumps({"G_ema": module(network, **parts)}))

    with pytest.raises(ClickException, match=f"is a generator of {name}"):
        open_model(tmp_path / "network.pkl")


def test_lightweight_gan_before_1_0_is_named(tmp_path):
    weights = {"G.initial_conv.0.weight": NUMBERS, "G.layers.0.0.2.weight": NUMBERS}
    (tmp_path / "config.json").write_text(json.dumps({"image_size": 512, "latent_dim": 256}))
    torch.save(weights, tmp_path / "pytorch_model.bin")

    with pytest.raises(ClickException, match=r"its layers are those of versions before 1\.0"):
        open_model(tmp_path)


def test_categories_of_stylegan2_ada_in_tensorflow_are_embedded_as_in_pytorch(tmp_path):
    found = example("conditional")
    ada, tensorflow = (
        open_model(write_ada(tmp_path / "ada.pkl", found)),
        open_model(write_tensorflow(tmp_path / "tensorflow.pkl", found, embedded=True)),
    )

    assert tensorflow.categories == ("0", "1", "2")
    assert torch.equal(tensorflow.draw([0, 1], [1, 2]), ada.draw([0, 1], [1, 2]))
