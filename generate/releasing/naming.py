"""The words of a release: title, slugs and names of the categories, imaginary developers."""

from __future__ import annotations

import re
from functools import cache

import inflect
from faker import Faker
from slugify import slugify

from gallery.release import Category

TITLE = re.compile(r"This (.+) Does Not Exist", re.IGNORECASE)
NO_PLURALS = ("ss", "us", "is")  # glass, cactus, iris: inflect would cut their last letter


def name_category(folder: str, count: int) -> Category:
    """The category of a folder: faces is called Face, as in "This Face Does Not Exist"."""
    words = re.sub(r"[\s_-]+", " ", folder).strip().split(" ")
    words[-1] = singular(words[-1])
    return _category(slug_of(folder), " ".join(words), count)


def category_of_title(title: str | None, count: int) -> Category:
    """The category of pictures in no folder: Emoji for "This Emoji Does Not Exist", Picture without a title."""
    match = TITLE.fullmatch((title or "").strip())
    name = match[1] if match else "Picture"
    return _category(slug_of(name), name, count)


def default_title(categories: list[Category]) -> str:
    """The title by the categories: "This Face Does Not Exist", or Stuff if there are several."""
    return f"This {categories[0].name if len(categories) == 1 else 'Stuff'} Does Not Exist"


def singular(word: str) -> str:
    """The singular: faces -> face, activities -> activity. Singular words stay: food, glass, cactus."""
    if word.lower().endswith(NO_PLURALS):
        return word
    return str(_engine().singular_noun(word) or word)


def article(name: str) -> str:
    """ "a" or "an", by the sound: an hour, a unicorn."""
    return str(_engine().a(name)).partition(" ")[0]


def draw_developers(seed: str, count: int) -> tuple[str, ...]:
    """Names of imaginary people; the same seed gives the same names."""
    faker = Faker()
    faker.seed_instance(seed)
    return tuple(dict.fromkeys(f"{faker.first_name()} {faker.last_name()}" for _ in range(count)))


def slug_of(name: str) -> str:
    """A category's part of a URL: lower-case letters, digits and hyphens. Crème Brûlée -> creme-brulee."""
    return slugify(name, max_length=64) or "picture"


def _category(slug: str, name: str, count: int) -> Category:
    name = " ".join(word[:1].upper() + word[1:] for word in name.split())
    return Category(slug, name or "Picture", count, article(name or "Picture"))


@cache
def _engine() -> inflect.engine:
    return inflect.engine()
