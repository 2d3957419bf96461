"""Open a generator of any family: what a file is, its content decides, not its name.

from generate.model.opening import open_model
model = open_model("runs/mine")
"""

from __future__ import annotations

from pathlib import Path

import torch

from generate.model.family import Model
from generate.model.generator import load_generator


def open_model(source: str | Path, device: torch.device | None = None) -> Model:
    """The model of a run folder or of a file. Raises click.ClickException if it holds none that is known."""
    return load_generator(Path(source), device)
