"""Names of folders in addresses: unique, stable, for every script; and in sentences."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gallery import GalleryError
from gallery.names import Label, expected_slug, looks_plural, read_labels, slug_notes, slug_of, unique_slugs, words_of
from gallery.release import SLUG, article_of

names = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | st.sampled_from(["Cats", "cats", "CATS"])
)


@given(names, st.randoms())
def test_slugs_are_unique_and_the_order_of_the_names_does_not_matter(some, shuffler: random.Random):
    some = list(dict.fromkeys(some))
    slugs = dict(zip(some, unique_slugs(some), strict=True))
    shuffled = shuffler.sample(some, len(some))

    assert len(set(slugs.values())) == len(some)
    assert all(SLUG.fullmatch(slug) for slug in slugs.values())
    assert dict(zip(shuffled, unique_slugs(shuffled), strict=True)) == slugs


@pytest.mark.parametrize(
    ("some", "slugs"),
    [
        (["寿司", "ラーメン"], ["shou-si", "ramen"]),
        (["кошки", "собаки"], ["koshki", "sobaki"]),
        (["Cats", "cats", "CATS"], ["cats-3", "cats", "cats-2"]),
        (["", "Picture", "picture"], ["picture-2", "picture-3", "picture"]),
        (["🍣", "🍕", "❤", "..."], ["sushi", "slice-of-pizza", "heavy-black-heart", "picture"]),
        (["C++", "C#", "c-2"], ["c-3", "c", "c-2"]),
        (["الكلاب", "القطط"], ["lklb", "lqtt"]),
        (["&amp;", "&#233;", "%2F"], ["amp", "233", "2f"]),
        (["e\u0301te\u0301", "\u00e9t\u00e9"], ["ete", "ete-2"]),
        (["İstanbul", "straße", "STRASSE"], ["istanbul", "strasse-2", "strasse"]),
        (["a" * 70, "a" * 71], ["a" * 64, "a" * 62 + "-2"]),
    ],
)
def test_folders_of_every_script_have_their_own_slugs(some, slugs):
    assert unique_slugs(some) == slugs


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (" ", "' ' is picture"),
        ("cats ", "'cats ' is cats-2"),
        ("a\nb", r"'a\nb' is a-b-2"),
        ("X" * 250, f"{'X' * 30}…{'X' * 9} is"),
    ],
)
def test_notes_on_slugs_show_names_that_one_can_see(name, said):
    assert said in slug_notes([name, "cats", "a-b"])[0]


@pytest.mark.parametrize(
    "name", ["Cats", "Mice", "Snowmen", "Emojis", "Cups of Tea", "Children", "UFOs", "Cats and Dogs"]
)
def test_plurals_are_known_without_a_dictionary(name):
    assert looks_plural(name)


@pytest.mark.parametrize("name", ["Canvas", "GPS", "Ramen", "Specimen", "Bus", "Christmas", "Cup of Beans", "", "News"])
def test_what_is_no_plural_is_known_too(name):
    assert not looks_plural(name)


@pytest.mark.parametrize(
    ("name", "article"),
    [
        ("Hour", "an"),
        ("Unicorn", "a"),
        ("Uninvited Guest", "an"),
        ("SUV", "an"),
        ("8-ball", "an"),
        ("Euro", "a"),
        ("Ice", "an"),
    ],
)
def test_a_folder_that_nobody_published_has_articles_by_the_sound(name, article):
    assert article_of(name) == article


def test_a_new_neighbour_does_not_change_a_name_that_is_its_own_slug():
    assert unique_slugs(["cats", "Cats"])[0] == unique_slugs(["cats"])[0] == "cats"


@pytest.mark.parametrize(
    ("name", "slug"), [("black_cats", "black-cats"), ("Ice  Cream", "ice-cream"), ("寿司", ""), ("children's", "")]
)
def test_plain_slugs_are_those_that_nobody_needs_to_be_told(name, slug):
    assert expected_slug(name) == slug
    assert slug_of(name)


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("black_cats", "Black Cats"),
        ("children's toys", "Children's Toys"),
        ("NASA", "NASA"),
        ("my_iPhone", "My iPhone"),
        ("o'neill-st", "O'neill St"),
        ("élan", "Élan"),
    ],
)
def test_capitals_stay_as_people_write_them(folder, words):
    assert words_of(folder) == words


@pytest.mark.parametrize(
    "text", ["", "[]x", "[1]", '{"a": 1}', '{"a": {"nam": "A"}}', '{"a": {"name": 1}}', "null", "[[[["]
)
def test_a_damaged_file_of_labels_is_one_sentence(text):
    with pytest.raises(GalleryError, match=r"^here is not a table of category names: write"):
        read_labels(text, "here")


def test_labels_are_names_with_or_without_an_article():
    assert read_labels('{"a": "A", "b": {"name": "B", "article": "an"}}', "here") == {
        "a": Label("A"),
        "b": Label("B", "an"),
    }
