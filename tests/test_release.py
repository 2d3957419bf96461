"""The catalog: what is written is read back, what a later version adds is ignored, damage is refused by name."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gallery import GalleryError
from gallery.bucket import NotFound, open_bucket
from gallery.fields import loads, readable
from gallery.release import (
    EXTENSIONS,
    MOST,
    POINTER,
    SLUG,
    Catalog,
    CatalogError,
    Category,
    list_folder,
    parse,
    parse_names,
    read_live,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
shown = text.map(readable)
named = shown.map(str.strip).filter(bool)
inside = string.ascii_lowercase + string.digits + "-"
ends = string.ascii_lowercase + string.digits
slugs = st.one_of(
    st.text(ends, min_size=1, max_size=2),
    st.builds(lambda a, b, c: a + b + c, st.sampled_from(ends), st.text(inside, max_size=62), st.sampled_from(ends)),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
)
sizes = st.none() | st.integers(1, 10**6)

catalogs = st.builds(
    Catalog,
    release=st.from_regex(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}", fullmatch=True),
    created=shown,
    title=named,
    description=shown,
    categories=st.lists(
        st.builds(Category, slugs, named, st.integers(1, MOST), shown),
        min_size=1,
        max_size=5,
        unique_by=lambda c: c.slug,
    ).map(tuple),
    type=st.sampled_from(sorted(EXTENSIONS)),
    width=sizes,
    height=sizes,
    developers=st.lists(shown, max_size=5).map(tuple),
    model=st.dictionaries(text, values, max_size=4).map(lambda model: loads(json.dumps(model))),
    total_bytes=sizes,
)

GOOD: dict[str, Any] = {
    "format": 1,
    "release": "20261122T121500Z-1f3a5b7c",
    "created": "2026-11-22T12:15:00Z",
    "title": "This Emoji Does Not Exist",
    "image": {"type": "image/jpeg", "width": 128, "height": 128},
    "categories": [{"slug": "food", "name": "Food", "count": 64}],
}


@given(catalogs)
def test_any_catalog_is_read_back_as_written(catalog):
    assert parse(catalog.to_json()) == catalog


@given(catalogs, st.data())
def test_every_picture_has_a_place_and_no_other(catalog, data):
    index = data.draw(st.integers(0, catalog.count - 1))

    slug, number = catalog.picture(index)

    assert catalog.has(slug, number)
    before = sum(c.count for c in catalog.categories[: [c.slug for c in catalog.categories].index(slug)])
    assert before + number == index
    assert catalog.object_name(slug, number).startswith(f"releases/{catalog.release}/{slug}/")
    assert catalog.content_type(slug, number) == catalog.type
    assert catalog.developer(slug, number) == catalog.developer(slug, number)
    for wrong in (-1, catalog.count):
        with pytest.raises(IndexError):
            catalog.picture(wrong)
    assert not catalog.has(slug, catalog.category(slug).count)
    assert not catalog.has("no such category", 0)


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused_with_a_sentence(data):
    with pytest.raises(CatalogError, match=r"^site\.json"):
        parse(data)


@given(st.sampled_from(sorted(GOOD)), values)
def test_field_of_any_value_is_read_or_refused_by_name(field, value):
    try:
        parse(json.dumps({**GOOD, field: value}).encode())
    except CatalogError as error:
        assert field in str(error)  # noqa: PT017 (some values are good ones)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format 2, this version reads 1: update the site"),
        ({"release": None}, "'release'"),
        ({"release": "../../etc"}, "'release'"),
        ({"title": 7}, "'title'"),
        ({"image": {"type": "text/html"}}, r"'image\.type'"),
        ({"image": {"type": "image/jpeg", "width": 0}}, r"'image\.width'"),
        ({"image": {"type": "image/jpeg", "width": 9, "height": True}}, r"'image\.height'"),
        ({"categories": []}, "'categories'"),
        ({"categories": [{"slug": "a", "name": "A"}]}, r"'categories\.count'"),
        ({"categories": [{"slug": "a", "name": "A", "count": 0}]}, r"'categories\.count'"),
        ({"categories": [{"slug": "a/b", "name": "A", "count": 1}]}, r"'categories\.slug'"),
        ({"categories": [{"slug": "a", "name": "A", "count": 1}] * 2}, "no slug twice"),
        ({"developers": ["Anna", 7]}, "'developers'"),
        ({"model": []}, "'model'"),
        ({"bytes": -1}, "'bytes'"),
        ({"image": {"type": "image/jpeg", "width": 10**30}}, r"'image\.width'"),
        ({"categories": [{"slug": "a", "name": "A", "count": 10**30}]}, r"'categories\.count'"),
        ({"thumbnails": {"pack": 10**30}}, r"'thumbnails\.pack'"),
    ],
)
def test_damaged_field_is_named(change, words):
    with pytest.raises(CatalogError, match=words):
        parse(json.dumps({**GOOD, **change}).encode())


def test_a_catalog_of_any_size_is_refused_at_once():
    with pytest.raises(CatalogError, match=r"has 20,\d{3},\d{3} bytes, expected at most 16,000,000"):
        parse(json.dumps({**GOOD, "developers": ["Anna"] * 2_500_000}).encode())


@pytest.mark.parametrize("odd", ["\ud800", "\udfff\ud83d", "\0", "\x1b[31m", "\u202e", "\u2066", "\ufffe", "\x85\n"])
def test_texts_that_no_page_can_hold_become_readable(odd):
    category = {"slug": "food", "name": f"Ice{odd}cream", "count": 64}
    catalog = parse(json.dumps({**GOOD, "title": f"A{odd}b", "developers": [odd], "categories": [category]}).encode())
    assert readable(odd).isspace() or odd == "\x1b[31m"
    assert catalog.title == f"A{readable(odd)}b"
    assert catalog.categories[0].name == f"Ice{readable(odd)}cream"
    assert catalog.developers == (readable(odd),)
    assert parse_names(json.dumps([odd]).encode()) == [readable(odd)]


def test_names_of_nothing_are_replaced():
    catalog = parse(
        json.dumps({**GOOD, "title": " ", "categories": [{"slug": "food", "name": "", "count": 1}]}).encode()
    )
    assert (catalog.title, catalog.categories[0].name) == ("This Picture Does Not Exist", "Food")


def test_nan_is_nothing():
    text = json.dumps({**GOOD, "image": {"type": "image/jpeg", "width": float("nan")}, "model": {"kimg": float("inf")}})
    catalog = parse(text.encode())
    assert (catalog.width, catalog.model) == (None, {"kimg": None})


def test_fields_of_a_later_version_are_ignored():
    assert parse(json.dumps({**GOOD, "mascot": {"name": "Bo"}}).encode()) == parse(json.dumps(GOOD).encode())


def test_least_catalog_is_enough():
    catalog = parse(json.dumps({**GOOD, "categories": [{"slug": "apples", "name": "Apple", "count": 3}]}).encode())

    assert (catalog.description, catalog.developers, dict(catalog.model), catalog.total_bytes) == ("", (), {}, None)
    assert catalog.categories[0].article == "an"
    assert catalog.object_name("apples", 2) == "releases/20261122T121500Z-1f3a5b7c/apples/00002.jpg"
    assert catalog.developer("apples", 2) == ""


def test_catalog_is_small_however_many_pictures():
    catalog = parse(json.dumps({**GOOD, "categories": [{"slug": "a", "name": "A", "count": 10**6}]}).encode())

    assert catalog.picture(999_999) == ("a", 999_999)
    assert len(catalog.to_json()) < 1000


# A bucket that nobody published to


def test_any_folder_of_pictures_is_a_site(bucket_url):
    bucket = open_bucket(bucket_url)
    for name in ("black_cats/a.jpg", "black_cats/b/c.PNG", "notes.txt", "dogs/d.webp", ".hidden/e.jpg"):
        bucket.create(name, b"", "image/jpeg")

    catalog, generation = read_live(bucket)

    shown = {c.slug: (c.name, c.count) for c in catalog.categories if c.slug != "hidden"}
    assert shown == {"black-cats": ("Black Cats", 2), "dogs": ("Dogs", 1)}
    assert generation == 0
    assert catalog.object_name("black-cats", 1) == "black_cats/b/c.PNG"
    assert catalog.content_type("black-cats", 1) == "image/png"
    assert catalog.release.startswith("folder-")


def test_pictures_of_an_unfinished_release_are_not_shown(bucket_url):
    bucket = open_bucket(bucket_url)
    bucket.create("releases/20261122T121500Z-1f3a5b7c/food/00000.jpg", b"", "image/jpeg")

    with pytest.raises(NotFound, match="publish some"):
        list_folder(bucket)
    bucket.create("releases/party.jpg", b"", "image/jpeg")  # but a folder may be called that
    assert [category.slug for category in list_folder(bucket).categories] == ["releases"]


def test_folders_with_lossy_names_are_categories_of_their_own(bucket_url):
    bucket = open_bucket(bucket_url)
    folders = ["寿司", "ラーメン", "кошки", "собаки", "🍣", "Picture", "cats", "Cats", "cats!", "children's"]
    for name in ["loose.jpg", *(f"{folder}/a.jpg" for folder in folders)]:
        bucket.create(name, b"", "image/jpeg")

    catalog = list_folder(bucket)

    slugs = {catalog.object_name(c.slug, 0).rpartition("/")[0]: c.slug for c in catalog.categories}
    assert slugs.keys() == {"", *folders}
    assert slugs["寿司"] == "shou-si"
    assert slugs["cats"] == "cats"
    assert len(set(slugs.values())) == len(slugs)
    assert all(SLUG.fullmatch(slug) for slug in slugs.values())
    assert catalog.category(slugs["children's"]).name == "Children's"


def test_a_file_beside_the_folders_says_what_they_are_called(bucket_url):
    bucket = open_bucket(bucket_url)
    bucket.create("usb/a.jpg", b"", "image/jpeg")
    bucket.create("nasa/a.jpg", b"", "image/jpeg")
    labels = {"usb": {"name": "USB stick", "article": "a"}, "nasa": "NASA rocket"}
    bucket.create("categories.json", json.dumps(labels).encode(), "application/json")

    named = {c.slug: (c.name, c.article) for c in list_folder(bucket).categories}

    assert named == {"usb": ("USB stick", "a"), "nasa": ("NASA rocket", "a")}
    bucket.swap("categories.json", b"[1]", "application/json", bucket.read_generation("categories.json")[1])
    with pytest.raises(GalleryError, match="is not a table of category names"):
        list_folder(bucket)


def test_damaged_pointer_is_an_error_and_not_an_empty_bucket(bucket_url):
    bucket = open_bucket(bucket_url)
    bucket.swap(POINTER, b'{"format": 1}', "application/json", 0)

    with pytest.raises(CatalogError, match="'image'"):
        read_live(bucket)


@pytest.mark.parametrize(
    ("folder", "title"),
    [
        ("trousers", "These Trousers Do Not Exist"),
        ("cats", "These Cats Do Not Exist"),
        ("old_cameras", "These Old Cameras Do Not Exist"),
        ("canvas", "This Canvas Does Not Exist"),
        ("GPS", "This GPS Does Not Exist"),
        ("glass", "This Glass Does Not Exist"),
        ("bus", "This Bus Does Not Exist"),
        ("sushi", "This Sushi Does Not Exist"),
    ],
)
def test_a_bare_folder_of_plurals_does_not_exist(tmp_path, folder, title):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "0.jpg").write_bytes(b"x")

    assert list_folder(open_bucket(str(tmp_path))).title == title
