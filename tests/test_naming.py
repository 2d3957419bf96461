"""The words of a release: slugs and singular names."""

from __future__ import annotations

import json

import pytest

from gallery.release import SLUG
from generate.releasing import naming
from generate.releasing.naming import (
    category_of_title,
    default_title,
    name_categories,
    name_category,
    names_objects,
    percentages,
    read_names,
    singular,
    slug_of,
    with_article,
)


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
    ("plural", "expected"),
    [
        *(("faces", "face"), ("activities", "activity"), ("Knives", "Knife"), ("Lenses", "Lens"), ("gases", "gas")),
        *(("emojis", "emoji"), ("menus", "menu"), ("Kiwis", "Kiwi"), ("hoodies", "hoodie"), ("Cacti", "Cactus")),
        *(("thieves", "thief"), ("mangos", "mango"), ("indices", "index"), ("Romans", "Roman"), ("geese", "goose")),
        *(("octopi", "octopus"), ("Wolves", "Wolf"), ("mouses", "mouse"), ("gentlemen", "gentleman"), ("UFOs", "UFO")),
        *(("iPhones", "iPhone"), ("Ponies", "Pony"), ("Children", "Child"), ("zebras", "zebra"), ("pizzas", "pizza")),
        *(("Porsches", "Porsche"), ("brioches", "brioche"), ("Grandchildren", "Grandchild")),
    ],
)
def test_names_are_singular(plural, expected):
    assert singular(plural) == expected


@pytest.mark.parametrize(
    "word",
    "glass cactus lens canvas atlas gas Christmas Texas bias iris virus Paris GPS NASA news children's chaos alias "
    "scissors sheep Mars Mercedes Adidas crossroads opera Orleans as s "
    "ramen Ramen specimen omen Carmen Yemen cyclamen agenda tapas Andes Barbados scabies".split(),
)
def test_what_is_singular_keeps_its_s(word):
    assert singular(word) == word


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("children's", "Children's"),
        ("NASA", "NASA"),
        ("my_iPhones", "My iPhone"),
        ("ice-cream cones", "Ice-cream Cone"),
        ("One-Way_Streets", "One-Way Street"),
        ("X-Rays", "X-Ray"),
        ("18-wheelers", "18-wheeler"),
        ("black-cats", "Black Cat"),
        ("90s Cars", "90s Car"),
        ("UFOs", "UFO"),
        ("cups_of_tea", "Cup of Tea"),
        ("Women in Hats", "Woman in Hats"),
        ("---", "Picture"),
        ("_", "Picture"),
        (" ", "Picture"),
    ],
)
def test_capitals_and_apostrophes_stay(folder, name):
    assert name_category(folder, 1).name == name


def test_the_article_goes_by_the_sound():
    assert [name_category(folder, 1).article for folder in ("hours", "unicorns", "cakes")] == ["an", "a", "a"]


@pytest.mark.parametrize(
    ("article", "names"),
    [
        (
            "an",
            ["8-ball", "11-year-old", "18-wheeler", "80s car", "1800s house", "SUV", "FAQ", "F1 car", "M4", "R2-D2"],
        ),
        ("an", ["Éclair", "Über car", "état", "Østers", "hour", "MRI", "X-Ray", "A4 sheet", "e\u0301clair"]),
        ("a", ["URL", "U2 fan", "UFO", "UNESCO site", "unicorn", "European City", "One-Way Street", "1,000 ships"]),
        ("a", ["10-speed", "118", "B2", "ñandu", "寿司", "кошка", "90s Car", "T-shirt"]),
        ("", ["", " ", "Hay"]),
    ],
)
def test_numbers_initialisms_and_accents_have_their_article(article, names):
    assert {name: naming.article(name) for name in names} == dict.fromkeys(names, article)


def test_these_cats_are_of_a_cat():
    assert category_of_title("These Cats Do Not Exist", 1).name == "Cat"
    assert category_of_title("this emoji does not exist", 1).name == "Emoji"
    assert category_of_title("Our pictures", 1).name == "Picture"


def test_a_file_of_labels_overrides_names_and_articles(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "categories.json").write_text('{"usb": {"name": "USB stick", "article": "a"}, "": "Thing"}')

    named = name_categories({"usb": 1, "": 2, "cats": 3}, None, read_names(tmp_path / "samples"))

    assert {folder: (c.name, c.article, c.count) for folder, c in named.items()} == {
        "usb": ("USB stick", "a", 1),
        "": ("Thing", "a", 2),
        "cats": ("Cat", "a", 3),
    }


