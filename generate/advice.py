"""The `Next:` line of a command: the next command with the actual paths, ready to paste.

click.echo(f"Next: {command_line('curate', samples, 'chosen', *train_option(data))}")
"""

from __future__ import annotations

import shlex
from pathlib import Path

EXAMPLE_TITLE = "This Thing Does Not Exist"


def command_line(job: str, *arguments: object) -> str:
    """A `python -m generate` command line, quoted for a shell."""
    return "python -m generate " + shlex.join([job, *as_words(*arguments)])


def as_words(*arguments: object) -> list[str]:
    """Arguments as strings; a path such as -x becomes ./-x, so it is not read as an option."""
    return [f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in arguments]


def train_option(data: Path | None) -> list[object]:
    """--train DATA, or nothing if `data` is None."""
    return ["--train", data] if data else []


def title_option(has_categories: bool) -> list[object]:
    """--title, unless categories provide the title."""
    return [] if has_categories else ["--title", EXAMPLE_TITLE]


def to_bucket(job: str, *arguments: object) -> str:
    """A command that writes to the folder `bucket`, preceded by mkdir if it does not exist."""
    line = command_line(job, *arguments)
    return line if Path("bucket").is_dir() else f"mkdir -p bucket && {line}"
