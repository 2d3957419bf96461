"""Names of categories: slugs for URLs, and words for sentences.

from gallery.names import unique_slugs
unique_slugs(["寿司", "Cats", "cats"])  # ["shou-si", "cats-2", "cats"]
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slugify import slugify

from gallery import GalleryError
from gallery.fields import loads, readable

NAMES_FILE = "categories.json"  # among the pictures; names their categories
MAX_SLUG = 64  # characters
FALLBACK_SLUG = "picture"  # of a name like "..."
NO_PLURALS = ("ss", "us", "is", "'s", "\N{RIGHT SINGLE QUOTATION MARK}s")  # endings of glass, cactus, iris, children's
SINGULAR = frozenset(  # other singular words that end with an s
    "christmas xmas texas kansas arkansas vegas dallas honduras douglas nicholas thomas jonas lucas judas pancreas "
    "athens brussels mars hermes moses james wales naples charles jules kudos cosmos lagos laos ethos pathos chaos "
    "rhinoceros asbestos thermos albatros physics mathematics athletics gymnastics ceramics graphics news swiss gas "
    "lens canvas atlas bias alias series species gallows mathematics economics politics caries rabies diabetes".split()
)
PLURAL_ONLY = frozenset(  # words without a singular, at least for what pictures show
    "trousers pants shorts jeans tights leggings pyjamas pajamas knickers panties underpants sweatpants breeches slacks "
    "dungarees overalls khakis chinos culottes clothes trunks jodhpurs leotards briefs undies lederhosen "
    "glasses eyeglasses spectacles sunglasses goggles binoculars headphones earphones earbuds "
    "scissors shears tweezers pliers pincers tongs forceps clippers nippers callipers calipers secateurs scales "
    "bellows stairs suspenders braces handcuffs cattle police groceries outskirts remains thanks goods".split()
)


def slug_of(name: str) -> str:
    """Return a name's part of a URL: lower-case letters, digits and hyphens. Crème Brûlée -> creme-brulee, 🍣 -> sushi.

    Other scripts are transliterated; symbols get their Unicode names if the name has no letters.
    """
    if slug := slugify(name, max_length=MAX_SLUG):
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
    odd = [
        f"{ascii(name) if not name.isprintable() else name} is {slug}"
        for name, slug in pairs
        if slug != expected_slug(name)
    ]
    return [f"In the site's URLs, {', '.join(odd)}: to change that, rename the folders before training."] if odd else []


def words_of(folder: str) -> str:
    """Return a folder's name as capitalized words, keeping existing capitals: my_iPhone -> My iPhone."""
    words = readable(folder).replace("_", " ").replace("-", " ").split()
    return " ".join(word[:1].upper() + word[1:] if word.islower() else word for word in words)


def is_plural(name: str) -> bool:
    """True for a name without a singular, such as Reading Glasses."""
    return bool(name) and name.split()[-1].lower() in PLURAL_ONLY


def looks_plural(name: str) -> bool:
    """True if a name seems to be a plural: Cats does, Canvas and GPS don't."""
    last = name.split()[-1] if name.split() else ""
    word = last.lower()
    simple = word.endswith("s") and not word.endswith(NO_PLURALS) and word not in SINGULAR and not last.isupper()
    return is_plural(name) or (simple and word.isascii() and len(word) > 3)


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
