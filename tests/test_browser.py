"""The pages in a real browser, served by gunicorn as deployed; with and without JavaScript."""

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

from tests.conftest import PATIENCE_S, ROOT, sites, wait_until
from tests.round_robin import round_robin

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
PICTURE_AND_SIZE = """() => {
    const box = document.querySelector("#picture").getBoundingClientRect();
    return [document.querySelector("#permalink").getAttribute("href"), box.width, box.height];
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


def size(page: Page) -> list[int]:
    """The decoded picture's."""
    return page.evaluate(
        "(async () => { const i = document.querySelector('#picture'); await i.decode(); "
        "return [i.naturalWidth, i.naturalHeight]; })()"
    )


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


def test_from_the_wall_to_a_permalink_and_from_categories_to_one(open_page):
    page = open_page("/grid")
    assert page.locator(".wall img").count() == 24
    page.locator(".wall a").first.click()
    assert "/i/" in page.url
    page.goto(page.url.split("/i/")[0] + "/categories")
    page.get_by_text("Snack").click()
    expect(page.locator("h1")).to_have_text("This Snack Does Not Exist")


def violations(page: Page) -> list[tuple[str, str]]:
    """Of every rule of axe-core: WCAG 2 A and AA, and its advice."""
    found = Axe().run(page).response["violations"]
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in found]


def on_the_wall(page: Page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('.wall a')].map(link => link.getAttribute('href'))")


def scroll_to_the_end(page: Page) -> None:
    """As far as the wall goes."""

    def at_the_end() -> bool:
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        return page.locator("#end").text_content() == "That is all."

    wait_until(at_the_end)


@pytest.mark.parametrize("category", ["", "?category=food"])
def test_the_wall_goes_on_until_every_picture_was_there_once(open_page, serve, large, category):
    url = serve(str(large))
    page = open_page(f"/grid{category}", at=url)
    watch_shifts(page)
    scroll_to_the_end(page)
    seen = on_the_wall(page)
    assert len(seen) == len(set(seen)) == (70 if category else 113)
    fetched = page.evaluate("performance.getEntriesByType('resource').map(entry => [entry.name, entry.transferSize])")
    assert all(size < 300_000 for _, size in fetched)
    assert any("/grid" in name for name, _ in fetched)
    assert not any("/i/" in name for name, _ in fetched)
    assert page.evaluate("Promise.all([...document.images].map(image => image.decode())).then(() => true)")
    assert shifts(page) < 0.02


def test_whoever_comes_back_to_the_wall_finds_it_as_it_was(open_page, serve, large):
    page = open_page("/grid", at=serve(str(large)))
    scroll_to_the_end(page)
    seen = on_the_wall(page)
    link = page.locator(".wall a").nth(100)
    link.scroll_into_view_if_needed()
    top = page.evaluate("scrollY")
    link.click()
    page.wait_for_selector("#picture")
    page.wait_for_load_state()
    page.go_back()
    wait_until(lambda: on_the_wall(page) == seen)
    wait_until(lambda: abs(page.evaluate("scrollY") - top) < 200)


def test_without_javascript_more_leads_on_through_the_wall(open_page, serve, large):
    page = open_page("/grid?category=food", at=serve(str(large)), java_script_enabled=False)
    seen = {link.get_attribute("href") for link in page.locator(".wall a").all()}
    page.click("#more")
    seen |= {link.get_attribute("href") for link in page.locator(".wall a").all()}
    assert len(seen) == 70
    page.get_by_role("link", name="Animal").click()
    assert page.locator(".wall a").count() == 3
    assert page.locator("#more").count() == 0


def test_offline_the_wall_stays_and_says_so(open_page, serve, large):
    page = open_page("/grid", at=serve(str(large)), complains=True, viewport={"width": 400, "height": 300})
    page.context.set_offline(True)
    before = len(on_the_wall(page))
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("#end")).to_contain_text("offline")
    page.context.set_offline(False)
    scroll_to_the_end(page)
    assert len(on_the_wall(page)) == 113 > before


