"""The nearest training picture, and whether a drawn one is a copy of it: shared by curate, evaluate and training.

    training, drawn = look(network, real), look(network, fake)
    distance, index = nearest_alike(drawn, training)  # (N,) each
    copies = distance < copy_limit(training)

Pooled features do not tell: at 64 px, a JPEG of quality 60 is farther from its picture than half of all pictures are
from their nearest other one. So features, whose 7x7 map of stride 16 keeps where things are, only say which few
pictures to compare, and these are laid over each other: mirrored or not, shifted by up to 3 % of the side, in
luminance and blurred colour at 32 px. The rest of the shift, a fraction of a pixel, is solved for as Lucas & Kanade do
("An Iterative Image Registration Technique", 1981).

Measured on 812 of 1,015 Fluent Emoji, limit at 1 % of the distances between training pictures (`COPY_QUANTILE`), 102
planted copies of each kind, mirrored, of JPEG quality 60, shifted by 2 pixels, and all of that at once: every one was
caught, at 64 and at 128 px, and 2 of the 203 held-out pictures (1.0 %) were called copies. On 133 of the 166 faces,
which are much alike: every one of 17 of each kind, and none of 33 held out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generate.measuring.features import EfficientNetLite0, batches, preprocess
from generate.measuring.metrics import realism

COPY_QUANTILE = 0.01  # of training pictures' distances to each other, below which it is a copy
LEAST_LIMIT = 0.02  # what JPEG of quality 60 and a shift do to a picture of 64 px: where the training set has doubles
MOST_LIMIT = 0.06  # where training pictures are few or all different: what differs by more is to the eye no copy
CANDIDATES = 8  # pictures that are laid over each one
LAYOUT = 7  # positions a side of the map that chooses them
SIDE, SHIFT = 64, 2  # pixels at which pictures are shifted by up to that many, then halved and compared
BLOCK = 64  # pictures that are laid over their candidates at a time
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Looks:
    """What comparing N pictures takes, 28 KB each: `features` (N, 1280), pooled, `layout` (N, 112, 7, 7), each
    position of length 1, in half precision, `small` (N, 3, 64, 64) uint8."""

    features: Tensor
    layout: Tensor
    small: Tensor

    def __len__(self) -> int:
        return len(self.small)


@torch.inference_mode()
def look(network: EfficientNetLite0, pictures: Iterable[Tensor]) -> Looks:
    """Look once at uint8 pictures (3, H, W) of one size; the result is on the CPU."""
    device = next(network.parameters()).device
    features, layouts, smalls = [], [], []
    for batch in batches(pictures):
        maps = network.pyramid(preprocess(batch.to(device)))
        features.append(network.pool(maps[-1]).float().cpu())
        layouts.append(F.normalize(F.adaptive_avg_pool2d(maps[2].float(), LAYOUT), dim=1).half().cpu())
        smalls.append(_resize(batch))
    return Looks(torch.cat(features), torch.cat(layouts), torch.cat(smalls))


def _resize(batch: Tensor) -> Tensor:
    if batch.shape[2:] == (SIDE, SIDE):
        return batch
    x = F.interpolate(batch.float(), (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
    return x.round().clamp(0, 255).to(torch.uint8)


@torch.inference_mode()
def nearest_alike(queries: Looks, references: Looks | None = None) -> tuple[Tensor, Tensor]:
    """For each picture the distance to the reference most like it, and which: both (N,).

    Distances are root mean squares of what differs, of 1 from black to white. Without references each is compared
    with the others of the same set.
    """
    distance, index = alike(queries, references)
    return distance[:, 0], index[:, 0]


@torch.inference_mode()
def alike(queries: Looks, references: Looks | None = None) -> tuple[Tensor, Tensor]:
    """The distances to the candidates of each picture, nearest first, and which these are: both (N, CANDIDATES).

    Fewer than CANDIDATES where there are fewer references.
    """
    others = references or queries
    count = min(CANDIDATES, len(others) - (references is None))
    if count < 1:
        raise ValueError(f"{len(others)} pictures are too few to compare: give 2 or more.")
    known, shown = others.layout.flatten(1).float(), _inner(_tiny(others.small))
    distances, indices = [], []
    for start in range(0, len(queries), BLOCK):
        layout = queries.layout[start : start + BLOCK].float()
        product = torch.maximum(layout.flatten(1) @ known.T, layout.flip(3).flatten(1) @ known.T)
        if references is None:
            rows = torch.arange(len(layout))
            product[rows, rows + start] = -torch.inf
        chosen = product.topk(count, dim=1).indices  # (n, K)
        distance = _overlay(queries.small[start : start + BLOCK], shown[chosen])
        order = distance.argsort(dim=1)
        distances.append(distance.gather(1, order))
        indices.append(chosen.gather(1, order))
    return torch.cat(distances), torch.cat(indices)


def _overlay(small: Tensor, candidates: Tensor) -> Tensor:
    """Distances (n, K) of pictures (n, 3, 64, 64) to the candidates (n, K, 3, h, h), in the best position."""
    n, count = candidates.shape[:2]
    views = [
        _tiny(F.pad(shown.float(), (SHIFT,) * 4, mode="replicate")[..., y : y + SIDE, x : x + SIDE])
        for shown in (small, small.flip(3))
        for y in range(2 * SHIFT + 1)
        for x in range(2 * SHIFT + 1)
    ]
    placed = _inner(torch.stack(views, dim=1))  # (n, 50, 3, h, h)
    flat, known = placed.flatten(2), candidates.flatten(2)
    squares = flat.square().sum(2)[:, :, None] + known.square().sum(2)[:, None] - 2 * flat @ known.transpose(1, 2)
    best = squares.argmin(dim=1)  # (n, K)
    a = placed[torch.arange(n)[:, None], best].flatten(0, 1)
    return _rest(a, candidates.flatten(0, 1)).reshape(n, count)


def _inner(tiny: Tensor) -> Tensor:
    """Without the border that a shift may bring in."""
    border = SHIFT // 2
    return tiny[..., border:-border, border:-border]


def _rest(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square (P,) of a - b (P, 3, h, h), less what a shift by up to three quarters of a pixel explains."""
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


