"""The layout of StyleGAN2 in Flax, as of This Food Does Not Exist: params_ema_G, nested dictionaries of arrays."""

from __future__ import annotations

from typing import Any

from generate.model.stylegan2.published import Arrays, Published, nested


def from_flax(tree: Any, arrays: Arrays) -> Published:
    mapping, synthesis = (nested(tree, "params", f"{part}_network") for part in ("mapping", "synthesis"))
    arrays["mapping.w_avg"] = arrays.leaf(tree, "moving_stats", "mapping_network", "w_avg")
    layers = [nested(mapping, f"LinearLayer_{number}") for number in range(len(mapping))]
    shapes = [arrays.leaf(layer, "weight").shape for layer in layers]
    embedded = len(shapes) > 1 and shapes[0][-1:] != shapes[1][:1]  # the first layer embeds the category
    names = [*(["embed"] if embedded else []), *(f"fc{number}" for number in range(len(layers)))]
    for name, layer in zip(names, layers, strict=False):
        arrays.matrix(f"mapping.{name}", layer.get("weight"), layer.get("bias"))
    arrays["synthesis.b4.const"] = arrays.leaf(synthesis, "const").squeeze(0).transpose(2, 0, 1)
    for level in range(len(synthesis) - 1):
        block, part = f"SynthesisBlock_{level}", f"synthesis.b{4 * 2**level}"
        convolutions = ("conv0", "conv1") if level else ("conv1",)
        for number, which in enumerate((*convolutions, "torgb")):
            name = "ToRGBLayer_0" if which == "torgb" else f"SynthesisLayer_{number}"
            layer = nested(synthesis, block, name)
            style = nested(layer, "LinearLayer_0")
            arrays.matrix(f"{part}.{which}.affine", style.get("weight"), style.get("bias"), added=1)
            arrays[f"{part}.{which}.weight"] = arrays.kernel(layer.get("weight"), which == "conv0")
            arrays[f"{part}.{which}.bias"] = arrays.leaf(layer, "bias")
            if which != "torgb":
                noise = arrays.leaf(tree, "noise_consts", "synthesis_network", block, name, "noise_const")
                arrays[f"{part}.{which}.noise_const"] = noise.reshape(noise.shape[1:3])
                arrays[f"{part}.{which}.noise_strength"] = arrays.leaf(layer, "noise_strength")
    return Published("StyleGAN2 in Flax", arrays, None)  # its authors use no clamp
