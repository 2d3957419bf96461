"""Make the title, category names, slugs and imaginary developers of a release."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import inflect
from faker import Faker

from gallery.names import (
    NAMES_FILE,
    Label,
    does_not_exist,
    head_of,
    is_plural,
    read_labels,
    unique_slugs,
    words_of,
)
from gallery.names import headline as headline
from gallery.names import slug_of as slug_of
from gallery.release import NAMED_TOGETHER, Category, names_name
from gallery.words import NO_PLURALS, PLURAL_ONLY, PLURALS, SINGULAR, SPECIMENS, plain_article
from generate.model.imagenet import imagenet_kinds

THIS = re.compile(r"This (.+) Does Not Exist", re.IGNORECASE)
THESE = re.compile(r"These (.+) Do Not Exist", re.IGNORECASE)
UNCOUNTED = frozenset(  # mass nouns, which take no article
    "broccoli,carbonara,chain mail,chocolate sauce,corn,dough,eggnog,face powder,guacamole,hairspray,hay,lotion,"
    "mashed potato,red wine,sunscreen,velvet".split(",")
)


def name_categories(
    folders: Mapping[str, int], title: str | None = None, labels: Mapping[str, Label] | None = None
) -> dict[str, Category]:
    """Name the category of each folder, given its number of pictures; "" means pictures in no folder.

    Slugs are unique. `labels` (see `read_names`) override names by folder.
    """
    labels = labels or {}
    named = {
        folder: name_category(folder, count) if folder else category_of_title(title, count)
        for folder, count in folders.items()
    }
    slugs = unique_slugs([folder or named[folder].name for folder in named])
    return {
        folder: _labelled(replace(category, slug=slug), labels.get(folder, Label()))
        for (folder, category), slug in zip(named.items(), slugs, strict=True)
    }


def read_names(samples: Path) -> dict[str, Label]:
    """Read the labels from categories.json in the folder or beside it. Raises GalleryError if it is damaged."""
    for folder in (samples, samples.absolute().parent):
        if (path := folder / NAMES_FILE).is_file():
            return read_labels(path.read_bytes(), str(path))
    return {}


def name_category(folder: str, count: int) -> Category:
    """Name the category of a folder in the singular: faces -> Face, as in "This Face Does Not Exist".

    ImageNet's names are singular already: chest_of_drawers -> Chest of Drawers.
    """
    if known := _imagenet_names().get(folder):
        return Category(slug_of(folder), headline(known), count, article(known), is_plural(known))
    name = words_of(folder)
    if not is_plural(name):
        words = name.split()
        head = head_of(words)
        name = " ".join([*words[:head], *map(singular, words[head : head + 1]), *words[head + 1 :]])
    return _category(slug_of(folder), name, count)


def category_of_title(title: str | None, count: int) -> Category:
    """Derive the category of pictures in no folder from the title: "This Emoji Does Not Exist" -> Emoji.

    "These Cats Do Not Exist" -> Cat; no title -> Picture.
    """
    title = (title or "").strip()
    if match := THIS.fullmatch(title):
        return _category(slug_of(match[1]), match[1], count)
    if match := THESE.fullmatch(title):
        return name_category(match[1], count)
    return _category(slug_of("picture"), "Picture", count)


def default_title(categories: list[Category]) -> str:
    """The default title: "This Face Does Not Exist", "These Jeans Do Not Exist", or Stuff for several categories."""
    if len(categories) != 1:
        return does_not_exist("Stuff")
    return does_not_exist(categories[0].name, categories[0].plural)


def singular(word: str) -> str:
    """faces -> face, iPhones -> iPhone; singular words are unchanged: food, glass, lens, Christmas, GPS."""
    many = word.lower()  # inflect treats capitalised words as family names: the Joneses
    if len(many) < 3 or many in SINGULAR | SPECIMENS | PLURAL_ONLY or word.isupper():
        return word
    one = PLURALS.get(many) or _singular(many)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(many, one, strict=False)))
    return word[:same] + one[same:]


def _singular(many: str) -> str:
    """The singular by inflect's rules if its plural is the word again, else the word."""
    if many.endswith(NO_PLURALS):
        return many
    one = _engine().singular_noun(many)
    if not one or _engine().plural_noun(many) == f"{many}es":  # the plural of lens is lenses, so lens is singular
        return many
    return str(one) if many in (_engine().plural_noun(one), f"{one}s" if str(one).endswith("o") else "") else many


def article(name: str) -> str:
    """ "a" or "an", by sound: an hour, a unicorn, an SUV, an 8-ball; "" for mass nouns such as hay."""
    if not name.strip() or name.lower() in UNCOUNTED:
        return ""
    return plain_article(name) or str(_engine().a(name)).partition(" ")[0]


def with_article(name: str) -> str:
    """ "an hourglass", "hay", "jeans"."""
    return name if is_plural(name) else f"{article(name)} {name}".strip()


def names_objects(named: Mapping[str, Sequence[Any]]) -> dict[str, bytes]:
    """Build the objects that store what the pictures of each category (slug) were recognised as; {} if none was.

    `named` holds the `names` of the pictures' rows. See `gallery.release.Catalog.names_object`.
    """
    texts = {slug: [percentages(names) for names in some] for slug, some in named.items()}
    if not any(text for some in texts.values() for text in some):
        return {}
    return {
        names_name(slug, chunk): json.dumps(some[start : start + NAMED_TOGETHER], ensure_ascii=False).encode()
        for slug, some in texts.items()
        for chunk, start in enumerate(range(0, len(some), NAMED_TOGETHER))
    }


def percentages(names: Any) -> str:
    """[["pineapple", 0.87], ["hedgehog", 0.06]] -> "87 % a pineapple, 6 % a hedgehog"; "" for anything else."""
    try:
        shares = [(str(name), round(100 * float(share))) for name, share in names or () if str(name).strip()]
    except (TypeError, ValueError, OverflowError):
        return ""
    return ", ".join(f"{share} % {with_article(name)}" for name, share in shares if share > 0)


def draw_developers(seed: str, count: int) -> tuple[str, ...]:
    """Make up names of people; the same seed gives the same names."""
    faker = Faker()
    faker.seed_instance(seed)
    return tuple(dict.fromkeys(f"{faker.first_name()} {faker.last_name()}" for _ in range(count)))


def _category(slug: str, name: str, count: int) -> Category:
    name = headline(name) or "Picture"
    return Category(slug, name, count, article(name), is_plural(name))


def _labelled(category: Category, label: Label) -> Category:
    name = label.name or category.name
    plural = (is_plural(name) if label.name else category.plural) if label.plural is None else label.plural
    said = article(name) if label.name else category.article
    return replace(category, name=name, article=said if label.article is None else label.article, plural=plural)


@cache
def _imagenet_names() -> dict[str, str]:
    """ImageNet's category names and synonyms, by folder name: with spaces, with underscores, or as a slug."""
    names = {name for kind in imagenet_kinds() for name in (kind.name, *kind.called)}
    return {folder: name for name in names for folder in (name, name.replace(" ", "_"), slug_of(name))}


@cache
def _engine() -> inflect.engine:
    return inflect.engine()
