"""The last line of a command: what to run next, with the names that were really used, ready to be pasted.

click.echo(f"Next: {command_line('curate', samples, 'chosen', *train_option(data))}")
"""

from __future__ import annotations

import shlex
from pathlib import Path

EXAMPLE_TITLE = "This Thing Does Not Exist"


def command_line(job: str, *arguments: object) -> str:
    """A command of this package, quoted for a shell."""
    return "python -m generate " + shlex.join([job, *as_words(*arguments)])


def as_words(*arguments: object) -> list[str]:
    """Arguments of a command; a path that looks like an option as ./-x."""
    return [f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in arguments]


def train_option(data: Path | None) -> list[object]:
    """--train with the prepared pictures, if they are known."""
    return ["--train", data] if data else []


def title_option(has_categories: bool) -> list[object]:
    """--title for pictures that no folder names."""
    return [] if has_categories else ["--title", EXAMPLE_TITLE]


def to_bucket(job: str, *arguments: object) -> str:
    """A command whose arguments name the folder `bucket`, which must exist."""
    line = command_line(job, *arguments)
    return line if Path("bucket").is_dir() else f"mkdir -p bucket && {line}"
