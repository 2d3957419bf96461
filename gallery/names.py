"""Names of categories: slugs for URLs, and words for sentences.

from gallery.names import unique_slugs
unique_slugs(["寿司", "Cats", "cats"])  # ["shou-si", "cats-2", "cats"]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slugify import slugify

from gallery import GalleryError
from gallery.fields import loads, readable
from gallery.words import LINKS, NO_PLURALS, PLURAL_ONLY, PLURALS, SINGULAR, SMALL, SPECIMENS

NAMES_FILE = "categories.json"  # among the pictures; names their categories
MAX_SLUG = 64  # characters
FALLBACK_SLUG = "picture"  # of a name like "..."
HYPHENATED = re.compile(r"([^\W\d_]|\d{1,2})-\w")  # begins like x-rays and 18-wheelers


def slug_of(name: str) -> str:
    """Return a name's part of a URL: lower-case letters, digits and hyphens. Crème Brûlée -> creme-brulee, 🍣 -> sushi.

    Other scripts are transliterated; symbols get their Unicode names if the name has no letters.
    """
    if slug := slugify(name, entities=False, decimal=False, hexadecimal=False, max_length=MAX_SLUG):
        return slug
    symbols = " ".join(
        unicodedata.name(char, f"u{ord(char):x}") for char in name if unicodedata.category(char)[0] in "LNSC"
    )
    return slugify(symbols, max_length=MAX_SLUG) or FALLBACK_SLUG


def expected_slug(name: str) -> str:
    """Return the obvious slug of an English name, Black_cats -> black-cats, or "" if its slug is another one."""
    slug = "-".join(name.lower().replace("_", " ").replace("-", " ").split())
    return slug if slug == slug_of(name) else ""


def unique_slugs(names: Sequence[str]) -> list[str]:
    """Return a unique slug for each name, independent of the order of the names.

    A name that is its own slug keeps it. Other names with the same slug are numbered in alphabetical order: cats, Cats and
    CATS become cats, cats-3 and cats-2. Equal names are numbered in the given order.
    """
    slugs: dict[int, str] = {}
    taken: set[str] = set()
    for index in sorted(range(len(names)), key=lambda i: (slug_of(names[i]) != names[i], names[i], i)):
        base = slug = slug_of(names[index])
        number = 1
        while slug in taken:
            number += 1
            slug = f"{base[: MAX_SLUG - len(str(number)) - 1].rstrip('-')}-{number}"
        slugs[index] = slug
        taken.add(slug)
    return [slugs[index] for index in range(len(names))]


def slug_notes(names: Iterable[str]) -> list[str]:
    """Return a sentence that lists folders with unexpected slugs, or nothing if there are none."""
    names = [name for name in names if name]
    pairs = zip(names, unique_slugs(names), strict=True)
    odd = [f"{_shown(name)} is {slug}" for name, slug in pairs if slug != expected_slug(name)]
    return [f"In the site's URLs, {', '.join(odd)}: to change that, rename the folders before training."] if odd else []


def _shown(name: str) -> str:
    """A folder's name within a sentence: in quotes where spaces or control characters could not be seen."""
    name = f"{name[:30]}…{name[-9:]}" if len(name) > 40 else name
    return ascii(name) if not name.isprintable() else repr(name) if name != name.strip() else name


def words_of(folder: str) -> str:
    """A folder's name as words with capitals; words that have one keep theirs. my_iPhone, children's -> My iPhone, Children's.

    Hyphens separate words like underscores, except of names that have spaces or underscores too, and after a single letter
    or a number in front: black-cats, one-way streets, x-rays -> Black Cats, One-way Streets, X-rays.
    """
    name = readable(folder).replace("_", " ").strip()
    if " " not in name and not HYPHENATED.match(name):
        name = name.replace("-", " ")
    return headline(" ".join(word for word in name.split() if word.strip("-")))


def headline(name: str) -> str:
    """A name as in a title: cup of coffee -> Cup of Coffee."""
    return " ".join(
        word[:1].upper() + word[1:] if word.islower() and (i == 0 or word not in SMALL) else word
        for i, word in enumerate(name.split())
    )


def head_of(words: Sequence[str]) -> int:
    """The index of the noun that the others say more about: the last word, or the one before "of", "with", ...: Cups of Tea."""
    return next((i for i, word in enumerate(words[1:-1]) if word.lower() in LINKS), len(words) - 1)


def is_plural(name: str) -> bool:
    """Whether a name is a plural for good, as Reading Glasses and Cats and Dogs are: these do not exist, and no a comes before it."""
    words = name.split()
    if not words:
        return False
    together = bool({"and", "&"} & {word.lower() for word in words[1:-1]})
    return words[head_of(words)].lower() in PLURAL_ONLY or (together and _looks_plural(words[-1]))


def looks_plural(name: str) -> bool:
    """Whether a name that nobody made singular is a plural: Cats, Cups of Tea and Mice are, Canvas and GPS are not."""
    words = name.split()
    return is_plural(name) or (bool(words) and _looks_plural(words[head_of(words)]))


def _looks_plural(word: str) -> bool:
    many = word.lower()
    if many in PLURALS or (many.endswith("men") and many not in SPECIMENS):
        return True
    simple = many.endswith("s") and not many.endswith(NO_PLURALS) and many not in SINGULAR and not word.isupper()
    return simple and many.isascii() and len(many) > 3


def does_not_exist(name: str, plural: bool = False) -> str:
    """Return a site's title: This Pineapple Does Not Exist, These Trousers Do Not Exist."""
    return f"These {name} Do Not Exist" if plural else f"This {name} Does Not Exist"


@dataclass(frozen=True)
class Label:
    """The name of a category in a categories.json."""

    name: str = ""  # "": unspecified
    article: str | None = None  # None: unspecified; "": none, as for hay
    plural: bool | None = None  # None: unspecified


def read_labels(text: bytes | str, place: str) -> dict[str, Label]:
    """Parse a categories.json, by folder: {"nasa": "NASA rocket", "usb": {"name": "USB stick", "article": "a"}}.

    Raises GalleryError, which names the text's `place`, if it is invalid.
    """
    try:
        raw = loads(text)
        labels = {
            folder: Label(entry) if isinstance(entry, str) else Label(**entry) for folder, entry in dict(raw).items()
        }
    except (ValueError, TypeError, RecursionError):
        labels = {"": Label(name=None)}  # type: ignore[arg-type]
    if not all(
        isinstance(label.name, str) and isinstance(label.article, str | None) and label.plural in (None, False, True)
        for label in labels.values()
    ):
        raise GalleryError(
            f'{place} is not a table of category names: write {{"folder": "Name"}} or '
            '{"folder": {"name": "Name", "article": "an", "plural": false}}.'
        )
    return labels
