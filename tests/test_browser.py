"""The page of a picture in a real browser, served by gunicorn as deployed; with and without JavaScript."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import browser, loaded, mixed, move, open_page, ready, recognised, serve, shown, stop_time, url
from tests.conftest import ROOT, wait_until
from tests.round_robin import round_robin


def size(page: Page) -> list[int]:
    """The decoded picture's."""
    return page.evaluate(
        "(async () => { const i = document.querySelector('#picture'); await i.decode(); "
        "return [i.naturalWidth, i.naturalHeight]; })()"
    )


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_a_picture_and_after_a_refresh_another(open_page, java_script_enabled):
    page = open_page(java_script_enabled=java_script_enabled)
    if java_script_enabled:
        assert size(page) == [32, 32]
    assert page.locator("#picture").get_attribute("src").startswith("data:image/jpeg;base64,")
    expect(page.locator("h1")).to_have_text(
        "This Snack Does Not Exist" if "/food/" in shown(page) else "This Animal Does Not Exist"
    )
    before = shown(page)
    page.reload()
    assert shown(page) != before


def test_the_permalink_shows_the_same_picture(open_page):
    page = open_page()
    before, picture = shown(page), page.locator("#picture").get_attribute("src")
    page.click("#permalink")
    assert page.url.endswith(before)
    assert page.locator("#picture").get_attribute("src") == picture
    page.click("#next")
    assert page.url.endswith(":" + page.url.split(":")[2].split("/")[0] + "/")


def test_without_javascript_next_is_a_plain_link(open_page):
    page = open_page("/c/food", java_script_enabled=False)
    seen = {shown(page)}
    for _ in range(5):
        page.click("#next")
        assert page.url.endswith("/c/food")
        seen.add(shown(page))
    assert len(seen) == 6
    assert all("/food/" in path for path in seen)
    expect(page.locator("#slideshow")).to_be_hidden()
    expect(page.locator("#next kbd")).to_be_hidden()


def test_next_needs_no_request_for_the_page(open_page):
    page = open_page("/c/food")
    ready(page)
    requests = []
    page.on("request", lambda request: requests.append(request.resource_type))
    before = shown(page)
    page.click("#next")
    wait_until(lambda: shown(page) != before)
    assert size(page) == [32, 32]
    ready(page)
    assert "document" not in requests
    assert "/food/" in shown(page)


def test_without_prefetch_the_next_picture_comes_when_it_is_asked_for(open_page, serve, published):
    page = open_page(at=serve(str(published), PREFETCH="0"))
    asked = "performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('/random.json')).length"
    loaded(page)
    assert page.evaluate(asked) == 0

    before = shown(page)
    page.click("#next")
    wait_until(lambda: shown(page) != before)
    wait_until(lambda: page.evaluate(asked) >= 1)


def test_next_works_below_a_path(open_page, serve, published):
    page = open_page("/c/food", at=serve(str(published), SCRIPT_NAME="/a/b"))
    seen = {shown(page)}
    for number in range(2, 6):
        ready(page)
        page.click("#next")
        wait_until(lambda number=number: seen.add(shown(page)) or len(seen) == number)
    assert all(path.startswith("/a/b/i/") and "/food/" in path for path in seen)
    assert size(page) == [32, 32]


@pytest.mark.parametrize("key", ["Space", "ArrowRight"])
def test_keys_show_the_next_picture(open_page, key):
    page = open_page()
    ready(page)
    before = shown(page)
    page.keyboard.press(key)
    wait_until(lambda: shown(page) != before)


def test_keys_go_on_after_next_was_clicked(open_page):
    page = open_page()
    ready(page)
    for step in (lambda: page.click("#next"), lambda: page.keyboard.press("Space")):
        move(page, step)
        ready(page)


def test_a_key_belongs_to_the_control_that_has_the_focus(open_page):
    page = open_page()
    ready(page)
    before = shown(page)
    page.focus("#download")
    page.keyboard.press("ArrowRight")
    page.focus("#slideshow")
    page.keyboard.press("Space")
    expect(page.locator("#slideshow")).to_have_attribute("aria-pressed", "true")
    assert shown(page) == before


