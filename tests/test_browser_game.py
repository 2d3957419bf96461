"""The game in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browsing import browser, open_page, serve, url, violations
from tests.conftest import ROOT


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_a_game_by_clicks(open_page, serve, playable, java_script_enabled):
    page = open_page(
        "/game",
        at=serve(str(playable)),
        java_script_enabled=java_script_enabled,
        viewport={"width": 320, "height": 568},
    )
    for turn in range(1, 4):
        box = page.locator("#left").bounding_box()
        assert box["y"] + box["height"] <= 568
        page.click("#left")
        expect(page.locator("h1")).to_contain_text("is real")
        expect(page.locator(".score")).to_contain_text(f"of {turn} right")
        assert page.locator("#next").bounding_box()["y"] < 568
        page.click("#next")
        expect(page.locator("h1")).to_have_text("Which one is real?")


@pytest.mark.parametrize(
    ("width", "height", "least"), [(320, 568, 150), (375, 553, 160), (390, 844, 240), (412, 915, 260), (1280, 800, 370)]
)
def test_a_pair_is_as_large_as_both_of_it_fit(open_page, serve, width, height, least):
    page = open_page("/game", at=serve(str(ROOT / "demo" / "bucket")), viewport={"width": width, "height": height})
    for step in ("#left", "#next"):
        page.wait_for_selector(step)
        boxes = [image.bounding_box() for image in page.locator(".pair img").all()]
        assert min(min(box["width"], box["height"]) for box in boxes) >= least
        boxes.append(page.locator(step).bounding_box())
        assert max(box["y"] + box["height"] for box in boxes) <= height
        if step == "#left":
            stacked = abs(boxes[0]["x"] - boxes[1]["x"]) < 1
            assert page.locator("#left .button").inner_text().split()[0] == ("Upper" if stacked else "Left")
        page.click(step)


def test_offline_the_pair_stays_and_the_page_says_so(open_page, serve, playable):
    page = open_page("/game", at=serve(str(playable)), complains=True)
    for step, words in (("#right", "Which one is real?"), ("#next", "is real")):
        page.context.set_offline(True)
        page.click(step)
        expect(page.locator("#status")).to_contain_text("Are you offline?")
        expect(page.locator("h1")).to_contain_text(words)
        page.context.set_offline(False)
        page.click(step)
        expect(page.locator("#next" if step == "#right" else "#left")).to_be_visible()
        expect(page.locator("#status")).to_be_empty()
    page.go_back()
    expect(page.locator("#next")).to_be_visible()


def test_a_game_by_keys_and_the_best_streak_is_kept(open_page, serve, playable):
    page = open_page("/game", at=serve(str(playable)))
    streak = best = 0
    for turn in range(8):
        page.keyboard.press("ArrowLeft" if turn % 2 else "ArrowRight")
        page.wait_for_selector("#next")
        streak = streak + 1 if "Yes" in page.locator("h1").text_content() else 0
        best = max(best, streak)
        if best > 1:
            expect(page.locator("#best")).to_have_text(f", best streak {best}")
        page.keyboard.press("Space")
        page.wait_for_selector("#left")
    kept = page.evaluate("Object.entries(localStorage).filter(([name]) => name.includes('streak'))")
    assert kept == ([["/best streak", str(best)]] if best else [])


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_game_keeps_nobody_out(open_page, serve, playable, scheme):
    page = open_page("/game", at=serve(str(playable)), viewport={"width": 320, "height": 568}, color_scheme=scheme)
    assert violations(page) == []
    page.click("#right")
    expect(page.locator("#next")).to_be_visible()
    assert violations(page) == []
    page.goto(page.url.split("/game")[0] + "/about")
    page.click("summary")
    assert violations(page) == []


def test_the_game_in_print_is_the_pair(open_page, serve, playable):
    page = open_page("/game", at=serve(str(playable)))
    page.emulate_media(media="print")
    expect(page.locator("nav")).to_be_hidden()
    assert [image.is_visible() for image in page.locator(".pair img").all()] == [True, True]