def test_the_wall_in_print_is_its_pictures(open_page, serve, large):
    page = open_page("/grid", at=serve(str(large)))
    page.emulate_media(media="print")
    expect(page.locator("nav").first).to_be_hidden()
    expect(page.locator("#more")).to_be_hidden()
    expect(page.locator(".wall img").first).to_be_visible()


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


def test_next_brings_what_the_next_picture_was_recognised_as(open_page, serve, recognised):
    page = open_page("/", serve(str(recognised)))

    for _ in range(4):
        number = shown(page).rpartition("/")[2]
        expect(page.locator("#names")).to_have_text(f"{number} % a hedgehog")
        move(page, page.locator("#next").click)


@pytest.mark.parametrize("viewport", [(320, 640), (640, 320), (1280, 800)])
def test_next_is_in_sight_below_the_names(open_page, serve, recognised, viewport):
    width, height = viewport
    page = open_page("/", serve(str(recognised)), viewport={"width": width, "height": height})

    button = page.locator("#next").bounding_box()

    assert button["y"] + button["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def many(samples, tmp_path_factory) -> Path:
    """A folder of so many categories that one searches among them."""
    folder = tmp_path_factory.mktemp("many")
    pictures = sorted(samples.rglob("*.jpg"))
    names = "zebra otter ice-cream Crème_brûlée beer_glass wine_glass apple pear fig tent yurt sock hay owl".split()
    for name, picture in zip(names, pictures, strict=False):
        (folder / name).mkdir()
        shutil.copy(picture, folder / name)
    return folder


def found(page: Page) -> list[str]:
    return page.locator("#categories > li:visible .name").all_inner_texts()


def test_categories_are_found_by_typing(open_page, serve, many):
    page = open_page("/categories", serve(str(many)))
    every = found(page)
    assert every == sorted(every, key=str.casefold)
    assert len(every) == 14

    for typed, names, said in (
        ("gla", ["Beer Glass", "Wine Glass"], "2 of 14"),
        ("CREME", ["Crème Brûlée"], "1 of 14"),
        ("ice cream", ["Ice Cream"], "1 of 14"),
        ("glass b", ["Beer Glass"], "1 of 14"),
        ("unicorn", [], "No category begins like that."),
        ("  ", every, ""),
    ):
        page.get_by_label("Find").fill(typed)
        assert found(page) == names
        expect(page.locator("#found")).to_have_text(said)

    page.get_by_label("Find").fill("yu")
    page.get_by_label("Find").press("Enter")
    expect(page).to_have_title("This Yurt Does Not Exist")
    page.wait_for_load_state()  # before it, going back leaves a navigation under way
    page.go_back()
    expect(page.get_by_label("Find")).to_be_visible()
    wait_until(lambda: found(page) in (["Yurt"], every))
    assert page.get_by_label("Find").input_value() in ("", "yu")


def test_without_javascript_the_categories_are_a_list_in_alphabetical_order(open_page, serve, many):
    page = open_page("/categories", serve(str(many)), java_script_enabled=False)

    names = found(page)

    assert len(names) == 14
    assert names == sorted(names, key=str.casefold)
    expect(page.locator("#search")).to_be_hidden()
    page.get_by_role("link", name="Yurt").click()
    expect(page).to_have_title("This Yurt Does Not Exist")


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_many_categories_fit_the_window_and_are_accessible(open_page, serve, many, width, scheme):
    page = open_page("/categories", serve(str(many)), viewport={"width": width, "height": 700}, color_scheme=scheme)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not Axe().run(page).response["violations"]


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


def test_the_game_in_print_is_the_pair(open_page, serve, playable):
    page = open_page("/game", at=serve(str(playable)))
    page.emulate_media(media="print")
    expect(page.locator("nav")).to_be_hidden()
    assert [image.is_visible() for image in page.locator(".pair img").all()] == [True, True]


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


SIZES = [(320, 568), (375, 553), (844, 390), (640, 400), (1280, 800)]  # 640 x 400 is 1280 x 800 at 200 % zoom


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
