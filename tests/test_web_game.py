"""web/game.py: pairs of pictures, the score in the address, and no trace of it without real pictures."""

from __future__ import annotations

import base64
import html
import re
import shutil

import pytest

from gallery.bucket import open_bucket
from gallery.real import REAL_FILE, unpack_real
from gallery.release import read_live


@pytest.fixture
def players(make_client, playable):
    return make_client(playable)


@pytest.fixture
def real(playable) -> set[bytes]:
    """The real pictures."""
    bucket = open_bucket(str(playable))
    catalog, _ = read_live(bucket)
    return {picture.data for picture in unpack_real(bucket.read(f"releases/{catalog.release}/{REAL_FILE}"))}


def pair(page: str) -> dict[str, bytes]:
    """The pictures by their side."""
    found = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="The (left|right) picture', page)
    return {side: base64.b64decode(data) for data, side in found}


def choice(page: str, side: str) -> str:
    return html.unescape(re.search(rf'id="{side}" href="([^"]+)"', page)[1])


def next_pair(page: str) -> str:
    return html.unescape(re.search(r'id="next"[^>]* href="([^"]+)"', page)[1])


def test_a_game_shows_every_real_picture_once_and_counts(players, real):
    address, seen, sides = players.get("/game").headers["Location"], set(), []
    for turn in range(24):
        page = players.get(address).text
        pictures = pair(page)
        (answer,) = (side for side, data in pictures.items() if data in real)
        sides.append(answer)
        seen.add(pictures[answer])
        wrong = turn in (5, 6, 20)
        other = "left" if answer == "right" else "right"
        page = players.get(choice(page, other if wrong else answer)).text
        assert pair(page) == pictures
        place = {"left": "upper", "right": "lower"}[answer]  # on a telephone
        named = f'<span class="beside">{answer}</span><span class="stacked">{place}</span>'
        assert f"<h1>{'No' if wrong else 'Yes'}, the {named} one is real</h1>" in page
        address = next_pair(page)
    assert "21 of 24 right, 3 in a row" in page
    assert seen == real
    assert set(sides) == {"left", "right"}


def test_an_address_is_the_same_pair_on_every_instance(players, make_client, playable):
    address = players.get("/game").headers["Location"]
    assert pair(players.get(address).text) == pair(make_client(playable).get(address).text)


def test_the_question_says_nothing_of_the_answer(players, real):
    page = players.get(players.get("/game").headers["Location"]).text
    assert re.search(r"One is a real (animal|food), the other was made up by a neural network", page)
    for word in ("Smith", "creativecommons", "/i/", "does not exist"):
        assert word not in re.sub(r"<(title|meta)[^>]*>[^<]*|<a class=\"brand\".*?</a>", "", page)
    left, right = (page.partition(f'id="{side}"')[2].partition("</a>")[0] for side in ("left", "right"))
    plain = [
        re.sub(r"base64,[^\"]+|left|right|upper|lower|←|→", "", text, flags=re.IGNORECASE) for text in (left, right)
    ]
    assert plain[0] == plain[1]


def test_the_answer_names_author_and_licence(players):
    question = players.get(players.get("/game").headers["Location"]).text
    page = players.get(choice(question, "left")).text
    assert "&lt;b&gt;Smith&lt;/b&gt;" in page
    assert '<a href="https://creativecommons.org/licenses/by-sa/4.0/">by-sa 4.0</a>' in page
    assert players.get(re.search(r'href="(/i/[^"]+)"', page)[1]).status_code == 200


def test_about_names_every_author(players):
    page = players.get("/about").text
    assert page.count("<li>") >= 24
    assert page.count("&lt;b&gt;Smith") == 24
    assert page.count('<a href="https://emoji.example/') == 24


def test_an_unknown_licence_is_called_so_and_odd_addresses_are_no_links(make_client, samples, sourced, tmp_path):
    from generate.collecting.provenance import Row, write_table
    from generate.publish import publish

    shutil.copytree(sourced / "food", tmp_path / "real" / "food")
    rows = [
        Row(f"food/{path.name}", page="javascript:alert(1)", licence="mine", status="kept")
        for path in (sourced / "food").iterdir()
    ]
    write_table(tmp_path / "real" / "sources.csv", rows)
    (tmp_path / "bucket").mkdir()
    publish(samples, str(tmp_path / "bucket"), real=tmp_path / "real")
    page = make_client(tmp_path / "bucket").get("/about").text
    assert 'href="javascript' not in page
    assert "Unknown author" in page
    (tmp_path / "real" / "sources.csv").unlink()
    publish(samples, str(tmp_path / "bucket"), real=tmp_path / "real", yes=True)
    assert "unknown licence" in make_client(tmp_path / "bucket").get("/about").text


def test_without_real_pictures_there_is_no_trace_of_it(client):
    assert client.get("/game").status_code == 404
    for path in ("/", "/about", "/grid"):
        assert "/game" not in client.get(path).text


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "x",
        "0000000g-0-0",
        "00000000-0-99999",
        "00000000-0",
        "00000000-0-0?guess=up",
        "00000000-0-0?right=x",
        "00000000-٣-0",
    ],
)
def test_what_is_no_pair_is_not_there(players, rest):
    release = players.get("/health").json["release"]
    assert players.get(f"/game/{release}/{rest}").status_code == 404


def test_an_invented_score_is_no_more_than_the_turns(players):
    release = players.get("/health").json["release"]
    page = players.get(f"/game/{release}/00000000-3-0?right=900&streak=900").text
    assert "3 of 3 right, 3 in a row" in page


def test_a_game_goes_on_in_the_next_release_and_ends_where_that_has_none(make_client, playable, samples, tmp_path):
    from generate.publish import publish
    from tests.conftest import wait_until

    shutil.copytree(playable, tmp_path / "bucket")
    client = make_client(tmp_path / "bucket", REFRESH_S="0.1")
    address = client.get("/game").headers["Location"]
    publish(samples, str(tmp_path / "bucket"), title="No Game")
    wait_until(lambda: "No Game" in client.get("/about").text)
    page = client.get(choice(client.get(address).text, "left")).text
    assert next_pair(page) == "/"
    assert client.get("/game").status_code == 404


def test_a_lost_pack_of_real_pictures_is_an_apology_and_no_credits(make_client, playable, tmp_path):
    shutil.copytree(playable, tmp_path / "bucket")
    for path in (tmp_path / "bucket").rglob(REAL_FILE):
        path.unlink()
    client = make_client(tmp_path / "bucket")
    assert client.get("/game").status_code == 503
    assert "be read at the moment" in client.get("/about").text
