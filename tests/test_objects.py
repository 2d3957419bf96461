"""Objects found by networks: real loading code, with small networks of the test's own in place of the published weights."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torchvision.models import get_model

from generate.__main__ import main
from generate.preparing.detecting import NAME, coco_labels
from tests.conftest import EMOJI
from tests.nasty import emoji, on_a_lawn


def prepare(*arguments: object):
    return CliRunner().invoke(main, ["prepare", *map(str, arguments), "--size", "128"])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A tomato on a lawn, far from the middle; and a lawn."""
    folder = tmp_path_factory.mktemp("photos")
    on_a_lawn("food/tomato", (300, 20)).save(folder / "tomato.png")
    return folder


@pytest.fixture(scope="module")
def red_is_the_object(tmp_path_factory) -> str:
    """A network with rembg's u2net's inputs and outputs, which takes red minus green for the foreground."""
    weights = np.array([1, -1, 0], np.float32).reshape(1, 3, 1, 1)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weights"], ["red"]), helper.make_node("Relu", ["red"], ["output"])],
        "red",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 320, 320])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 320, 320])],
        [numpy_helper.from_array(weights, "weights")],
    )
    path = tmp_path_factory.mktemp("rembg") / "red.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return str(path)


def test_rembg_cuts_out_what_its_model_sees(tmp_path, photos, red_is_the_object):
    result = prepare(photos, tmp_path / "out", "--cutout", "rembg", "--rembg-model", red_is_the_object)

    assert result.exit_code == 0, result.output
    array = np.asarray(Image.open(tmp_path / "out" / "tomato.png"))
    assert not array[:, :60].any()  # the lawn is black
    assert array[40, 110, 0] > 150  # the tomato is not


def test_a_model_of_rembg_that_cannot_be_had_is_one_sentence(tmp_path, photos):
    (tmp_path / "broken.onnx").write_text("no network")

    for model in ("nonsense", str(tmp_path / "broken.onnx"), str(tmp_path / "missing.onnx")):
        result = prepare(photos, tmp_path / "out", "--cutout", "rembg", "--rembg-model", model)

        assert result.exit_code == 1
        assert f"Error: The rembg model {model!r} can't be loaded" in result.output
        assert "use --cutout grabcut, which needs no model" in result.output
        assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """A detector's state dict made so that it takes its first region for a cake: its last layer says so whatever it sees."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = get_model(NAME, weights=None, weights_backbone=None)
    state = model.state_dict()
    state["roi_heads.box_predictor.cls_score.weight"].zero_()
    state["roi_heads.box_predictor.cls_score.bias"].fill_(-20)
    state["roi_heads.box_predictor.cls_score.bias"][coco_labels().index("cake")] = 20
    path = tmp_path_factory.mktemp("weights") / "cake.pth"
    torch.save(state, path)
    return str(path)


def test_only_pictures_with_the_label_are_kept(tmp_path, photos, weights):
    found = prepare(photos, tmp_path / "found", "--weights", weights, "--label", "cake", "--label", "pizza")
    not_found = prepare(photos, tmp_path / "none", "--weights", weights, "--label", "pizza", "--label", "bowl")

    assert found.exit_code == 0, found.output
    assert (tmp_path / "found" / "tomato.png").exists()
    assert not_found.exit_code == 1
    assert "None of the 1 pictures in" in not_found.output
    assert "no pizza or bowl found" in not_found.output


def test_the_crop_is_around_the_detectors_box(tmp_path, photos, weights):
    result = prepare(photos, tmp_path / "out", "--weights", weights, "--crop", "object", "--min-side", 1)

    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out" / "tomato.png") as made:
        assert made.size == (128, 128)
        assert made.tobytes() != on_a_lawn("food/tomato", (300, 20)).crop((80, 0, 400, 320)).resize(made.size).tobytes()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"no weights", "can't be loaded"), ({"a": torch.zeros(1)}, "Missing key")],
)
def test_weights_that_cannot_be_had_are_one_sentence_with_the_alternatives(tmp_path, photos, content, reason):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        torch.save(content, path)

    result = prepare(photos, tmp_path / "out", "--weights", path)

    assert result.exit_code == 1
    assert reason in result.output
    assert "give the path of its state dict with --weights" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_weights_run_no_code(tmp_path, photos):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (marker.touch, ())

    torch.save(Evil(), tmp_path / "evil.pth")

    result = prepare(photos, tmp_path / "out", "--weights", tmp_path / "evil.pth")

    assert result.exit_code == 1
    assert not marker.exists()


def test_an_unknown_label_names_the_near_ones(tmp_path):
    result = prepare(EMOJI, tmp_path / "out", "--label", "cakes")

    assert result.exit_code == 2
    assert "'cakes' is not a COCO category: did you mean cake" in result.output
    assert not (tmp_path / "out").exists()


def test_an_alpha_channel_goes_before_any_network(tmp_path, red_is_the_object):
    (tmp_path / "in").mkdir()
    emoji("food/lemon", "RGBA", 256).save(tmp_path / "in" / "lemon.png")  # yellow: red minus green sees little of it
    shutil.copytree(tmp_path / "in", tmp_path / "same")

    prepare(
        tmp_path / "in", tmp_path / "with", "--crop", "object", "--cutout", "rembg", "--rembg-model", red_is_the_object
    )
    prepare(tmp_path / "same", tmp_path / "without", "--crop", "object")

    with_, without = (Image.open(tmp_path / name / "lemon.png").tobytes() for name in ("with", "without"))
    assert with_ == without
