"""Convert a run for other programs: a checkpoint of the lightweight_gan command, ONNX, or a Hugging Face model folder.

python -m generate export runs/mine exported --format onnx

python -m generate export runs/mine models/mine --number 12
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generate.advice import as_words, to_bucket
from generate.units import size_text

if TYPE_CHECKING:
    from generate.model.checkpoints import Checkpoint


class Repository(click.ParamType[str]):
    """The name of a repository on the Hugging Face hub, OWNER/NAME."""

    name = "owner/name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from huggingface_hub.errors import HFValidationError  # imported late: few need it
        from huggingface_hub.utils._validators import validate_repo_id

        try:
            validate_repo_id(value)
            fits = "/" in value
        except HFValidationError:
            fits = False
        if not fits:
            self.fail(f"{value!r} can't be a repository of the hub: write OWNER/NAME, as in anna/cakes.")
        return value


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path))
@click.option(
    "--format",
    type=click.Choice(("lightweight-gan", "onnx", "hub")),
    default="lightweight-gan",
    show_default=True,
    help="A checkpoint of the lightweight_gan command, an ONNX graph, or a Hugging Face model folder.",
)
@click.option(
    "--number",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="lightweight-gan: N of model_N.pt, which is also its step count.",
)
@click.option("--licence", default="", help="hub: the licence of the model, such as mit.  [default: unknown]")
@click.option(
    "--repository", type=Repository(), help="hub: where you will upload it.  [default: OWNER/ and the name of DEST]"
)
def command(run: Path, dest: Path, format: str, number: int, licence: str, repository: str | None) -> None:
    """Convert a run for other programs.

    lightweight-gan: writes the newest snapshot as DEST/model_N.pt, where DEST is that command's models/<name>. The
    reverse: `train --from model_12.pt` starts from such a checkpoint, and `sample` draws from it.

    onnx: writes DEST/generator.onnx, whose pictures differ from those of `sample` by at most 2 levels of 255.
    docs/live.md describes its inputs. RUN may also be a generator.safetensors.

    hub: writes the weights, a model card and a sheet of samples, ready to upload. The card has the scores of `evaluate RUN`,
    or else those measured in training. `sample DEST` draws the same pictures. A rerun replaces the whole folder.

    \b
    Examples:
      python -m generate export runs/mine models/mine --number 12
      python -m generate export runs/mine exported --format onnx
      python -m generate export runs/mine exported --format hub --licence mit --repository anna/cakes
    """
    if format == "onnx":
        export_onnx(run, dest)
    elif format == "hub":
        export_hub(run, dest, licence, repository)
    else:
        export_checkpoint(run, dest, number)


def export_onnx(run: Path, dest: Path) -> None:
    """Write DEST/generator.onnx. Raises click.ClickException for a generator that can't be exported."""
    from gallery.live import MODEL_FILE
    from generate.images import atomic_path
    from generate.model.opening import open_model
    from generate.model.portable import require_lightweight, to_onnx

    exported = to_onnx(require_lightweight(open_model(run)))
    dest.mkdir(parents=True, exist_ok=True)
    with atomic_path(dest / MODEL_FILE) as temporary:
        temporary.write_bytes(exported.data)
    click.echo(f"{dest / MODEL_FILE} is ready: {size_text(len(exported.data))}.")
    click.echo(f"Next: {to_bucket('refill', run, 'bucket', '--live')}")


def export_hub(run: Path, dest: Path, licence: str, repository: str | None) -> None:
    """Write the folder DEST. Raises click.ClickException for a model that `train` did not make, or a DEST that is the run."""
    from generate.model.opening import open_model
    from generate.releasing.hub import OWNER, repository_of, write_hub_folder

    if dest.exists() and dest.resolve() == (run if run.is_dir() else run.parent).resolve():
        raise click.ClickException(f"{dest} is the run itself: choose another DEST.")
    measured = measurements(run / "generator.safetensors" if run.is_dir() else run)
    repository = repository or repository_of(dest)
    write_hub_folder(open_model(run), run, dest, measured, licence, repository)
    click.echo(f"{dest} is ready. Read its README.md, and say there what the training pictures are.")
    place = repository.removeprefix(f"{OWNER}/")  # without an owner: in the account that is logged in
    click.echo(f"Next: {shlex.join(['hf', 'upload', place, *as_words(dest)])}")


