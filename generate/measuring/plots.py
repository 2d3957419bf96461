"""Plot an evaluation: distances of samples to training pictures, and nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.figure
from torch import Tensor

from generate.figures import save_figure

STRIPS, NEIGHBOURS = 5, 4  # rows of the nearest samples, and of others; training pictures per row


def draw_distances(path: Path, drawn: Tensor, real: Tensor, limit: float) -> None:
    """Plot histograms of the distances of samples to training pictures (N,) and of training pictures to each other (M,)."""
    figure = matplotlib.figure.Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    most = max(drawn.max().item(), real.max().item(), limit) * 1.02
    for values, label, colour in [
        (real, "training pictures to each other", "tab:grey"),
        (drawn, "samples to training pictures", "tab:blue"),
    ]:
        axes.hist(values.numpy(), bins=50, range=(0, most), density=True, alpha=0.6, color=colour, label=label)
    axes.axvline(limit, color="tab:red", linestyle="--", label=f"copies: below {limit:.3f}")
    axes.set(xlabel="difference to the nearest training picture (0: identical)", ylabel="density", xlim=(0, most))
    axes.legend(loc="upper right")
    save_figure(figure, path)


def draw_neighbours(
    path: Path, drawn: Sequence[Tensor], real: Sequence[Tensor], distances: Tensor, indices: Tensor
) -> None:
    """Draw rows of a sample and its nearest training pictures: first the nearest samples, then others."""
    order = distances[:, 0].argsort().tolist()
    others = order[STRIPS :: max(1, (len(order) - STRIPS) // STRIPS)][:STRIPS]
    shown = order[:STRIPS] + others
    count = min(NEIGHBOURS, distances.shape[1])
    figure = matplotlib.figure.Figure(figsize=(1.5 * (count + 1), 1.75 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), count + 1, squeeze=False)
    for row, sample in enumerate(shown):
        strip = [(drawn[sample], "sample", "tab:blue")]
        for near in range(count):
            strip.append((real[int(indices[sample, near])], f"{distances[sample, near]:.3f}", "black"))
        for axes, (picture, title, colour) in zip(grid[row], strip, strict=True):
            axes.imshow(picture.permute(1, 2, 0).numpy())
            axes.set_title(title, fontsize=9, color=colour)
            axes.axis("off")
    figure.suptitle(
        f"The {min(STRIPS, len(order))} samples most similar to a training picture, then others.\n"
        "To the right of each sample: its nearest training pictures and their differences",
        fontsize=9,
    )
    save_figure(figure, path)
