"""ImageNet's 1,000 categories: numbers, synsets and names, read from imagenet.tsv.

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

    number: int  # index of a classifier's output, 0 to 999
    synset: str  # of WordNet 3.0, as in n07753275
    name: str  # singular and unique: "Granny Smith apple"
    called: tuple[str, ...]  # common names, from the everyday word to the broadest: "apple", "fruit"
    words: tuple[str, ...]  # WordNet's synonyms


@cache
def imagenet_kinds() -> tuple[Kind, ...]:
    """Return all 1,000 in the order of classifiers' outputs, which is that of the synsets."""
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return tuple(
        Kind(number, synset, name, tuple(called.split("/")), tuple(words.split("; ")))
        for number, (synset, name, called, words) in enumerate(rows)
    )


def find_kind(text: str) -> Kind:
    """Find a category by name, synset, WordNet's synonym, common name ("apple") or number.

    Raises click.ClickException unless exactly one matches.
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
            f"{text!r} matches several of ImageNet's categories: {_listed(found)}. Give one of these names or numbers."
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
