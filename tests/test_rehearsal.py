"""The small graph that browsers draw with while they wait for the generator."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from generate.model.generator import load_generator
from generate.model.portable import to_onnx
from generate.model.rehearsal import rehearsal
from tests.conftest import ROOT

FILE = ROOT / "static" / "live" / "rehearsal.onnx"


def test_the_file_is_what_the_module_writes():
    assert FILE.read_bytes() == rehearsal()


def test_a_runtime_draws_with_it():
    session = onnxruntime.InferenceSession(FILE.read_bytes(), providers=["CPUExecutionProvider"])
    inputs = {each.name: np.ones(each.shape, np.float32) for each in session.get_inputs()}

    (pictures,) = session.run(["pictures"], inputs)

    assert pictures.shape == (1, 3, 16, 16)
    assert np.isfinite(pictures).all()


def test_it_uses_all_operators_of_the_demos_generator_but_those_of_attention_and_skip_layer_excitation():
    def operators(model: onnx.ModelProto) -> set[str]:
        return {node.op_type for node in model.graph.node}

    demo = to_onnx(load_generator(ROOT / "demo" / "generator.safetensors"), calibrated=1)

    missing = operators(onnx.load_from_string(demo.data)) - operators(onnx.load(FILE))
    assert missing == {"Einsum", "LeakyRelu", "Softmax", "Unsqueeze"}