def _tiny(small: Tensor) -> Tensor:
    """(N, 3, 64, 64), 0..255 -> (N, 3, 32, 32): luminance, and two differences of colour at half of that, where JPEG,
    which halves them, leaves them alone."""
    x = F.avg_pool2d(small.float() / 255, 2)
    luma = (x * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    colour = torch.cat([(x[:, 2:] - luma) * 0.564, (x[:, :1] - luma) * 0.713], dim=1)  # as JPEG scales them
    colour = F.interpolate(F.avg_pool2d(colour, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.cat([luma, colour], dim=1)


def copy_limit(training: Looks, quantile: float = COPY_QUANTILE) -> float:
    """The distance below which a picture is a copy: nearer than all but `quantile` of the training pictures are to
    their nearest other one, within LEAST_LIMIT and MOST_LIMIT."""
    return min(max(LEAST_LIMIT, nearest_alike(training)[0].quantile(quantile).item()), MOST_LIMIT)


def find_repeats(drawn: Looks, limit: float, order: Iterable[int] | None = None) -> dict[int, int]:
    """Which to leave out so that of each bunch of pictures nearer than the limit the first stays, with that one.

    `order` says who comes first; what is near to a left-out picture repeats the same one.
    """
    if len(drawn) < 2:
        return {}
    distances, indices = alike(drawn)
    near: list[set[int]] = [set() for _ in range(len(drawn))]
    for row, candidate in (distances < limit).nonzero().tolist():
        other = int(indices[row, candidate])
        near[row].add(other)
        near[other].add(row)
    repeats: dict[int, int] = {}
    seen: set[int] = set()
    for row in order if order is not None else range(len(drawn)):
        if row in seen:
            continue
        bunch = {row}
        waiting = [row]
        while waiting:
            new = near[waiting.pop()] - bunch - seen
            bunch |= new
            waiting += new
        seen |= bunch
        repeats |= dict.fromkeys(bunch - {row}, row)
    return repeats


def realistic(drawn: Looks, training: Looks | None = None) -> Tensor:
    """The realism (N,) of each picture, see `generate.measuring.metrics.realism`, by what it shows and by where that is.

    Pooled features alone ranked noise among the worst samples of a real generator, not behind them; with the map of
    positions beside them, both brought to the same spread, it came last. Without training pictures they are judged
    by each other: what is unlike all the others is not realistic.
    """
    known = training or drawn
    parts = [(known.features, drawn.features), (known.layout.flatten(1).float(), drawn.layout.flatten(1).float())]
    spreads = [real.var(dim=0).sum().sqrt().clamp_min(1e-6) for real, _ in parts]
    real, fake = (
        torch.cat([part[i] / spread for part, spread in zip(parts, spreads, strict=True)], dim=1) for i in (0, 1)
    )
    return realism(real, None if training is None else fake)