def test_folders_with_lossy_names_are_categories_of_their_own():
    folders = ["寿司", "ラーメン", "кошки", "собаки", "", "Picture", "Cats", "cats"]

    named = name_categories(dict.fromkeys(folders, 1))

    assert len({category.slug for category in named.values()}) == len(folders)


@pytest.mark.parametrize(
    ("folder", "title"),
    [
        ("trousers", "These Trousers Do Not Exist"),
        ("scissors", "These Scissors Do Not Exist"),
        ("reading_glasses", "These Reading Glasses Do Not Exist"),
        ("jeans", "These Jeans Do Not Exist"),
        ("Swimming-Trunks", "These Swimming Trunks Do Not Exist"),
        ("binoculars", "These Binoculars Do Not Exist"),
        ("clothes", "These Clothes Do Not Exist"),
        ("cattle", "These Cattle Do Not Exist"),
        ("cats", "This Cat Does Not Exist"),
        ("people", "This Person Does Not Exist"),
        ("cats and dogs", "These Cats and Dogs Do Not Exist"),
        ("Fish & Chips", "These Fish & Chips Do Not Exist"),
        ("salt and pepper", "This Salt and Pepper Does Not Exist"),
        ("lens", "This Lens Does Not Exist"),
    ],
)
def test_names_without_a_singular_do_not_exist(folder, title):
    assert default_title([name_category(folder, 1)]) == title
    assert default_title([category_of_title(title, 1)]) == title


def test_a_label_says_whether_a_name_is_plural(tmp_path):
    (tmp_path / "categories.json").write_text(
        '{"cats": {"name": "Twin cats", "plural": true}, "jeans": {"plural": false}}'
    )

    named = name_categories({"cats": 1, "jeans": 1}, None, read_names(tmp_path))

    assert {folder: (c.name, c.plural) for folder, c in named.items()} == {
        "cats": ("Twin cats", True),
        "jeans": ("Jeans", False),
    }


@pytest.mark.parametrize(
    ("folder", "name", "article"),
    [
        ("chest_of_drawers", "Chest of Drawers", "a"),
        ("cup-of-coffee", "Cup of Coffee", "a"),
        ("hippopotamus", "Hippopotamus", "a"),
        ("Siamese cat", "Siamese Cat", "a"),
        ("T-shirt", "T-shirt", "a"),
        ("hay", "Hay", ""),
        ("HAY", "HAY", ""),
        ("umbrella", "Umbrella", "an"),
    ],
)
def test_imagenets_names_stay_as_they_are(folder, name, article):
    category = name_category(folder, 1)

    assert (category.name, category.article, category.plural) == (name, article, False)


def test_what_a_picture_was_recognised_as_is_a_text():
    assert percentages([["pineapple", 0.87], ["hay", 0.06], ["jeans", 0.02]]) == "87 % a pineapple, 6 % hay, 2 % jeans"
    assert percentages([["Egyptian Mau", 0.5], ["lynx", 0.004]]) == "50 % an Egyptian Mau"
    assert [with_article(name) for name in ("hourglass", "unicycle", "iPod")] == [
        "an hourglass",
        "a unicycle",
        "an iPod",
    ]


@pytest.mark.parametrize(
    "names", [None, 7, "cat", [1], [["cat"]], [["", 0.5]], [["cat", None]], [["cat", float("nan")]], {"a": 1}]
)
def test_other_names_in_a_table_are_no_text(names):
    assert percentages(names) == ""


def test_texts_are_in_objects_of_a_hundred():
    named = {"cat": [[["lynx", 0.5]]] * 101, "thing": [None]}

    objects = {name: json.loads(data) for name, data in names_objects(named).items()}

    assert {name: len(texts) for name, texts in objects.items()} == {
        "names/cat/00000.json": 100, "names/cat/00001.json": 1, "names/thing/00000.json": 1
    }  # fmt: skip
    assert objects["names/cat/00001.json"] == ["50 % a lynx"]
    assert names_objects({"cat": [None, []]}) == {}, "pictures that nobody recognised have none"
