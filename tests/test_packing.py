"""What is packed comes out of a runtime as the multiples of the step that are nearest to the weights."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from generate.model.packing import MAX_INTEGER, low_bits, pack

STEP = 0.25


def graph_of(weights: np.ndarray) -> onnx.ModelProto:
    """y = x + weights, and other weights that stay floats."""
    shape = list(weights.shape)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    nodes = [helper.make_node("Add", ["x", "w"], ["z"]), helper.make_node("Add", ["z", "other"], ["y"])]
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32([0.1]), "other")]
    graph = helper.make_graph(nodes, "test", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("largest", "bits"), [(127, 0), (128, 1), (511, 2), (2000, 4), (MAX_INTEGER, 8)])
def test_every_number_of_bits_comes_out_as_it_went_in(largest, bits):
    numbers = np.random.default_rng(0).integers(-largest, largest + 1, (6, 4, 2, 2))
    numbers.flat[:2] = largest, -largest
    weights = (numbers * STEP + 0.1).astype(np.float32)  # rounded to the multiple

    data = pack(graph_of(weights), {"w": STEP})

    session = onnxruntime.InferenceSession(data)
    (y,) = session.run(None, {"x": np.zeros(weights.shape, np.float32)})
    assert low_bits(numbers) == bits
    assert np.array_equal(y, (numbers * STEP).astype(np.float32) + np.float32(0.1))
    sizes = {
        tensor.name: numpy_helper.to_array(tensor).nbytes for tensor in onnx.load_from_string(data).graph.initializer
    }
    assert sizes["w.high"] + sizes.get("w.low", 0) == numbers.size * (8 + bits) // 8