def test_back_and_forward(open_page):
    page = open_page()
    seen = [shown(page)]
    for _ in range(3):
        ready(page)
        page.click("#next")
        wait_until(lambda: shown(page) != seen[-1])
        seen.append(shown(page))
    for expected in reversed(seen[:3]):
        page.go_back()
        wait_until(lambda expected=expected: shown(page) == expected)
        assert size(page) == [32, 32]
    page.go_forward()
    wait_until(lambda: shown(page) == seen[1])
    page.goto(page.url + "about")
    page.go_back()
    wait_until(lambda: shown(page) == seen[1])


def test_the_slideshow_goes_on_until_it_is_paused(open_page):
    page = open_page()
    ready(page)
    stop_time(page)
    before = shown(page)
    page.click("#slideshow")
    page.clock.run_for(4100)
    wait_until(lambda: shown(page) != before)
    expect(page.locator("#slideshow")).to_have_text("Pause")
    page.click("#slideshow")
    ready(page)
    before = shown(page)
    page.clock.run_for(60_000)
    ready(page)
    assert shown(page) == before


def test_the_picture_can_be_downloaded(open_page):
    page = open_page()
    with page.expect_download() as download:
        page.click("#download")
    assert Path(download.value.path()).read_bytes().startswith(b"\xff\xd8")


def test_next_brings_what_the_next_picture_was_recognised_as(open_page, serve, recognised):
    page = open_page("/", serve(str(recognised)))

    for _ in range(4):
        number = shown(page).rpartition("/")[2]
        expect(page.locator("#names")).to_have_text(f"{number} % a hedgehog")
        move(page, page.locator("#next").click)


@pytest.mark.parametrize("move_on", ["click", "reload", "both"])
def test_a_visitor_sees_each_picture_once(open_page, serve, published, move_on):
    """Two workers deal, each from a deck of its own."""
    page = open_page(at=serve(str(published), WEB_CONCURRENCY="2"))
    seen = set()
    for number in range(1, 25):
        ready(page)
        wait_until(lambda number=number: seen.add(shown(page)) or len(seen) == number)
        if move_on == "reload" or (move_on == "both" and number % 3 == 0):
            page.reload()
        else:
            page.click("#next")
    assert len(seen) == 24


@pytest.mark.slow
def test_a_visitor_sees_384_different_pictures_in_384_steps(open_page, serve):
    """Two instances of two workers each, asked in turn: four decks that know nothing of each other. Reloads included."""
    bucket = str(ROOT / "demo" / "bucket")
    servers = [serve(bucket, WEB_CONCURRENCY="2", REFRESH_S=seconds) for seconds in ("60", "61")]
    with round_robin(servers) as (front, asked):
        page = open_page(at=front, complains=True)  # a reload ends the request for the next picture
        seen = {shown(page)}
        for number in range(2, 385):
            if number % 3:
                page.click("#next")
            else:
                page.reload()
            wait_until(lambda: shown(page) not in seen)
            seen.add(shown(page))
        page.context.close()  # before its servers end
    assert len(seen) == 384
    assert min(asked) > 200


def test_after_all_pictures_a_new_round_begins(open_page):
    page = open_page("/c/food")
    seen = []
    for _ in range(24):
        ready(page)
        seen.append(shown(page))
        move(page, lambda: page.keyboard.press("Space"))
    assert len(set(seen[:12])) == len(set(seen)) == 12


def test_a_picture_fetched_early_outlives_a_reload(open_page):
    page = open_page()
    ready(page)
    coming = page.evaluate("Object.values(sessionStorage).map(JSON.parse)[0].page")
    page.reload()
    ready(page)
    seen = {shown(page), move(page, lambda: page.keyboard.press("Space"))}
    assert coming in seen


def test_what_is_damaged_in_the_browser_is_forgotten(open_page):
    page = open_page()
    ready(page)
    page.evaluate("for (const name of Object.keys(localStorage)) localStorage[name] = '{'")
    page.evaluate("for (const name of Object.keys(sessionStorage)) sessionStorage[name] = '5'")
    page.reload()
    ready(page)
    move(page, lambda: page.click("#next"))


def test_left_arrow_goes_back_and_so_does_back(open_page):
    page = open_page()
    seen = [shown(page)]
    for _ in range(3):
        ready(page)
        seen.append(move(page, lambda: page.keyboard.press("ArrowRight")))
    assert move(page, lambda: page.keyboard.press("ArrowLeft")) == seen[2]
    assert move(page, page.go_back) == seen[1]
    assert move(page, lambda: page.keyboard.press("ArrowLeft")) == seen[0]
    page.keyboard.press("ArrowLeft")  # there is none before the first
    page.wait_for_timeout(200)
    assert shown(page) == seen[0]


