"""The words of a release: slugs and singular names."""

from __future__ import annotations

import pytest

from gallery.release import SLUG
from generate.releasing.naming import name_category, singular, slug_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("black_cats", "black-cats"),
        ("Crème Brûlée", "creme-brulee"),
        ("寿司", "shou-si"),
        ("Ёлки & Палки", "elki-palki"),
        ("...", "picture"),
        ("x" * 63 + " y", "x" * 63),
    ],
)
def test_slugs_are_transliterated_and_fit_into_an_address(name, slug):
    assert slug_of(name) == slug
    assert SLUG.fullmatch(slug)


@pytest.mark.parametrize(
    ("plural", "expected"), [("faces", "face"), ("activities", "activity"), ("glass", "glass"), ("cactus", "cactus")]
)
def test_names_are_singular(plural, expected):
    assert singular(plural) == expected


def test_the_article_goes_by_the_sound():
    assert [name_category(folder, 1).article for folder in ("hours", "unicorns", "cakes")] == ["an", "a", "a"]
