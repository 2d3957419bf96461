"""What folders of pictures are called on the site: in addresses and in sentences. Both halves name them here.

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

NAMES_FILE = "categories.json"  # among the pictures, says how their categories are called
LONGEST = 64  # characters of a slug
NOTHING_LEFT = "picture"  # the slug of a name like "..."
NO_PLURALS = ("ss", "us", "is", "'s", "\N{RIGHT SINGLE QUOTATION MARK}s")  # ends of glass, cactus, iris, children's
SINGULAR = frozenset(  # other words with an s that are singular: no rule tells Christmas from pizzas
    "christmas xmas texas kansas arkansas vegas dallas honduras douglas nicholas thomas jonas lucas judas pancreas "
    "athens brussels mars hermes moses james wales naples charles jules kudos cosmos lagos laos ethos pathos chaos "
    "rhinoceros asbestos thermos albatros physics mathematics athletics gymnastics ceramics graphics news swiss gas "
    "lens canvas atlas bias alias series species gallows mathematics economics politics caries rabies diabetes".split()
)
PLURAL_ONLY = frozenset(  # words that have no singular in the meaning that pictures show
    "trousers pants shorts jeans tights leggings pyjamas pajamas knickers panties underpants sweatpants breeches slacks "
    "dungarees overalls khakis chinos culottes clothes trunks jodhpurs leotards briefs undies lederhosen "
    "glasses eyeglasses spectacles sunglasses goggles binoculars headphones earphones earbuds "
    "scissors shears tweezers pliers pincers tongs forceps clippers nippers callipers calipers secateurs scales "
    "bellows stairs suspenders braces handcuffs cattle police groceries outskirts remains thanks goods".split()
)


def slug_of(name: str) -> str:
    """A name's part of an address: lower-case letters, digits and hyphens. Crème Brûlée -> creme-brulee, 🍣 -> sushi.

    Other scripts are transliterated; symbols of a name without letters are called what Unicode calls them.
    """
    if slug := slugify(name, max_length=LONGEST):
        return slug
    symbols = " ".join(
        unicodedata.name(char, f"u{ord(char):x}") for char in name if unicodedata.category(char)[0] in "LNSC"
    )
    return slugify(symbols, max_length=LONGEST) or NOTHING_LEFT


def plain_slug(name: str) -> str:
    """The slug that everybody expects of an English name: Black_cats -> black-cats; "" where there is none."""
    slug = "-".join(name.lower().replace("_", " ").replace("-", " ").split())
    return slug if slug == slug_of(name) else ""


def unique_slugs(names: Sequence[str]) -> list[str]:
    """A slug for each name, no two alike, whatever the order of the names.

    A name that is its own slug has that; of others with the same slug, the first in the alphabet has it and the next ones
    are numbered: cats, Cats and CATS are cats, cats-3 and cats-2. Of equal names the earlier one counts as the first.
    """
    slugs: dict[int, str] = {}
    taken: set[str] = set()
    for index in sorted(range(len(names)), key=lambda i: (slug_of(names[i]) != names[i], names[i], i)):
        base = slug = slug_of(names[index])
        number = 1
        while slug in taken:
            number += 1
            slug = f"{base[: LONGEST - len(str(number)) - 1].rstrip('-')}-{number}"
        slugs[index] = slug
        taken.add(slug)
    return [slugs[index] for index in range(len(names))]


def slug_notes(names: Iterable[str]) -> list[str]:
    """A sentence on those folders whose slugs are not what one would think; none if there are none."""
    names = [name for name in names if name]
    pairs = zip(names, unique_slugs(names), strict=True)
    odd = [
        f"{ascii(name) if not name.isprintable() else name} is {slug}"
        for name, slug in pairs
        if slug != plain_slug(name)
    ]
    return [f"In addresses of the site {', '.join(odd)}: rename folders for others, before training."] if odd else []


def words_of(folder: str) -> str:
    """A folder's name as words with capitals; words that have one keep theirs. my_iPhone, children's -> My iPhone, Children's."""
    words = readable(folder).replace("_", " ").replace("-", " ").split()
    return " ".join(word[:1].upper() + word[1:] if word.islower() else word for word in words)


def is_plural(name: str) -> bool:
    """Whether a name is a plural for good, as Reading Glasses is: these do not exist, and no a comes before it."""
    return bool(name) and name.split()[-1].lower() in PLURAL_ONLY


def looks_plural(name: str) -> bool:
    """Whether a name that nobody made singular is a plural: Cats is, Canvas and GPS are not."""
    last = name.split()[-1] if name.split() else ""
    word = last.lower()
    simple = word.endswith("s") and not word.endswith(NO_PLURALS) and word not in SINGULAR and not last.isupper()
    return is_plural(name) or (simple and word.isascii() and len(word) > 3)


def does_not_exist(name: str, plural: bool = False) -> str:
    """The sentence that a site is about: This Pineapple Does Not Exist, These Trousers Do Not Exist."""
    return f"These {name} Do Not Exist" if plural else f"This {name} Does Not Exist"


@dataclass(frozen=True)
class Label:
    """What somebody wants a category to be called."""

    name: str = ""  # "" if nobody said
    article: str | None = None  # None if nobody said; "" for what has none, such as hay
    plural: bool | None = None  # None if nobody said


def read_labels(text: bytes | str, place: str) -> dict[str, Label]:
    """The labels in a categories.json, by folder: {"nasa": "NASA rocket", "usb": {"name": "USB stick", "article": "a"}}.

    Raises GalleryError with `place`, where the text is from, for anything else.
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
            f'{place} does not say how categories are called: write {{"folder": "Name"}} or '
            '{"folder": {"name": "Name", "article": "an", "plural": false}}.'
        )
    return labels
