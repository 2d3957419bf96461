"""A generator without weights, which a browser draws with while it waits for the real one (static/live/rehearsal.onnx).

    data = rehearsal()

WebAssembly starts with code that was compiled quickly and runs slowly; functions that are used much are compiled again,
several times as fast. The rehearsal uses those that a generator will. Its graph is that of a real generator of 16 px,
with constants in place of the weights, so that the file is small. `make runtime` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from generate.model.generator import LightweightModel
from generate.model.networks import NetworkOptions, build_generator
from generate.model.portable import to_onnx

SIDE = 16  # pixels
LATENT_DIM = 128
SMALL = 64  # tensors with fewer numbers are kept: shapes and shifts, which must have their values
VALUE = 1  # of the whole numbers that stand in for weights


def rehearsal() -> bytes:
    """The graph as an ONNX file: no categories, one direction."""
    options = NetworkOptions(SIDE, LATENT_DIM, fmap_inverse_coef=10, attention=())
    torch.manual_seed(0)
    model = LightweightModel(build_generator(options).eval(), options, sha256="", made={})
    return weightless(to_onnx(model, directions=1, calibrated=1).data)


def weightless(data: bytes) -> bytes:
    """The same graph with constants that the runtime makes itself in place of all large tensors."""
    model = onnx.load_from_string(data)
    graph = model.graph
    kept, nodes = [], []
    for tensor in graph.initializer:
        if np.prod(tensor.dims) < SMALL:
            kept.append(tensor)
            continue
        shape = f"{tensor.name}.shape_of"
        value = helper.make_tensor("value", tensor.data_type, [1], [VALUE])
        kept.append(numpy_helper.from_array(np.array(tensor.dims, np.int64), shape))
        nodes.append(helper.make_node("ConstantOfShape", [shape], [tensor.name], value=value))
    nodes += graph.node
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(rehearsal())