def measurements(generator: Path) -> dict[str, Any]:
    """What `evaluate` measured of these weights, or else of the best snapshot in training; empty if nothing was measured.

    An evaluation that is older than the weights was of others.
    """
    from generate.images import read_json
    from generate.measuring.verdicts import EVALUATION
    from generate.training.stats import best_row, read_rows

    run = generator.parent
    record = run / "evaluation" / EVALUATION
    if record.is_file() and record.stat().st_mtime >= generator.stat().st_mtime:
        found = read_json(record)
        if "frechet" in found:
            return found
    rows = [row for row in read_rows(run) if "frechet" in row]
    return dict(best_row(rows)) if rows else {}


def export_checkpoint(run: Path, dest: Path, number: int) -> None:
    """Write DEST/model_<number>.pt. Raises click.ClickException for a run that the package can't load."""
    from generate.model.checkpoints import write_checkpoint

    checkpoint = checkpoint_of(run)
    path = write_checkpoint(dest, number, checkpoint)
    widest = [] if checkpoint.network.fmap_max == 512 else ["--fmap-max", str(checkpoint.network.fmap_max)]
    place = dest.resolve()
    theirs = [
        "lightweight_gan",
        f"--name={for_fire(place.name)}",
        f"--models-dir={for_fire(str(place.parent))}",
        *widest,
    ]
    click.echo(f"{path} is ready.")
    click.echo(f"Next: {shlex.join([*theirs, '--load-from', str(number), '--generate'])}")


def for_fire(word: str) -> str:
    """The word for a command line of Python Fire, which reads 123 as a number and a,b as a tuple unless they are quoted."""
    from fire.parser import DefaultParseValue

    return word if DefaultParseValue(word) == word else repr(word)


def checkpoint_of(run: Path) -> Checkpoint:
    """What the newest snapshot of a run holds. Raises click.ClickException if there is none."""
    from generate.model.checkpoints import Checkpoint
    from generate.model.networks import NetworkOptions, read_options
    from generate.training.options import read_options_of
    from generate.training.snapshots import read_newest

    if run.is_file():
        raise click.ClickException(
            f"{run} is a file: this format is made of a run folder of `train`, with its snapshots."
        )
    state = read_newest(run)
    if state is None:
        raise click.ClickException(
            f"{run} has no snapshot to export: train it first (python -m generate train DATA {run})."
        )
    options = read_options_of(run)
    if reason := foreign_to_the_package(options):
        raise click.ClickException(
            f"{run} was trained with {reason}, which the lightweight_gan command can't load: "
            "draw from it with `sample`, or train a run with --discriminator lightweight for that command."
        )
    names = NetworkOptions.__dataclass_fields__
    network = read_options({name: options[name] for name in names if name in options})
    return Checkpoint(network, state["generator"], state["ema"], state["discriminator"])


def foreign_to_the_package(options: Mapping[str, Any]) -> str:
    """The option of a run that the lightweight_gan command has no place for; empty if there is none.

    Its command offers neither --latent-dim nor --fmap-inverse-coef: it always builds 256 and 12.
    """
    if options.get("discriminator") != "lightweight":
        return f"--discriminator {options.get('discriminator')}"
    if options.get("conditional"):
        return "--conditional"
    for name, builtin in (("latent_dim", 256), ("fmap_inverse_coef", 12)):
        if options.get(name, builtin) != builtin:
            return f"--{name.replace('_', '-')} {options[name]}"
    return ""
