"""names: what pictures were recognised as is read once an object, and bounded in memory."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import web.names
from gallery.bucket import open_bucket
from gallery.release import Catalog, CatalogError, Category, parse, parse_names
from web.names import Names

CATALOG = Catalog(
    "20260101T000000Z-00000000",
    "2026-01-01T00:00:00Z",
    "This Stuff Does Not Exist",
    (Category("cat", "Cat", 5), Category("hay", "Hay", 2, "")),
    "image/jpeg",
    named_together=2,
)


@pytest.fixture
def bucket(tmp_path):
    folder = tmp_path / "releases" / CATALOG.release / "names"
    for slug, texts in {
        "cat": ["80 % a tabby cat", "", "50 % a lynx", "9 % a lion", "7 % hay"],
        "hay": ["99 % hay", ""],
    }.items():
        (folder / slug).mkdir(parents=True)
        for start in range(0, len(texts), 2):
            (folder / slug / f"{start // 2:05d}.json").write_text(json.dumps(texts[start : start + 2]))
    return open_bucket(str(tmp_path))


def test_each_picture_has_its_text(bucket):
    names = Names()

    assert [names.get(bucket, CATALOG, "cat", number) for number in range(5)] == [
        "80 % a tabby cat", "", "50 % a lynx", "9 % a lion", "7 % hay"
    ]  # fmt: skip
    assert names.get(bucket, CATALOG, "hay", 0) == "99 % hay"
    assert names.get(bucket, replace(CATALOG, named_together=None), "cat", 0) == ""


def test_an_object_is_read_once_until_newer_ones_push_it_out(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(web.names, "OBJECTS", 2)
    names = Names()
    assert names.get(bucket, CATALOG, "cat", 0) == "80 % a tabby cat"
    (tmp_path / "releases" / CATALOG.release / "names" / "cat" / "00000.json").write_text('["other"]')

    assert names.get(bucket, CATALOG, "cat", 0) == "80 % a tabby cat", "from memory"
    names.get(bucket, CATALOG, "cat", 2)
    names.get(bucket, CATALOG, "cat", 4)
    assert names.get(bucket, CATALOG, "cat", 0) == "other", "read again"


def test_the_catalog_keeps_how_many_are_together():
    assert parse(CATALOG.to_json()).named_together == 2
    assert b"named_together" not in replace(CATALOG, named_together=None).to_json()
    with pytest.raises(CatalogError, match="named_together"):
        parse(CATALOG.to_json().replace(b'"named_together": 2', b'"named_together": 0'))


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'["a", null]', b"[" * 100_000])
def test_damaged_names_are_one_sentence(data):
    with pytest.raises(CatalogError, match="damaged: publish again"):
        parse_names(data)
