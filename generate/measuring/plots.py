"""The plots of an evaluation: how near samples are to training pictures, and the nearest of these."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.figure
from torch import Tensor

from generate.figures import save_figure

STRIPS, NEIGHBOURS = 5, 4  # rows of the nearest samples, and as many of others; training pictures in a row


def draw_distances(path: Path, drawn: Tensor, real: Tensor, limit: float) -> None:
    """Histograms of the distances (N,) of samples to training pictures and (M,) of training pictures to each other."""
    figure = matplotlib.figure.Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    most = max(drawn.max().item(), real.max().item(), limit) * 1.02
    for values, label, colour in [
        (real, "training pictures to each other", "tab:grey"),
        (drawn, "samples to training pictures", "tab:blue"),
    ]:
        axes.hist(values.numpy(), bins=50, range=(0, most), density=True, alpha=0.6, color=colour, label=label)
    axes.axvline(limit, color="tab:red", linestyle="--", label=f"copies are left of {limit:.3f}")
    axes.set(xlabel="difference to the nearest training picture (0 is the same)", ylabel="density", xlim=(0, most))
    axes.legend(loc="upper right")
    save_figure(figure, path)


def draw_neighbours(
    path: Path, drawn: Sequence[Tensor], real: Sequence[Tensor], distances: Tensor, indices: Tensor
) -> None:
    """Rows of a sample and the training pictures nearest to it: first the samples that are nearest, then others."""
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
        f"The {min(STRIPS, len(order))} samples most like a training picture, then others.\n"
        "To the right of each the training pictures nearest to it, with their differences",
        fontsize=9,
    )
    save_figure(figure, path)
