"""Export a run as a folder for the Hugging Face Hub: weights, configuration, model card and a sheet of samples.

from generate.model.opening import open_model
write_hub_folder(open_model("runs/mine"), Path("runs/mine"), Path("exported"), {"frechet": 120.0}, "mit", "anna/cakes")
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from generate.figures import contact_sheet
from generate.folders import atomic_folder, check_outside_data, content
from generate.images import atomic_path, to_picture, write_text
from generate.model.drawing import categories_of, draw_each, file_name
from generate.model.family import Model
from generate.model.portable import require_lightweight

SHEET = "samples.jpg"
SHOWN, COLUMNS = 48, 8
WEIGHTS = ("generator.safetensors", "discriminator.safetensors")
MEASURES = ("frechet", "kernel", "precision", "recall", "copies", "duplicates")
NETWORKS = {"lite0": "EfficientNet-lite0", "inception": "Inception", "dinov2": "DINOv2"}
CONFIG, CARD = "config.json", "README.md"
OWNER = "OWNER"  # stands for who will upload it, in the commands of the card
# Identifiers of licences that the Hub knows; it takes any other as `other` with a name.
LICENCES = frozenset(
    "unknown apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigcode-openrail-m openrail++ afl-3.0 artistic-2.0 "
    "bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 "
    "cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 "
    "cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 agpl-3.0 "
    "gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc ms-pl mpl-2.0 odc-by odbl osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl".split()
)


def write_hub_folder(
    model: Model, run: Path, dest: Path, measured: Mapping[str, Any], licence: str = "", repository: str = ""
) -> None:
    """Write generator.safetensors, discriminator.safetensors (if the run has one), config.json, samples.jpg and README.md.

    README.md is the model card, with the `measured` metrics and the commands that draw from `repository`. An earlier export in
    `dest` is replaced as a whole. Raises click.ClickException if `train` did not make the model, or `dest` holds anything else or
    is in a folder of training pictures.
    """
    ours = require_lightweight(model, "written as a folder for the hub", "upload its own files")
    _check_dest(dest)
    source = run if run.is_dir() else run.parent
    generator = run if run.is_file() else source / WEIGHTS[0]
    if "checkpoint" in model.made:
        raise click.ClickException(
            f"{run} is of the lightweight_gan command: upload {model.made['checkpoint']} as model.pt, and its configuration as config.json."
        )
    pictures = draw_each(model, categories_of(model, SHOWN), 0, precision="fp32")
    with atomic_folder(dest) as folder:
        sheet = contact_sheet([to_picture(picture) for picture in pictures], COLUMNS)
        with atomic_path(folder / SHEET) as temporary:
            sheet.save(temporary, "JPEG", quality=90)
        write_text(folder / CONFIG, json.dumps({"family": ours.family, **asdict(ours.network)}, indent=2) + "\n")
        write_text(folder / CARD, model_card(model, measured, licence, repository or repository_of(dest)))
        for name, file in zip(WEIGHTS, (generator, source / WEIGHTS[1]), strict=True):
            if file.is_file():
                with atomic_path(folder / name) as temporary:
                    shutil.copyfile(file, temporary)


def repository_of(dest: Path) -> str:
    """OWNER/NAME, with the folder's name as NAME, or with what is left of it by the Hub's rules."""
    name = re.sub(r"[^A-Za-z0-9_]+", "-", dest.resolve().name.removesuffix(".git")).strip("-")[:80].strip("-")
    return f"{OWNER}/{name or 'model'}"


def metadata(model: Model, licence: str) -> str:
    """The YAML at the top of the card, which the Hub's search and licence filter read."""
    from huggingface_hub import ModelCardData  # imported late: few need it

    identifier = re.sub(r"[^a-z0-9.+]+", "-", licence.lower()).strip("-") or "unknown"
    known = identifier in LICENCES
    task = None if model.categories else "unconditional-image-generation"
    card = ModelCardData(
        license=identifier if known else "other",
        license_name=None if known else identifier,
        pipeline_tag=task,
        tags=["gan", "image-generation", "lightweight-gan"],
    )
    return f"---\n{card.to_yaml()}\n---"


def model_card(model: Model, measured: Mapping[str, Any], licence: str, repository: str) -> str:
    """The model card, README.md, of a model on the Hub. Its commands draw from hf:`repository`."""
    made = model.made
    kinds = f" of {', '.join(model.categories)}" if model.categories else ""
    facts = {
        "training pictures": made.get("data"),
        "how many": made.get("pictures"),
        "shown in training, thousands": made.get("kimg"),
        "samples measured": measured.get("samples"),
        **{name: measured.get(name) for name in MEASURES},
    }
    owner = ", with the owner of this repository for `OWNER`" if repository.startswith(f"{OWNER}/") else ""
    lines = [
        metadata(model, licence),
        "",
        f"# {repository.rpartition('/')[2]}",
        "",
        f"Draws pictures of {model.size} px{kinds} that do not exist. Samples of seeds 0 to {SHOWN - 1}, not chosen:",
        "",
        f"![Samples]({SHEET})",
        "",
        "## How to sample",
        "",
        f"In the folder of This Stuff Does Not Exist{owner}:",
        "",
        "```sh",
        "pip install -r generate/requirements.txt",
        f"python -m generate sample hf:{repository} samples --count {SHOWN}",
        "```",
        "",
        f"`samples/{file_name(0, 'jpg', (*model.categories, '')[0])}` is then the first picture above.",
        "",
        "## How it was made",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {name} | {value:.4g} |" if isinstance(value, float) else f"| {name} | {_cell(value)} |"
              for name, value in facts.items() if value is not None]  # fmt: skip
    if "frechet" in measured:
        network = NETWORKS[measured.get("features", "lite0")]
        lines += [
            "",
            f"Frechet and kernel distance, precision and recall are on {network}'s features: compare them only with others on these.",
        ]
    lines += [
        "",
        "The licence of the training pictures decides what may be done with these pictures; say here what they are.",
        "",
    ]
    return "\n".join(lines)


def _cell(value: object) -> str:
    """A fact as the text of a table's cell; folders of training pictures have any name."""
    return " ".join(str(value).split()).replace("|", r"\|")


def _check_dest(dest: Path) -> None:
    """Raises click.ClickException unless `dest` is new, empty or an earlier export, or if it is in a folder of training pictures."""
    check_outside_data(dest)
    if dest.is_symlink() and not dest.exists():
        raise click.ClickException(f"{dest} is a link that leads nowhere: delete it, or choose another DEST.")
    if dest.exists() and not dest.is_dir():
        raise click.ClickException(f"{dest} is a file: choose another DEST.")
    names = content(dest) if dest.is_dir() else []
    others = [name for name in names if name not in (*WEIGHTS, CONFIG, CARD, SHEET)]
    if others or (names and not {CONFIG, CARD, WEIGHTS[0]} <= set(names)):
        raise click.ClickException(
            f"{dest} holds something that export did not put there ({(others or names)[0]!r}): choose another DEST."
        )