def swipe(page: Page, start: float, end: float) -> None:
    """A finger on the picture's frame, from there to there of its width: pictures of several sizes lie in it."""
    box = page.locator(".frame").bounding_box()
    from_x, to_x = start * box["width"], end * box["width"]
    y = box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)
    for event, x in [
        ("touchStart", from_x),
        ("touchMove", (from_x + to_x) / 2),
        ("touchMove", to_x),
        ("touchEnd", None),
    ]:
        points = [] if x is None else [{"x": box["x"] + x, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": event, "touchPoints": points})


def test_swipes_and_taps(open_page, serve, mixed):
    page = open_page(at=serve(str(mixed)), has_touch=True, viewport={"width": 375, "height": 553})
    ready(page)
    first = shown(page)
    second = move(page, lambda: swipe(page, 0.5, 0.45) or page.locator(".frame").tap())
    ready(page)
    third = move(page, lambda: swipe(page, 0.9, 0.1))
    ready(page)
    assert len({first, second, third}) == 3
    assert move(page, lambda: swipe(page, 0.1, 0.9)) == second


def test_a_slideshow_is_one_entry_in_the_history_and_keeps_its_keys(open_page):
    page = open_page("/about")
    page.goto(page.url.removesuffix("about"))
    ready(page)
    first = shown(page)
    length = page.evaluate("history.length")
    stop_time(page)
    page.click("#slideshow")
    seen = []
    for _ in range(3):
        ready(page)
        seen.append(move(page, lambda: page.clock.run_for(4100)))
    ready(page)
    seen.append(move(page, lambda: page.keyboard.press("Space")))
    assert move(page, lambda: page.keyboard.press("ArrowLeft")) == seen[2]
    page.click("#slideshow")
    assert page.evaluate("history.length") == length + 1
    assert move(page, page.go_back) == first


def test_offline_the_picture_stays_and_the_page_says_so(open_page):
    page = open_page(complains=True)
    ready(page)
    page.context.set_offline(True)
    before = move(page, lambda: page.click("#next"))  # the one that was fetched early
    page.click("#next")
    expect(page.locator("#status")).to_contain_text("offline")
    assert shown(page) == before
    assert size(page) == [32, 32]
    page.context.set_offline(False)
    expect(page.locator("#status")).to_be_empty()
    move(page, lambda: page.click("#next"))


def test_the_page_without_pictures_tries_again_by_itself(open_page, serve, samples, tmp_path):
    page = open_page(at=serve(str(tmp_path), REFRESH_S="0.2"), complains=True)
    expect(page.locator("h1")).to_have_text("Nothing to see yet")
    assert [link.get_attribute("href") for link in page.locator("body a").all()] == [
        "/"
    ]  # others have nothing to show either
    shutil.copytree(samples / "food", tmp_path / "food")
    page.wait_for_selector("#picture")


def test_favourites_are_kept_in_the_browser(open_page):
    page = open_page()
    page.click("#favourite")
    liked = shown(page)
    expect(page.locator("#favourite")).to_have_attribute("aria-pressed", "true")
    ready(page)
    move(page, lambda: page.keyboard.press("Space"))
    expect(page.locator("#favourite")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("link", name="Favourites").click()
    assert page.locator("#favourites a").get_attribute("href") == liked
    assert page.evaluate("document.querySelector('#favourites img').decode().then(() => true)")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#empty")).to_be_visible()
    page.reload()
    expect(page.locator("#empty")).to_be_visible()


def test_sharing_copies_the_link_where_the_browser_has_no_share_sheet(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    ready(page)
    move(page, lambda: page.keyboard.press("Space"))
    page.click("#share")
    expect(page.locator("#status")).to_contain_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url.rstrip("/") + shown(page)


def test_sharing_uses_the_share_sheet_where_there_is_one(open_page):
    page = open_page()
    page.evaluate("navigator.share = async (what) => { window.shared = what; }")
    page.click("#share")
    assert page.evaluate("window.shared.url") == page.url.rstrip("/") + shown(page)
