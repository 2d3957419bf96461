"""The wall and the page of categories in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browsing import browser, open_page, serve, shifts, url, watch_shifts
from tests.conftest import wait_until


def test_from_the_wall_to_a_permalink_and_from_categories_to_one(open_page):
    page = open_page("/grid")
    assert page.locator(".wall img").count() == 24
    page.locator(".wall a").first.click()
    assert "/i/" in page.url
    page.goto(page.url.split("/i/")[0] + "/categories")
    page.get_by_text("Snack").click()
    expect(page.locator("h1")).to_have_text("This Snack Does Not Exist")


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
