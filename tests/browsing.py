"""The site in a browser, for the tests that need one: Chromium, servers, pages, and what is on them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import PATIENCE_S, sites, wait_until

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
HAS_NEXT = """async () => {
    const main = document.querySelector("main.picture");
    if (!main || !("dealt" in main.dataset && "prefetch" in main.dataset)) return true;
    if (typeof memory === "undefined") return false;
    const shown = JSON.parse(main.dataset.card);
    const inCategory = new URL(shown.category_page, location.href).pathname === location.pathname;
    const category = inCategory ? `?category=${encodeURIComponent(shown.category)}` : "";
    const card = memory.coming(main.dataset.random + category);
    if (!card || memory.hasSeen(card)) return false;
    await Object.assign(new Image(), { src: card.image }).decode(); // the script is loading it, too
    return true;
}"""
expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert executable, f"none of {', '.join(BROWSERS)} is installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory) -> Iterator[Callable[..., str]]:
    """serve(bucket, NAME="value", ...): the URL of a server that all tests share; each has a browser profile of its own."""
    with sites(tmp_path_factory.mktemp("sites")) as start:
        yield cache(start)


@pytest.fixture
def url(serve, published: Path) -> str:
    return serve(str(published))


@pytest.fixture(scope="module")
def mixed(samples, tmp_path_factory) -> Path:
    """A folder that nobody published to: wide, tall, tiny and large pictures of one category."""
    folder = tmp_path_factory.mktemp("mixed")
    pictures = sorted((samples / "food").iterdir())
    for number, size in enumerate([(1600, 900), (600, 1200), (24, 24), (400, 400), (1500, 150), (120, 80)]):
        Image.open(pictures[number]).resize(size).save(folder / f"{number}.jpg")
    return folder


@pytest.fixture
def open_page(browser, url) -> Iterator:
    """open_page(path, ...): a page of the site in a browser of its own. Nothing may go wrong in its console."""
    contexts, complaints = [], []

    def open_page(path: str = "/", at: str = url, complains: bool = False, **options) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_S * 1000)
        page = context.new_page()
        if not complains:  # the browser itself, in its console, of requests that fail
            page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(at + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def shown(page: Page) -> str:
    """The permalink of the picture that is shown."""
    return page.locator("#permalink").get_attribute("href")


def move(page: Page, step: Callable[[], object]) -> str:
    """Do something that changes the picture; the permalink of the new one."""
    before = shown(page)
    step()
    wait_until(lambda: shown(page) != before)
    return shown(page)


def ready(page: Page) -> None:
    """Until the script has the next picture; then Next shows it at once."""
    wait_until(lambda: page.evaluate(HAS_NEXT))


def loaded(page: Page) -> None:
    """Until the browser asks for nothing more."""
    page.wait_for_load_state("networkidle")


def stop_time(page: Page) -> None:
    """From now on no time passes in the page but by `page.clock.run_for`."""
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now()") + 3_600_000)


def watch_shifts(page: Page) -> None:
    """Count from now on how far things move that are in sight."""
    page.evaluate(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach(entry => "
        "window.shift += entry.value)).observe({type: 'layout-shift', buffered: true})"
    )


def shifts(page: Page) -> float:
    return page.evaluate("window.shift")


def violations(page: Page) -> list[tuple[str, str]]:
    """Of every rule of axe-core: WCAG 2 A and AA, and its advice."""
    found = Axe().run(page).response["violations"]
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in found]


@pytest.fixture(scope="module")
def recognised(published, tmp_path_factory) -> Path:
    """The published pictures of animals, each with a text of its own on what it was recognised as."""
    bucket = tmp_path_factory.mktemp("recognised") / "bucket"
    shutil.copytree(published, bucket)
    catalog = json.loads((bucket / "site.json").read_text())
    catalog |= {"named_together": 5, "categories": [catalog["categories"][0]]}
    (bucket / "site.json").write_text(json.dumps(catalog))
    folder = bucket / "releases" / catalog["release"] / "names" / "animals"
    folder.mkdir(parents=True)
    for start in range(0, 12, 5):
        texts = [f"{number} % a hedgehog" for number in range(start, min(start + 5, 12))]
        (folder / f"{start // 5:05d}.json").write_text(json.dumps(texts))
    return bucket
