"""How the pages look in a real browser: every size fits, nothing moves, in print, in both colour schemes; accessibility."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browsing import (
    browser,
    loaded,
    mixed,
    move,
    open_page,
    ready,
    recognised,
    serve,
    shifts,
    shown,
    url,
    violations,
    watch_shifts,
)

PICTURE_AND_SIZE = """() => {
    const box = document.querySelector("#picture").getBoundingClientRect();
    return [document.querySelector("#permalink").getAttribute("href"), box.width, box.height];
}"""
SIZES = [(320, 568), (375, 553), (844, 390), (640, 400), (1280, 800)]  # 640 x 400 is 1280 x 800 at 200 % zoom


@pytest.mark.parametrize("viewport", [(320, 640), (640, 320), (1280, 800)])
def test_next_is_in_sight_below_the_names(open_page, serve, recognised, viewport):
    width, height = viewport
    page = open_page("/", serve(str(recognised)), viewport={"width": width, "height": height})

    button = page.locator("#next").bounding_box()

    assert button["y"] + button["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", ["/", "/c/food", "/grid", "/categories", "/about"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(open_page, path, width):
    page = open_page(path, viewport={"width": width, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).length"
    assert page.evaluate(broken) == 0


@pytest.mark.parametrize("size", [(320, 568), (375, 553), (844, 390), (640, 400), (1280, 800)], ids=str)
def test_with_the_game_every_page_still_fits(open_page, serve, playable, size):
    """The navigation is longer then. 640 x 400 is 1280 x 800 at 200 % zoom."""
    width, height = size
    page = open_page(at=serve(str(playable)), complains=True, viewport={"width": width, "height": height})
    box = page.locator("#next").bounding_box()
    assert box["y"] + box["height"] <= height
    for path in ("/", "/grid", "/categories", "/favourites", "/game", "/about", "/nope"):
        page.goto(serve(str(playable)) + path)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path


def test_without_javascript_nothing_is_offered_that_needs_it(open_page):
    page = open_page(java_script_enabled=False)
    for name in ("#favourite", "#share", "#slideshow", "#next kbd"):
        expect(page.locator(name)).to_be_hidden()


@pytest.mark.parametrize("path", ["/", "/grid", "/favourites", "/about", "/nope"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_moves_while_a_page_of_mixed_sizes_loads(open_page, serve, mixed, path, width):
    page = open_page(path, at=serve(str(mixed)), complains=True, viewport={"width": width, "height": 640})
    watch_shifts(page)
    loaded(page)
    assert shifts(page) < 0.02


def test_reduced_motion(open_page):
    page = open_page("/grid", reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('.wall img')).transitionProperty") == "none"


def test_in_print_only_the_picture_and_its_words_remain(open_page):
    page = open_page()
    page.emulate_media(media="print")
    expect(page.locator("nav")).to_be_hidden()
    expect(page.locator("#next")).to_be_hidden()
    expect(page.locator("#picture")).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/", "/grid", "/categories", "/favourites", "/about", "/nope"])
def test_nothing_keeps_anybody_out(open_page, path, scheme):
    page = open_page(path, complains=True, viewport={"width": 320, "height": 640}, color_scheme=scheme)
    if path == "/":
        page.click("#favourite")
        page.goto(page.url + "favourites" if scheme == "light" else page.url)
    assert violations(page) == []


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_next_is_in_sight_and_never_moves(open_page, serve, mixed, size):
    width, height = size
    page = open_page(at=serve(str(mixed)), viewport={"width": width, "height": height})
    watch_shifts(page)
    loaded(page)
    places, seen = [page.locator("#next").bounding_box()], {shown(page)}
    for _ in range(5):
        ready(page)
        seen.add(move(page, lambda: page.keyboard.press("Space")))
        places.append(page.locator("#next").bounding_box())
    assert len(seen) == 6
    assert places == [places[0]] * 6
    assert places[0]["y"] + places[0]["height"] <= height
    assert shifts(page) < 0.02
    if width == 1280:
        assert page.evaluate("document.documentElement.scrollHeight") == height


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_no_picture_is_shown_larger_than_three_times_its_size(open_page, serve, mixed, java_script_enabled):
    page = open_page(at=serve(str(mixed)), java_script_enabled=java_script_enabled)
    seen = {}
    for turn in range(6 if java_script_enabled else 12):
        if turn and java_script_enabled:
            ready(page)
            move(page, lambda: page.keyboard.press("Space"))
        elif turn:
            page.reload()
        path, width, height = page.evaluate(PICTURE_AND_SIZE)
        seen[path.split("/")[-1]] = round(width), round(height)
    assert len(seen) == 6
    assert seen["2"] == (72, 72)
    assert seen["5"] == (360, 240)
    assert all(max(size) <= 512 for size in seen.values())


def test_the_current_page_is_marked(open_page):
    for name in ("Categories", "Wall", "Favourites", "About"):
        page = open_page()
        page.get_by_role("link", name=name).click()
        expect(page.locator("[aria-current=page]")).to_have_text(name)


def test_a_light_page_for_those_who_prefer_it(open_page):
    grounds = {}
    for scheme in ("light", "dark"):
        page = open_page("/about", color_scheme=scheme)
        grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds == {"light": "rgb(250, 249, 246)", "dark": "rgb(11, 11, 15)"}
