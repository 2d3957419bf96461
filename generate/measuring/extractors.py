"""Feature networks of torch-fidelity for `evaluate`: Inception-v3 and DINOv2.

features = extract(load_extractor("inception", Path("weights-inception-2015-12-05-6726825d.pth"), "cpu"), pictures)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import URLError

import click
import torch
import torch.nn.functional as F
from torch import Tensor
from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from generate.measuring.features import batches

SIDES = {"inception": 299, "dinov2": 224}
WEIGHTS = {
    "inception": "weights-inception-2015-12-05-6726825d.pth of torch-fidelity's releases",
    "dinov2": "a torch hub folder with facebookresearch_dinov2_main and checkpoints/dinov2_vitb14_pretrain.pth",
}
Extractor = Callable[[Tensor], Tensor]


def load_extractor(name: str, weights: Path | None, device: torch.device) -> Extractor:
    """Load Inception-v3 (pooled features, 2,048) or DINOv2 ViT-B/14 (class token, 768), for uint8 pictures (N, 3, H, W).

    Downloads the weights if none are given. Raises click.ClickException if they can't be loaded.
    """
    try:
        if name == "inception":
            if weights:
                torch.load(
                    weights, map_location="meta", weights_only=True
                )  # raises for a pickle with code, which torch-fidelity would run
            network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], weights and str(weights))
        else:
            if weights:
                torch.hub.set_dir(str(weights))
            network = FeatureExtractorDinoV2("dinov2-vit-b-14", ["dinov2"])
    except (URLError, OSError, RuntimeError, UnpicklingError, EOFError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise click.ClickException(
            f"The weights of {name} can't be loaded ({reason}): give the path of a copy with --weights, {WEIGHTS[name]}, "
            "or use --features lite0, whose weights are installed."
        ) from None
    network.to(device)

    def extractor(pictures: Tensor) -> Tensor:
        x = F.interpolate(pictures.float(), (SIDES[name],) * 2, mode="bicubic", antialias=True, align_corners=False)
        (features,) = network(x.round().clamp(0, 255).to(torch.uint8).to(device))
        return features.float().cpu()  # type: ignore[no-any-return]

    return extractor


@torch.inference_mode()
def extract(extractor: Extractor, pictures: Iterable[Tensor]) -> Tensor:
    """Return features (N, D) of pictures (3, H, W) of one size, resized with antialiasing as in clean-fid.

    Parmar et al., "On Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022.
    """
    return torch.cat([extractor(batch) for batch in batches(pictures)])
