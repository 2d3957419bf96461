"""Build static/live/rehearsal.onnx, a generator without weights that browsers run while the real one downloads.

    data = rehearsal()

Browsers first compile WebAssembly with a fast baseline compiler, then recompile hot functions with an optimizing one. Running
the rehearsal makes the functions that a generator uses hot. Its graph is that of a real 16 px generator with constants in
place of the weights, which keeps the file small. `make runtime` writes it.
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
SMALL = 64  # smaller tensors, such as shapes and shifts, keep their values
VALUE = 1  # the constant in place of the weights


def rehearsal() -> bytes:
    """Build the graph as an ONNX file, without categories and with one direction."""
    options = NetworkOptions(SIDE, LATENT_DIM, fmap_inverse_coef=10, attention=())
    torch.manual_seed(0)
    model = LightweightModel(build_generator(options).eval(), options, sha256="", made={})
    return weightless(to_onnx(model, directions=1, calibrated=1).data)


def weightless(data: bytes) -> bytes:
    """Replace all large tensors of the graph by ConstantOfShape nodes."""
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
