"""collect: from Openverse and Commons, as a local server answers in their place."""

from __future__ import annotations

import click
import pytest

from generate.collect import collect
from generate.collecting.polite import Manners
from generate.collecting.searching import licence_code, search
from tests.collecting import QUICK


def test_search_asks_both_engines_and_keeps_the_licence(server):
    server.queries.clear()

    rows = search(["pineapple"], 10, 256, manners=Manners("ann@example.org", 100), openverse_url=f"{server.url}/openverse/", commons_url=f"{server.url}/commons/")  # fmt: skip

    assert [(row.author, row.licence) for row in rows] == [
        ("Tim Sullivan", "cc0 1.0 https://creativecommons.org/publicdomain/zero/1.0/"),
        ("", "by 1.0 https://creativecommons.org/publicdomain/zero/1.0/"),
        ("Ann & Co", "CC BY-SA-4.0 https://creativecommons.org/licenses/by-sa/4.0"),
        ("Ann & Co", "PD OLD https://creativecommons.org/licenses/by-sa/4.0"),
    ]
    assert rows[0].page == "https://stocksnap.io/photo/1"
    assert rows[2].page == "https://commons.wikimedia.org/wiki/File:Pineapple_1.jpg"
    assert rows[2].url.endswith("/good/commons-1.jpg")
    asked = server.queries
    assert asked[0]["license"] == ["cc0,pdm,by,by-sa"]
    assert [query["page"] for query in asked[:2]] == [["1"], ["2"]]
    assert int(asked[0]["page_size"][0]) <= 20
    assert asked[2]["gsrsearch"] == ["pineapple filetype:bitmap"]
    assert asked[3]["gsroffset"] == ["50"]
    assert any("ann@example.org" in agent for agent in server.agents)


def test_search_stops_at_the_limit(server):
    rows = search(["a"], 2, openverse_url=f"{server.url}/openverse/", commons_url=f"{server.url}/commons/")

    assert len(rows) == 2


def test_search_to_pictures_with_categories(tmp_path, server):
    rows = collect(
        'search:"pineapple", banana',
        tmp_path / "out",
        limit=1,
        min_size=32,
        manners=Manners(**QUICK),
        jobs=1,
        openverse_url=f"{server.url}/openverse/",
        commons_url=f"{server.url}/commons/",
    )

    assert [(row.category, row.file, row.status) for row in rows] == [
        ("pineapple", "pineapple/000000.jpg", "kept"),
        ("banana", "banana/000001.jpg", "kept"),
    ]
    assert (tmp_path / "out" / rows[1].file).exists()
    assert rows[0].licence.startswith("cc0 1.0")


def test_an_engine_that_refuses_is_said_and_the_other_goes_on(server, capsys):
    rows = search(["a"], 9, openverse_url=f"{server.url}/refusing/", commons_url=f"{server.url}/commons/")

    assert len(rows) == 2
    said = capsys.readouterr().err
    assert "openverse did not answer for 'a' (401 Unauthorized page_size may not" in said
    assert "to ask it again, wait a while and collect into another DEST." in said


def test_a_search_that_finds_nothing_says_what_to_try(server):
    with pytest.raises(click.ClickException, match="No pictures found for a under by-nc-nd: try other terms"):
        search(["a"], 9, licences=("by-nc-nd",), engines=("commons",), commons_url=f"{server.url}/commons/")


def test_a_search_that_is_refused_again_and_again_says_so_and_asks_no_more(server):
    with pytest.raises(
        click.ClickException, match=r"did not answer \(openverse: 429 Too Many Requests\): wait an hour"
    ):
        search(["a", "b"], 9, engines=("openverse",), openverse_url=f"{server.url}/toomany/", manners=Manners(**QUICK))

    assert server.seen["/toomany/"] == 3  # the first term only, with two more tries


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("CC BY-SA 4.0", "by-sa"),
        ("cc-by-2.0-de", "by"),
        ("CC BY-NC-ND 3.0", "by-nc-nd"),
        ("CC0", "cc0"),
        ("Public domain", "pdm"),
        ("pd-old-70", "pdm"),
        ("GFDL", ""),
        ("cc-bypass", ""),
        ("", ""),
    ],
)
def test_licences_of_commons(name, code):
    assert licence_code(name) == code
