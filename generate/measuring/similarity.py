"""Find copies of training pictures among samples, and samples that repeat each other.

    training, drawn = describe(network, real), describe(network, fake)
    distance, index = nearest_neighbour(drawn, training)  # (N,) each
    copies = distance < copy_limit(training)

Feature distances can't detect copies: strong JPEG compression moves a picture farther than its nearest neighbour is away. So
the layout, a 7x7 feature map of stride 16, only selects a few candidates. Pictures and candidates are then compared pixel by
pixel, in luminance and blurred chrominance at 32 px, mirrored or not, shifted by up to 3 % of the side. Subpixel shifts are
solved for as in Lucas & Kanade, "An Iterative Image Registration Technique", IJCAI 1981.

benchmarks/README.md, "Copies", says how many planted copies it finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generate.measuring.features import EfficientNetLite0, batches, preprocess
from generate.measuring.metrics import realism
from generate.measuring.verdicts import MIN_PICTURES

COPY_QUANTILE = 0.01  # of the distances between training pictures; a sample nearer than that is a copy
MIN_LIMIT = 0.02  # for training sets with duplicates: how far JPEG of quality 60 and a shift move a picture of 64 px
MAX_LIMIT = 0.06  # for small or diverse training sets: pictures that differ by more don't look like copies
CANDIDATES = 8  # pictures that each one is compared with
LAYOUT = 7  # side of the feature map that selects them
SIDE, SHIFT = 64, 2  # px: pictures are resized to SIDE, shifted by up to SHIFT, and then halved
BLOCK = 64  # pictures that are compared at a time
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Descriptors:
    """Descriptors of N pictures, 28 KB each."""

    features: Tensor  # (N, 1280), pooled
    layout: Tensor  # (N, 112, 7, 7), half precision, of unit length at each position
    small: Tensor  # (N, 3, 64, 64), uint8

    def __len__(self) -> int:
        return len(self.small)


@torch.inference_mode()
def describe(network: EfficientNetLite0, pictures: Iterable[Tensor]) -> Descriptors:
    """Compute the descriptors of uint8 pictures (3, H, W) of one size; the result is on the CPU."""
    device = next(network.parameters()).device
    features, layouts, smalls = [], [], []
    for batch in batches(pictures):
        maps = network.pyramid(preprocess(batch.to(device)))
        features.append(network.pool(maps[-1]).float().cpu())
        layouts.append(F.normalize(F.adaptive_avg_pool2d(maps[2].float(), LAYOUT), dim=1).half().cpu())
        smalls.append(_resize(batch))
    return Descriptors(torch.cat(features), torch.cat(layouts), torch.cat(smalls))


def _resize(batch: Tensor) -> Tensor:
    if batch.shape[2:] == (SIDE, SIDE):
        return batch
    x = F.interpolate(batch.float(), (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
    return x.round().clamp(0, 255).to(torch.uint8)


@torch.inference_mode()
def nearest_neighbour(queries: Descriptors, references: Descriptors | None = None) -> tuple[Tensor, Tensor]:
    """Return each picture's distance to the nearest reference, and its index, both (N,).

    Distances are root mean square differences; black to white is 1. Without references, pictures are compared with each
    other.
    """
    distance, index = nearest_neighbours(queries, references)
    return distance[:, 0], index[:, 0]


@torch.inference_mode()
def nearest_neighbours(queries: Descriptors, references: Descriptors | None = None) -> tuple[Tensor, Tensor]:
    """Return each picture's distances to its nearest references, nearest first, and their indices, both (N, CANDIDATES).

    Fewer columns if there are fewer references. Raises ValueError if there is nothing to compare with.
    """
    others = references or queries
    count = min(CANDIDATES, len(others) - (references is None))
    if count < 1:
        raise ValueError(f"{len(others)} pictures are too few to compare: give 2 or more.")
    known, shown = others.layout.flatten(1).float(), _crop_border(_luma_chroma(others.small))
    distances, indices = [], []
    for start in range(0, len(queries), BLOCK):
        product = _affinity(queries.layout[start : start + BLOCK], known)
        if references is None:
            rows = torch.arange(len(product))
            product[rows, rows + start] = -torch.inf
        chosen = product.topk(count, dim=1).indices  # (n, K)
        distance = _distances(queries.small[start : start + BLOCK], shown[chosen])
        order = distance.argsort(dim=1)
        distances.append(distance.gather(1, order))
        indices.append(chosen.gather(1, order))
    return torch.cat(distances), torch.cat(indices)


def _affinity(layout: Tensor, known: Tensor) -> Tensor:
    """Return the similarity (n, M) of layouts (n, C, 7, 7), mirrored or not, to known ones (M, C * 49)."""
    layout = layout.float()
    return torch.maximum(layout.flatten(1) @ known.T, layout.flip(3).flatten(1) @ known.T)


def _distances(small: Tensor, candidates: Tensor) -> Tensor:
    """Return distances (n, K) of pictures (n, 3, 64, 64) to candidates (n, K, 3, h, h) in the best position."""
    return _best_fit(_views(small), candidates)


def _views(small: Tensor) -> Tensor:
    """Return each picture (n, 3, 64, 64), mirrored or not, in every shifted position: (n, 50, 3, h, h)."""
    views = [
        _luma_chroma(F.pad(shown.float(), (SHIFT,) * 4, mode="replicate")[..., y : y + SIDE, x : x + SIDE])
        for shown in (small, small.flip(3))
        for y in range(2 * SHIFT + 1)
        for x in range(2 * SHIFT + 1)
    ]
    return _crop_border(torch.stack(views, dim=1))


def _best_fit(views: Tensor, candidates: Tensor) -> Tensor:
    """Return distances (n, K) of the nearest of the views (n, 50, 3, h, h) to candidates (n, K, 3, h, h)."""
    n, count = candidates.shape[:2]
    flat, known = views.flatten(2), candidates.flatten(2)
    squares = flat.square().sum(2)[:, :, None] + known.square().sum(2)[:, None] - 2 * flat @ known.transpose(1, 2)
    best = squares.argmin(dim=1)  # (n, K)
    a = views[torch.arange(n)[:, None], best].flatten(0, 1)
    return _aligned_difference(a, candidates.flatten(0, 1)).reshape(n, count)


def _crop_border(maps: Tensor) -> Tensor:
    """Crop the border, which a shift fills with replicated pixels."""
    border = SHIFT // 2
    return maps[..., border:-border, border:-border]


def _aligned_difference(a: Tensor, b: Tensor) -> Tensor:
    """Return the root mean square (P,) of a - b (P, 3, h, h) after the best shift of up to three quarters of a pixel."""
    middle = (a + b) / 2
    gx = (middle[..., 1:-1, 2:] - middle[..., 1:-1, :-2]) / 2
    gy = (middle[..., 2:, 1:-1] - middle[..., :-2, 1:-1]) / 2
    r = (a - b)[..., 1:-1, 1:-1]
    xx, yy, xy, cx, cy, rr = (
        (u * v).flatten(1).mean(1) for u, v in ((gx, gx), (gy, gy), (gx, gy), (gx, r), (gy, r), (r, r))
    )
    det = xx * yy - xy * xy + 1e-9
    ux, uy = ((yy * cx - xy * cy) / det).clamp(-0.75, 0.75), ((xx * cy - xy * cx) / det).clamp(-0.75, 0.75)
    rest = rr - 2 * (ux * cx + uy * cy) + ux * ux * xx + 2 * ux * uy * xy + uy * uy * yy
    return torch.minimum(rest, rr).clamp_min(0).sqrt()


def _luma_chroma(small: Tensor) -> Tensor:
    """(N, 3, 64, 64), 0..255 -> (N, 3, 32, 32): luminance, and chrominance blurred to half the resolution, as in JPEG."""
    x = F.avg_pool2d(small.float() / 255, 2)
    luma = (x * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    colour = torch.cat([(x[:, 2:] - luma) * 0.564, (x[:, :1] - luma) * 0.713], dim=1)  # as JPEG scales them
    colour = F.interpolate(F.avg_pool2d(colour, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.cat([luma, colour], dim=1)


def copy_limit(training: Descriptors, quantile: float = COPY_QUANTILE) -> float:
    """Return the distance below which a sample is a copy.

    It is the `quantile` of the training pictures' distances to their nearest neighbours, within MIN_LIMIT..MAX_LIMIT.
    """
    return min(max(MIN_LIMIT, nearest_neighbour(training)[0].quantile(quantile).item()), MAX_LIMIT)


@torch.inference_mode()
def find_repeats(drawn: Descriptors, limit: float, order: Iterable[int] | None = None) -> dict[int, int]:
    """Return the pictures to drop so that no two remaining ones are nearer than the limit, each with the one it repeats.

    The first of a pair in `order` stays. Pictures are compared only with those that stay, so in a chain of similar pictures
    only neighbours of a picture that stays are dropped.
    """
    rows = list(order) if order is not None else list(range(len(drawn)))
    known, shown = drawn.layout.flatten(1).float(), _crop_border(_luma_chroma(drawn.small))
    mask = torch.full((len(drawn),), -torch.inf)  # 0 for those that stay
    stays: list[int] = []
    repeats: dict[int, int] = {}
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        affinity, views = _affinity(drawn.layout[block], known), _views(drawn.small[block])
        for i, row in enumerate(block):
            if stays:
                chosen = (affinity[i] + mask).topk(min(CANDIDATES, len(stays))).indices
                distance, nearest = _best_fit(views[i : i + 1], shown[chosen][None])[0].min(dim=0)
                if distance < limit:
                    repeats[row] = int(chosen[nearest])
                    continue
            stays.append(row)
            mask[row] = 0.0
    return repeats


def realism_of(drawn: Descriptors, training: Descriptors | None = None, limit: float = MIN_LIMIT) -> Tensor:
    """Return the realism (N,) of each picture, see `generate.measuring.metrics.realism`.

    Uses features and layout, scaled to the same spread: features alone don't rank noise last. Without training pictures,
    samples are compared with each other; those nearer than `limit` count as one, or duplicates would make each other
    realistic. With fewer than MIN_PICTURES different pictures, all get 1.
    """
    if training is not None:
        return realism_as_given(drawn, training)
    different, firsts = distinct(drawn, limit)
    return realism_as_given(different)[firsts] if len(different) >= MIN_PICTURES else torch.ones(len(drawn))


def distinct(pictures: Descriptors, limit: float = MIN_LIMIT) -> tuple[Descriptors, Tensor]:
    """Return the pictures without those nearer than `limit` to another, and for each picture the row (N,) of the one it repeats."""
    repeats = find_repeats(pictures, limit)
    rows = [row for row in range(len(pictures)) if row not in repeats]
    places = {row: place for place, row in enumerate(rows)}
    firsts = torch.tensor([places[repeats.get(row, row)] for row in range(len(pictures))])
    return Descriptors(pictures.features[rows], pictures.layout[rows], pictures.small[rows]), firsts


def realism_as_given(drawn: Descriptors, training: Descriptors | None = None) -> Tensor:
    """Return the realism of each picture, against the training pictures or against the others, duplicates included."""
    known = training or drawn
    parts = [(known.features, drawn.features), (known.layout.flatten(1).float(), drawn.layout.flatten(1).float())]
    spreads = [real.var(dim=0).sum().sqrt().clamp_min(1e-6) for real, _ in parts]
    real, fake = (
        torch.cat([part[i] / spread for part, spread in zip(parts, spreads, strict=True)], dim=1) for i in (0, 1)
    )
    return realism(real, None if training is None else fake)
