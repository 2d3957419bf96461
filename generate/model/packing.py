"""Store the weights of an ONNX graph as integers of few bits, which the graph itself converts to floats.

    import onnx
    data = pack(onnx.load("generator.onnx"), {"layers.0.weight": 0.001})

A runtime that folds constants converts them once, when it loads the file, and then draws as fast as with floats. An integer
is stored as a byte; one that needs more bits has its lowest bits in a separate tensor. The bytes compress well over HTTP;
the lowest bits are noise and would prevent that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACK_MULTIPLE = 8  # only tensors with a multiple of 8 weights are packed, so that their low bits fill bytes
LOW_BITS = (0, 1, 2, 4, 8)  # counts that fill bytes
MAX_INTEGER = (1 << 15) - 1  # of a signed byte and 8 low bits


def pack(model: onnx.ModelProto, steps: Mapping[str, float]) -> bytes:
    """Return the graph with each initializer in `steps` rounded to multiples of its step and stored in as few bits as it needs."""
    graph = model.graph
    floats = [tensor for tensor in graph.initializer if tensor.name not in steps]
    small: dict[str, np.ndarray] = {}
    high: dict[str, np.ndarray] = {}
    low: dict[str, np.ndarray] = {}
    nodes: list[onnx.NodeProto] = []
    for tensor in graph.initializer:
        name = tensor.name
        if name not in steps:
            continue
        weights = numpy_helper.to_array(tensor)
        numbers = np.rint(weights.astype(np.float64) / steps[name]).astype(np.int64)
        bits = low_bits(numbers)
        high[f"{name}.high"] = (numbers >> bits).astype(np.int8)
        small[f"{name}.step"] = np.array(steps[name], np.float32)
        if bits:
            low[f"{name}.low"] = _lowest(numbers, bits)
            small[f"{name}.high_step"] = np.array(steps[name] * (1 << bits), np.float32)
            small[f"{name}.shape"] = np.array(weights.shape, np.int64)
        if 0 < bits < 8:
            small[f"{name}.shifts"] = np.arange(0, 8, bits, dtype=np.uint8)
            small[f"{name}.base"] = np.array(1 << bits, np.uint8)
        nodes += _unpack(name, bits)
    tensors = [numpy_helper.from_array(values, name) for name, values in {**small, **high, **low}.items()]
    packed = helper.make_graph([*nodes, *graph.node], graph.name, graph.input, graph.output, [*floats, *tensors])
    made = helper.make_model(packed, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString(deterministic=True))


def low_bits(numbers: np.ndarray) -> int:
    """Return how many of LOW_BITS the largest of these integers needs beyond a signed byte."""
    needed = int(np.abs(numbers).max(initial=0)).bit_length() + 1 - 8
    return next(bits for bits in LOW_BITS if bits >= needed)


def _lowest(numbers: np.ndarray, bits: int) -> np.ndarray:
    """Pack the lowest bits of all integers into bytes, the first integer lowest: (N * bits / 8, 1), uint8."""
    lowest: np.ndarray = (numbers & ((1 << bits) - 1)).reshape(-1, 8 // bits) << np.arange(0, 8, bits)
    return np.asarray(lowest.sum(axis=1, keepdims=True), np.uint8)


def _unpack(name: str, bits: int) -> list[onnx.NodeProto]:
    """Return the nodes that compute `name` from name.high and name.low."""

    def node(kind: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
        names = [f"{name}.{part}" for part in inputs.split()]
        return helper.make_node(kind, names, [f"{name}.{output}" if output else name], **attributes)

    if not bits:
        return [node("Cast", "high", "float", to=TensorProto.FLOAT), node("Mul", "float step", "")]
    separate = [
        node("BitShift", "low shifts", "shifted", direction="RIGHT"),  # (N * bits / 8, 8 / bits)
        node("Mod", "shifted base", "lowest"),
    ]
    return [
        node("Cast", "high", "high_float", to=TensorProto.FLOAT),
        node("Mul", "high_float high_step", "high_part"),
        *(separate if bits < 8 else []),
        node("Cast", "lowest" if bits < 8 else "low", "low_float", to=TensorProto.FLOAT),
        node("Reshape", "low_float shape", "low_shaped"),
        node("Mul", "low_shaped step", "low_part"),
        node("Add", "high_part low_part", ""),
    ]
