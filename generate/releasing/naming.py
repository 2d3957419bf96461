"""The words of a release: title, slugs and names of the categories, imaginary developers."""

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
from gallery.words import NO_PLURALS, PLURAL_ONLY, PLURALS, SINGULAR, plain_article
from generate.model.imagenet import imagenet_kinds

THIS = re.compile(r"This (.+) Does Not Exist", re.IGNORECASE)
THESE = re.compile(r"These (.+) Do Not Exist", re.IGNORECASE)
UNCOUNTED = frozenset(  # what is not counted has no article
    "broccoli,carbonara,chain mail,chocolate sauce,corn,dough,eggnog,face powder,guacamole,hairspray,hay,lotion,"
    "mashed potato,red wine,sunscreen,velvet".split(",")
)


def name_categories(
    folders: Mapping[str, int], title: str | None = None, labels: Mapping[str, Label] | None = None
) -> dict[str, Category]:
    """The category of each folder, given how many pictures are in it; "" is for pictures in no folder.

    No two have the same slug. `labels`, see `read_names`, say by folder what is to be called otherwise.
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
    """The labels in a categories.json among the pictures or beside their folder. Raises GalleryError if it is damaged."""
    for folder in (samples, samples.absolute().parent):
        if (path := folder / NAMES_FILE).is_file():
            return read_labels(path.read_bytes(), str(path))
    return {}


def name_category(folder: str, count: int) -> Category:
    """The category of a folder: faces is called Face, as in "This Face Does Not Exist". ImageNet's names stay as they are:
    chest_of_drawers is called Chest of Drawers."""
    if known := _imagenet_names().get(folder):
        return Category(slug_of(folder), headline(known), count, article(known), is_plural(known))
    name = words_of(folder)
    if not is_plural(name):
        words = name.split()
        head = head_of(words)
        name = " ".join([*words[:head], *map(singular, words[head : head + 1]), *words[head + 1 :]])
    return _category(slug_of(folder), name, count)


def category_of_title(title: str | None, count: int) -> Category:
    """The category of pictures in no folder: "This Emoji Does Not Exist" is of Emoji; without a title, Picture.

    "These Cats Do Not Exist" is of Cat.
    """
    title = (title or "").strip()
    if match := THIS.fullmatch(title):
        return _category(slug_of(match[1]), match[1], count)
    if match := THESE.fullmatch(title):
        return name_category(match[1], count)
    return _category(slug_of("picture"), "Picture", count)


def default_title(categories: list[Category]) -> str:
    """The title by the categories: "This Face Does Not Exist", "These Jeans Do Not Exist", or Stuff if there are several."""
    if len(categories) != 1:
        return does_not_exist("Stuff")
    return does_not_exist(categories[0].name, categories[0].plural)


def singular(word: str) -> str:
    """faces -> face, iPhones -> iPhone; what is singular already stays: food, glass, lens, Christmas, GPS."""
    many = word.lower()  # inflect takes capitals for names of families: the Joneses
    if len(many) < 3 or many in SINGULAR or many in PLURAL_ONLY or word.isupper():
        return word
    one = PLURALS.get(many) or _singular(many)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(many, one, strict=False)))
    return word[:same] + one[same:]


def _singular(many: str) -> str:
    """The singular by inflect's rules, if it pluralises back to the word."""
    if many.endswith(NO_PLURALS):
        return many
    one = _engine().singular_noun(many)
    if not one or _engine().plural_noun(many) == f"{many}es":  # lens has the plural lenses, so it is a singular
        return many
    return str(one) if many in (_engine().plural_noun(one), f"{one}s" if str(one).endswith("o") else "") else many


def article(name: str) -> str:
    """ "a" or "an", by the sound: an hour, a unicorn, an SUV, an 8-ball; "" for hay and other things that are not counted."""
    if not name.strip() or name.lower() in UNCOUNTED:
        return ""
    return plain_article(name) or str(_engine().a(name)).partition(" ")[0]


def with_article(name: str) -> str:
    """ "an hourglass", "hay", "jeans"."""
    return name if is_plural(name) else f"{article(name)} {name}".strip()


def names_objects(named: Mapping[str, Sequence[Any]]) -> dict[str, bytes]:
    """The objects that say what the pictures of each category (slug) were recognised as; none if no picture was.

    `named` are the `names` in the pictures' rows. See `gallery.release.Catalog.names_object`.
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
    """[["pineapple", 0.87], ["hedgehog", 0.06]] -> "87 % a pineapple, 6 % a hedgehog"; "" for what is not such a list."""
    try:
        shares = [(str(name), round(100 * float(share))) for name, share in names or () if str(name).strip()]
    except (TypeError, ValueError, OverflowError):
        return ""
    return ", ".join(f"{share} % {with_article(name)}" for name, share in shares if share > 0)


def draw_developers(seed: str, count: int) -> tuple[str, ...]:
    """Names of imaginary people; the same seed gives the same names."""
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
    """The names of ImageNet's categories and the words for them, by the folders that they may be in."""
    names = {name for kind in imagenet_kinds() for name in (kind.name, *kind.called)}
    return {folder: name for name in names for folder in (name, name.replace(" ", "_"), slug_of(name))}


@cache
def _engine() -> inflect.engine:
    return inflect.engine()
