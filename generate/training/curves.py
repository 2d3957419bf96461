"""Plots of a training run: curves.png and a time-lapse of its samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
from PIL import Image

from generate.figures import save_figure, write_video
from generate.training.augment import R_T_TARGET
from generate.training.stats import best_row, read_rows

ABOVE: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3, "frameon": False}  # legend position
FRAMES_PER_S, LAST_FRAME_S = 12, 2  # of the time-lapse


def draw_curves(run: Path) -> None:
    """Plot run/stats.jsonl to run/curves.png: quality, losses, r_t and speed over the pictures shown."""
    rows = read_rows(run)
    kimg = [row["kimg"] for row in rows]
    figure = matplotlib.figure.Figure(figsize=(8, 12), layout="constrained")  # no pyplot: no display, no global state
    distance, rates, losses, overfitting, speed = figure.subplots(5, 1, sharex=True)
    measured = [row for row in rows if "frechet" in row]
    at = [row["kimg"] for row in measured]
    distance.plot(at, [row["frechet"] for row in measured], ".-", color="tab:purple")
    with_fid = [row for row in measured if "fid" in row]
    if with_fid:
        distance.plot(
            [row["kimg"] for row in with_fid], [row["fid"] for row in with_fid], ".-", label="FID (Inception)"
        )
    distance.set(ylabel="Frechet distance", ylim=(0, None))
    if measured:
        best = best_row(rows)
        distance.plot(
            best["kimg"], best["frechet"], "o", color="tab:purple", fillstyle="none", markersize=12, label="best"
        )
        distance.legend(**ABOVE)
    for name in ("precision", "recall", "copies"):
        rates.plot(at, [row[name] for row in measured], ".-", label=name)
    rates.set(ylabel="share of pictures", ylim=(0, 1))
    rates.legend(**ABOVE)
    losses.plot(kimg, [row["loss_d"] for row in rows], ".-", label="discriminator")
    losses.plot(kimg, [row["loss_g"] for row in rows], ".-", label="generator")
    losses.set_ylabel("loss")
    losses.legend(**ABOVE)
    overfitting.plot(kimg, [row["r_t"] for row in rows], ".-", color="tab:red")
    overfitting.axhline(R_T_TARGET, linestyle="--", color="grey")
    overfitting.set(ylabel="r_t = E[sign(D(real))]\nabove the line: overfitting", ylim=(-1, 1))
    speed.plot(kimg, [row["pictures_s"] for row in rows], ".-", color="tab:green")
    speed.set(ylabel="pictures/s", xlabel="thousands of pictures shown", ylim=(0, None))
    for axes in (distance, rates, losses, overfitting, speed):
        axes.grid(alpha=0.3)
    figure.suptitle(run.name)
    save_figure(figure, run / "curves.png")


def write_time_lapse(run: Path) -> Path:
    """Write run/time-lapse.mp4 from run/samples-*.jpg, which all show the same seeds; return its path."""
    sheets = sorted(run.glob("samples-*.jpg"))
    sheets += sheets[-1:] * FRAMES_PER_S * LAST_FRAME_S
    path = run / "time-lapse.mp4"
    write_video(path, (_read(sheet) for sheet in sheets), FRAMES_PER_S)
    return path


def _read(picture: Path) -> np.ndarray:
    with Image.open(picture, formats=["JPEG"]) as image:
        return np.asarray(image.convert("RGB"))
