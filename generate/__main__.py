"""`python -m generate JOB`: the group of commands, nothing else. Each job lives in the file of its name."""

from __future__ import annotations

import errno
import importlib
from typing import Any

import click

from gallery import GalleryError

JOBS = {
    "site": "Run all steps: from a search or a folder to a site.",
    "collect": "Collect pictures from a folder, an archive, URLs or a search.",
    "prepare": "Crop, resize and filter pictures for training.",
    "train": "Train a generator on prepared pictures; resumes.",
    "sample": "Draw pictures from a trained generator.",
    "curate": "Drop copies, failures and near-duplicates among samples.",
    "recognise": "Classify pictures and sort them into categories.",
    "evaluate": "Measure quality, diversity and copies of samples.",
    "explore": "Visualise the latent space: video, style mixing, directions.",
    "publish": "Upload a folder of pictures as a bucket's new release.",
    "refill": "Sample, curate and publish in one command.",
    "releases": "List releases, roll back, delete old ones.",
    "export": "Convert a run: ONNX, Hugging Face, lightweight_gan.",
}


CURES = {  # for operating system errors; for all others: check the path
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EACCES: "allow this user to use it",
    errno.EPERM: "allow this user to use it",
    errno.EROFS: "choose a folder that can be written to",
}


class Jobs(click.Group):
    """Imports a job only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(JOBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in JOBS:
            return None
        command: click.Command = importlib.import_module(f"generate.{name}").command
        command.name = name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Jobs"):
            formatter.write_dl(list(JOBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GalleryError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            if error.errno in (
                None,
                errno.EPIPE,
            ):  # EPIPE: the reader, such as `head`, closed the pipe; click exits quietly
                raise
            where = f" ({error.filename})" if error.filename else ""
            cure = f"{CURES.get(error.errno, 'check that path')}, then run the same command again to continue"
            raise click.ClickException(f"{error.strerror}{where}: {cure}.") from None


@click.group(cls=Jobs, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """From a folder of pictures to the bucket of a "This Stuff Does Not Exist" site.

    \b
    All steps in one:
      python -m generate site "search:pineapple" pineapple.site
    Step by step:
      python -m generate prepare photos prepared --size 256
      python -m generate train prepared runs/mine
      python -m generate refill runs/mine bucket --count 384 --train prepared
    """


if __name__ == "__main__":
    main(prog_name="python -m generate")
