"""Decode the names of archive members, whatever their code page, and make them unique.

python -c "from generate.collecting.member_names import *; print(without_clashes(['a.jpg', 'a.jpg']))"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import click
from charset_normalizer import from_bytes

CODE_PAGES = [
    "cp866",
    "cp932",
    "gbk",
    "cp949",
    "big5",
    "cp1251",
    "cp1252",
    "cp437",
    "cp850",
]  # used by old zip programs


def readable(names: Mapping[str, bytes], path: Path, encoding: str | None = None) -> dict[str, str]:
    """Decode names from bytes: as `encoding` if given, else as UTF-8, else as a guessed code page, which is reported.

    Raises click.ClickException if the names can't be decoded as `encoding`.
    """
    odd = {name: raw for name, raw in names.items() if not raw.isascii()}
    try:
        return {name: raw.decode(encoding or "utf-8") for name, raw in odd.items()}
    except LookupError:
        raise click.ClickException(f"{encoding} is not an encoding: say --names cp866, or utf-8.") from None
    except UnicodeDecodeError:
        if encoding:
            raise click.ClickException(
                f"The names in {path} are not in {encoding}: leave out --names, or say another."
            ) from None
    best = from_bytes(b"\n".join(odd.values()), cp_isolation=CODE_PAGES, threshold=0.9).best()
    guess = best.encoding if best else "cp437"
    decoded = {name: raw.decode(guess, errors="replace") for name, raw in odd.items()}
    click.echo(
        f"{len(odd)} names in {path} are in an old code page, read as {guess} ({next(iter(decoded.values()))}): if that is "
        "wrong, say --names with the right one into another DEST.",
        err=True,
    )
    return decoded


def without_clashes(names: Sequence[str]) -> list[str]:
    """Number names that repeat or equal a folder: a.jpg, a.jpg, b, b/c -> a.jpg, a-2.jpg, b-2, b/c."""
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    taken = folders | set(names)
    seen = set(folders)
    result = []
    for name in names:
        path, number, free = PurePosixPath(name), 1, name
        while free in (seen if number == 1 else taken):
            number += 1
            free = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        seen.add(free)
        taken.add(free)
        result.append(free)
    return result
