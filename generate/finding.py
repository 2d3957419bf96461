"""Find the pictures in a folder by suffix and content, and report skipped files.

python -c "from generate.finding import *; print(look_through(Path('photos')).passed_over)"
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from generate.formats import FORMATS, HEAD, RAW, SUFFIXES, refusal, sniff, suffix_format
from generate.units import plural

HIDDEN = "hidden"
NO_PICTURE = "not a picture"
NOT_UTF8 = "a name that is not UTF-8: rename it"
DEEPEST = 200  # folders within each other; the path of more is mostly too long for the system
TOO_DEEP = f"below {DEEPEST} folders: move it up"
SHOWN = 5  # names listed per line about skipped files


@dataclass
class Found:
    """The files below a folder: pictures, and skipped files with reasons."""

    pictures: list[Path] = field(default_factory=list)  # sorted
    passed_over: list[tuple[Path, str]] = field(default_factory=list)
    outside: list[Path] = field(default_factory=list)  # links out of the folder; followed
    again: list[Path] = field(default_factory=list)  # links to folders that are searched anyway; not followed

    def lines(self, folder: Path) -> list[str]:
        """Lines that report skipped files and links."""
        below = [(path.relative_to(folder), reason) for path, reason in self.passed_over]
        return passed_over_lines(below) + self.link_lines(folder)

    def link_lines(self, folder: Path) -> list[str]:
        """Lines that report links and whether they were followed."""
        sides = ((self.outside, "lead out of it, followed"), (self.again, "lead back into it, not followed"))
        return [
            f"{plural(len(links), 'link')} in {folder} {what}: {_first([path.relative_to(folder) for path in links])}"
            for links, what in sides
            if links
        ]


def look_through(folder: Path) -> Found:
    """Sort every file below the folder into pictures and others. Links to folders are followed, each folder once."""
    found = Found()
    root = folder.resolve()
    for path in _files(folder, found):
        reason = why_not(path, folder)
        if not reason and path.is_symlink() and not path.resolve().is_relative_to(root):
            found.outside.append(path)
        if reason:
            found.passed_over.append((path, reason))
        else:
            found.pictures.append(path)
    found.pictures.sort()
    found.passed_over.sort()
    return found


def why_not(path: Path, folder: Path) -> str:
    """Why a file is skipped; "" for a picture. Opens only files without a known suffix."""
    if is_hidden(path.relative_to(folder)):
        return HIDDEN
    try:
        if not path.is_file():
            return "a link to nothing" if path.is_symlink() and not path.exists() else "not a file"
        if not is_utf8(str(path.relative_to(folder))):
            return NOT_UTF8
        if path.suffix.lower() in SUFFIXES:
            return ""
        with path.open("rb") as file:
            return why_not_content(path, file.read(HEAD))
    except OSError as error:
        return f"can't be read: {error.strerror}"


def why_not_content(path: PurePath, head: bytes) -> str:
    """Why a file with this name and these first bytes is skipped; "" for a picture."""
    if path.suffix.lower() in SUFFIXES:
        return ""
    name = sniff(head)
    if name in FORMATS and path.suffix.lower() not in RAW:
        return ""
    if other := suffix_format(path) or name:
        return refusal(other)
    return NO_PICTURE


def is_hidden(relative: PurePath) -> bool:
    """Whether any part of the path starts with a dot."""
    return any(part.startswith(".") for part in relative.parts)


def is_utf8(name: str) -> bool:
    """False for a name that is not UTF-8: Python decodes such bytes to lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in name)


def printable(name: str) -> str:
    """The name on one line, with control characters and non-UTF-8 bytes escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)


def passed_over_lines(passed_over: Iterable[tuple[object, str]]) -> list[str]:
    """One line per reason, with the count and the first names: "passed over 2 files, hidden: .a, .b"."""
    names: dict[str, list[object]] = {}
    for name, reason in passed_over:
        names.setdefault(reason, []).append(name)
    by_count = sorted(names.items(), key=lambda item: (-len(item[1]), item[0]))
    return [f"passed over {plural(len(some), 'file')}, {reason}: {_first(some)}" for reason, some in by_count]


def _first(names: Sequence[object]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(printable(str(name)) for name in names[:SHOWN]) + more


def _files(folder: Path, found: Found) -> Iterator[Path]:
    """Yield every file below the folder once: first its own, then those behind links to folders."""
    root = folder.resolve()
    seen: set[str] = set()
    links = [folder]

    def failed(error: OSError) -> None:
        found.passed_over.append((Path(error.filename), f"can't be read: {error.strerror}"))

    while links:
        top = links.pop(0)
        real = top.resolve()
        if top != folder and (str(real) in seen or root.is_relative_to(real)):
            found.again.append(top)
            continue
        if not real.is_relative_to(root):
            found.outside.append(top)
        for here, folders, names in os.walk(top, onerror=failed):
            below = Path(here)
            hidden = is_hidden(below.relative_to(folder))
            if not hidden:
                seen.add(os.path.realpath(here))
                shown = [below / name for name in sorted(folders) if name[0] != "."]
                links += [path for path in shown if os.path.islink(path)]  # noqa: PTH114  # is_symlink() raises for a long path
            folders[:] = [name for name in folders if os.path.realpath(below / name) not in seen]
            if len(below.relative_to(top).parts) == DEEPEST:
                found.passed_over += [(below / name, TOO_DEEP) for name in folders]
                folders.clear()
            yield from (below / name for name in names)
