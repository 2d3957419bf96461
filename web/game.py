"""The game "Which one is real?": pairs of pictures of one category, one real and one generated. The server is stateless.

Each pair has a URL; its query holds the score so far. A checksum of the URL decides which side is real, so all instances
agree. Both pictures are inlined in the page in the same size and format.
"""

from __future__ import annotations

import random
import re
import secrets
import zlib
from base64 import b64encode
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for

from gallery.real import Real
from gallery.release import RELEASE_ID, Catalog
from web.label import describe, within_sentence
from web.site import ENLARGE, Site, get_site
from web.sniff import sniff

PAIR = re.compile(
    r"([0-9a-f]{8})-([0-9]{1,6})-([0-9]{1,9})", re.ASCII
)  # game id, turn, number of the generated picture
SIDES = ("left", "right")

game = Blueprint("game", __name__)


@game.get("/game")
def start() -> Response:
    """Redirect to the first pair of a new game."""
    site = get_site()
    catalog = site.live()
    return redirect(_pair_address(site, catalog, secrets.token_hex(4), 0))  # type: ignore[return-value]


@game.get("/game/<release>/<pair>")
def play(release: str, pair: str) -> Response:
    """A pair of pictures, or the answer with `?guess=left` or `right`. `right` and `streak` are the score so far."""
    match = PAIR.fullmatch(pair)
    if not match or not RELEASE_ID.fullmatch(release):
        abort(404)
    site = get_site()
    catalog = site.released(release)
    name, turn, number = match[1], int(match[2]), int(match[3])
    real = _real(site, catalog, name, turn)
    category = catalog.category(real.category)
    if not category or not catalog.has(real.category, number):
        abort(404)
    data = site.picture(catalog, real.category, number)
    answer = SIDES[zlib.crc32(f"{release} {name} {turn}".encode()) % 2]
    guess = _query("guess", "|".join(SIDES))
    right = min(int(_query("right", "[0-9]{1,6}") or 0), turn)
    streak = min(int(_query("streak", "[0-9]{1,6}") or 0), right)
    if guess:
        right, streak = (right + 1, streak + 1) if guess == answer else (right, 0)
    page = render_template(
        "game.html",
        catalog=catalog,
        sides=[(side, _inline(real.data if side == answer else data)) for side in SIDES],
        guess=guess,
        answer=answer,
        real=real,
        card=describe(catalog, real.category, number),
        kind=within_sentence(category.name),
        played=turn + bool(guess),
        right=right,
        streak=streak,
        next=_next(site, name, turn + 1, right, streak) if guess else "",
        enlarge=ENLARGE,
    )
    return Response(page)


def _real(site: Site, catalog: Catalog, name: str, turn: int) -> Real:
    """Return the real picture of a turn. Each appears once in a game before any repeats."""
    pictures = [picture for picture in site.credits(catalog) or () if catalog.category(picture.category)]
    if not pictures:
        abort(503 if catalog.real else 404)
    order = random.Random(name).sample(range(len(pictures)), len(pictures))
    return pictures[order[turn % len(order)]]


def _pair_address(site: Site, catalog: Catalog, name: str, turn: int, **score: Any) -> str:
    """The URL of a game's turn. Picks a generated picture in memory if there is one."""
    slug = _real(site, catalog, name, turn).category
    category = catalog.category(slug)
    assert category is not None
    numbers = [card.number for card in site.deck.peek(1, slug) if card.catalog.release == catalog.release]
    number = numbers[0] if numbers else random.randrange(category.count)
    return url_for("game.play", release=catalog.release, pair=f"{name}-{turn}-{number}", **score)


def _next(site: Site, name: str, turn: int, right: int, streak: int) -> str:
    """The URL of the next pair, from the live release; the front page if that has no game."""
    live = site.live()
    if not live.real:
        return url_for("pages.random_picture")
    return _pair_address(site, live, name, turn, right=right, streak=streak)


def _query(name: str, pattern: str) -> str:
    """A value from the query; "" if it is missing. Aborts with 400 or 404 if it is malformed."""
    try:
        text = request.args.get(name, "")
    except UnicodeDecodeError:  # the query is not UTF-8
        abort(400)
    if text and not re.fullmatch(pattern, text, re.ASCII):
        abort(404)
    return text


def _inline(data: bytes) -> str:
    return f"data:{sniff(data)};base64,{b64encode(data).decode()}"
