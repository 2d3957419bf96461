"""ImageNet's 1,000 categories: their numbers, their synsets and what they are called, read from imagenet.tsv beside this file.

python -c "from generate.model.imagenet import *; print(find_kind('granny smith'))"
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import click

TABLE = Path(__file__).with_name("imagenet.tsv")


@dataclass(frozen=True)
class Kind:
    """A category of ImageNet."""

    number: int  # of the networks' output, 0 to 999
    synset: str  # WordNet 3.0's, as in n07753275
    name: str  # singular and unlike any other: "Granny Smith apple"
    called: tuple[str, ...]  # what a picture of it is called, from the everyday word to the broadest: "apple", "fruit"
    words: tuple[str, ...]  # WordNet's


@cache
def imagenet_kinds() -> tuple[Kind, ...]:
    """All 1,000 in the order of the networks' outputs, which is that of the synsets."""
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return tuple(
        Kind(number, synset, name, tuple(called.split("/")), tuple(words.split("; ")))
        for number, (synset, name, called, words) in enumerate(rows)
    )


def find_kind(text: str) -> Kind:
    """The category of a name, a synset, one of WordNet's words, a word for it alone ("apple"), or a number.

    Raises click.ClickException if there is none, or several.
    """
    kinds = imagenet_kinds()
    wanted = " ".join(text.replace("_", " ").split()).casefold()
    if wanted.isascii() and wanted.isdecimal() and int(wanted) < len(kinds):
        return kinds[int(wanted)]
    found = (
        [kind for kind in kinds if wanted in (kind.name.casefold(), kind.synset)]
        or [kind for kind in kinds if wanted in _folded(kind.words)]
        or [kind for kind in kinds if wanted in _folded(kind.called)]
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise click.ClickException(
            f"{text!r} is more than one of ImageNet's categories: {_listed(found)}. Give one of these names or numbers."
        )
    every = {name for kind in kinds for name in _folded((kind.name, *kind.words))}
    near = set(get_close_matches(wanted, sorted(every), cutoff=0.75))
    meant = [kind for kind in kinds if near & {*_folded((kind.name, *kind.words))}]
    hint = f"Did you mean {_listed(meant)}?" if meant else "Give a name as in pineapple, or a number from 0 to 999."
    raise click.ClickException(f"{text!r} is not one of ImageNet's 1,000 categories. {hint}")


def _folded(names: Iterable[str]) -> list[str]:
    return [name.casefold() for name in names]


def _listed(kinds: list[Kind]) -> str:
    more = f" and {len(kinds) - 5} more" if len(kinds) > 5 else ""
    return ", ".join(f"{kind.name} ({kind.number})" for kind in kinds[:5]) + more
