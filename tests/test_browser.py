"""The pages in a real browser, served by gunicorn as deployed; with and without JavaScript."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import wait_until

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert executable, f"none of {', '.join(BROWSERS)} is installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS.split())
        yield browser
        browser.close()


@pytest.fixture
def url(site, published: Path) -> str:
    return site(str(published))


@pytest.fixture
def open_page(browser, url) -> Iterator:
    """open_page(path, ...): a page of the site in a browser of its own. Nothing may go wrong in its console."""
    contexts, complaints = [], []

    def open_page(path: str = "/", **options) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def shown(page: Page) -> str:
    """The permalink of the picture that is shown."""
    return page.locator("#permalink").get_attribute("href")


def size(page: Page) -> list[int]:
    """The decoded picture's."""
    return page.evaluate(
        "(async () => { const i = document.querySelector('#picture'); await i.decode(); "
        "return [i.naturalWidth, i.naturalHeight]; })()"
    )


def ready(page: Page) -> None:
    """Until the script has the next picture; then Next shows it at once."""
    page.wait_for_load_state("networkidle")


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


def test_next_works_below_a_path(browser, site, published):
    page = browser.new_page()
    page.goto(site(str(published), SCRIPT_NAME="/a/b") + "/c/food")
    seen = {shown(page)}
    for count in range(2, 6):
        ready(page)
        page.click("#next")
        wait_until(lambda count=count: seen.add(shown(page)) or len(seen) == count)
    assert all(path.startswith("/a/b/i/") and "/food/" in path for path in seen)
    assert size(page) == [32, 32]
    page.close()


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
        before = shown(page)
        step()
        wait_until(lambda before=before: shown(page) != before)
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
    page.clock.install()
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


def test_from_the_wall_to_a_permalink_and_from_categories_to_one(open_page):
    page = open_page("/grid")
    assert page.locator(".wall img").count() == 24
    page.locator(".wall a").first.click()
    assert "/i/" in page.url
    page.goto(page.url.split("/i/")[0] + "/categories")
    page.get_by_text("Snack").click()
    expect(page.locator("h1")).to_have_text("This Snack Does Not Exist")


@pytest.mark.parametrize("path", ["/", "/c/food", "/grid", "/categories", "/about"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(open_page, path, width):
    page = open_page(path, viewport={"width": width, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).length"
    assert page.evaluate(broken) == 0


def test_reduced_motion(open_page):
    page = open_page("/grid", reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('.wall img')).transitionProperty") == "none"


def test_in_print_only_the_picture_and_its_words_remain(open_page):
    page = open_page()
    page.emulate_media(media="print")
    expect(page.locator("nav")).to_be_hidden()
    expect(page.locator("#next")).to_be_hidden()
    expect(page.locator("#picture")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/c/food", "/grid", "/categories", "/about", "/nope"])
def test_nothing_keeps_anybody_out(browser, url, path):
    """Every rule of axe-core: WCAG 2 A and AA, and its advice."""
    page = browser.new_page(viewport={"width": 320, "height": 640})
    page.goto(url + path)
    found = Axe().run(page).response["violations"]
    page.close()
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
