"""web/label.py: what is said of a picture."""

from __future__ import annotations

import io

import pytest
from flask import Flask
from PIL import Image

from gallery.release import Catalog, Category
from web.label import describe, within_sentence
from web.pages import pages
from web.wall import wall

RELEASE = "20260101T000000Z-00000000"


def catalog(*developers: str) -> Catalog:
    categories = (Category("owl", "Owl", 50, "an"), Category("tea-pot", "Tea Pot", 50))
    return Catalog(RELEASE, "", "This Thing Does Not Exist", categories, "image/png", 64, 64, developers=developers)


@pytest.fixture(autouse=True)
def request_context():
    app = Flask(__name__)
    app.register_blueprint(pages)
    app.register_blueprint(wall)
    with app.test_request_context(base_url="https://one.example/below"):
        yield


def test_addresses_and_title():
    said = describe(catalog("Anna Smith"), "tea-pot", 7)
    assert said["title"] == "This Tea Pot Does Not Exist"
    assert said["page"] == f"/below/i/{RELEASE}/tea-pot/7"
    assert said["image"] == f"/below/i/{RELEASE}/tea-pot/7.png"
    assert said["category_page"] == "/below/c/tea-pot"
    assert (said["type"], said["width"], said["height"], said["count"]) == ("image/png", 64, 64, 50)


def test_type_and_size_are_the_pictures_own_where_it_is_at_hand():
    file = io.BytesIO()
    Image.new("RGB", (30, 20)).save(file, "gif")
    said = describe(catalog(), "owl", 7, file.getvalue())
    assert (said["type"], said["width"], said["height"]) == ("image/gif", 30, 20)
    assert said["image"].endswith("/owl/7.png")


@pytest.mark.parametrize("slug", ["owl", "tea-pot"])
def test_every_blurb_names_the_developer_and_has_no_gap(slug):
    said = [describe(catalog("Anna Smith"), slug, number) for number in range(50)]
    assert all("Anna Smith" in each["text"] and "{" not in each["text"] for each in said)
    assert len({each["text"] for each in said}) > 3


def test_articles():
    said = [describe(catalog("Anna Smith"), "owl", number)["text"] for number in range(50)]
    assert any("an owl" in text for text in said)
    assert not any(" a owl" in text for text in said)
    assert describe(catalog(), "owl", 1)["alt"] == "An owl that does not exist, drawn by a neural network"


def test_a_picture_keeps_its_words():
    assert describe(catalog("A", "B", "C"), "owl", 3) == describe(catalog("A", "B", "C"), "owl", 3)


def test_without_developers_nobody_is_named():
    assert describe(catalog(), "owl", 1)["text"] == "Nobody made this owl: a neural network dreamt it up."


@pytest.mark.parametrize("developers", [(), ("Anna Smith",)])
def test_plurals_agree_in_every_sentence(developers):
    trousers = Catalog(
        RELEASE,
        "",
        "",
        (Category("trousers", "Trousers", 30, plural=True),),
        "image/png",
        64,
        64,
        developers=developers,
    )
    cards = [describe(trousers, "trousers", number) for number in range(30)]

    assert {card["title"] for card in cards} == {"These Trousers Do Not Exist"}
    assert {card["alt"] for card in cards} == {"Trousers that do not exist, drawn by a neural network"}
    for word in (" a trousers", "this trousers", "does not exist, drawn", "There never was "):
        assert not any(word in card["text"] for card in cards)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("Ice Cream", "ice cream"),
        ("NASA Rocket", "NASA rocket"),
        ("iPhone", "iPhone"),
        ("X Ray", "x ray"),
        ("寿司", "寿司"),
    ],
)
def test_capitals_that_people_wrote_stay_inside_of_a_sentence(name, inside):
    assert within_sentence(name) == inside
