"""Export a run as a folder for the Hugging Face Hub: weights, configuration, model card and a sheet of samples.

from generate.model.opening import open_model
write_hub_folder(open_model("runs/mine"), Path("runs/mine"), Path("exported"), {"frechet": 120.0})
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from generate.figures import contact_sheet
from generate.folders import check_outside_data
from generate.images import atomic_path, to_picture, write_text
from generate.model.drawing import draw_evenly
from generate.model.family import Model
from generate.model.portable import require_lightweight

SHEET = "samples.jpg"
SHOWN, COLUMNS = 48, 8
WEIGHTS = ("generator.safetensors", "discriminator.safetensors")
MEASURES = ("frechet", "precision", "recall", "copies")


def write_hub_folder(model: Model, run: Path, dest: Path, measured: Mapping[str, Any], licence: str = "") -> None:
    """Write generator.safetensors, discriminator.safetensors (if the run has one), config.json, samples.jpg and README.md.

    README.md is the model card, with the `measured` metrics. Raises click.ClickException if `train` did not make the model or
    `dest` is in a folder of training pictures.
    """
    ours = require_lightweight(model)
    check_outside_data(dest)
    source = run if run.is_dir() else run.parent
    dest.mkdir(parents=True, exist_ok=True)
    pictures, _ = draw_evenly(model, SHOWN, 0, precision="fp32")
    with atomic_path(dest / SHEET) as temporary:
        contact_sheet([to_picture(picture) for picture in pictures], COLUMNS).save(temporary, "JPEG", quality=90)
    write_text(dest / "config.json", json.dumps({"family": ours.family, **asdict(ours.network)}, indent=2) + "\n")
    write_text(dest / "README.md", model_card(model, measured, licence, dest.resolve().name))
    generator = run if run.is_file() else source / WEIGHTS[0]
    for name, file in zip(WEIGHTS, (generator, source / WEIGHTS[1]), strict=True):
        if file.is_file():
            with atomic_path(dest / name) as temporary:
                shutil.copyfile(file, temporary)


def model_card(model: Model, measured: Mapping[str, Any], licence: str, name: str) -> str:
    """The model card, README.md, of a model on the Hub."""
    made = model.made
    lines = [
        "---",
        f"license: {licence or 'unknown'}",
        "tags: [gan, image-generation, lightweight-gan]",
        "---",
        "",
        f"# {name}",
        "",
    ]
    kinds = f" of {', '.join(model.categories)}" if model.categories else ""
    lines += [
        f"Draws pictures of {model.size} px{kinds} that do not exist. Samples of seeds 0 to {SHOWN - 1}, not chosen:",
        "",
    ]
    lines += [f"![Samples]({SHEET})", "", "## How to sample", "", "```sh"]
    sampling = f"python -m generate sample hf:OWNER/{name} samples --count 384"
    lines += [
        "git clone REPOSITORY-OF-THIS-STUFF-DOES-NOT-EXIST && make setup && . .venv/bin/activate",
        sampling,
        "```",
        "",
    ]
    facts = {
        "training pictures": made.get("data"),
        "how many": made.get("pictures"),
        "shown in training, thousands": made.get("kimg"),
        **{name: measured.get(name) for name in MEASURES},
    }
    lines += ["## How it was made", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value:.4g} |" if isinstance(value, float) else f"| {name} | {value} |"
              for name, value in facts.items() if value is not None]  # fmt: skip
    lines += [
        "",
        "Frechet distance, precision and recall are on EfficientNet-lite0's features, so compare them only with others of that kind.",
        "",
    ]
    lines += [
        "The licence of the training pictures decides what may be done with these pictures; say here what they are.",
        "",
    ]
    return "\n".join(lines)
