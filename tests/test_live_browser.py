"""The page /live in Chromium: the visitor's browser draws what `sample` draws, and says what is wrong when it can't."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import brotli
import numpy as np
import psutil
import pytest
import requests
import torch
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import Page, expect

from generate.__main__ import main
from generate.model.generator import save_generator
from generate.model.networks import NetworkOptions, build_generator
from tests.browsing import browser, open_page, serve, stop_time
from tests.conftest import ROOT, wait_until

LEVELS = 2  # of 255, that the browser may differ by
DEMO = ROOT / "demo" / "generator.safetensors"
PIXELS = """(async () => {
    const { width, height } = document.querySelector("#canvas");
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(document.querySelector("#canvas"), 0, 0);
    return [...context.getImageData(0, 0, width, height).data];
})()"""

TOP = "selector => document.querySelector(selector).getBoundingClientRect().top + scrollY"
# the status disappears after a while, so it is written down
LISTEN = """(() => {
    const status = document.getElementById("status");
    window.said = "";
    new MutationObserver(() => (window.said += status.textContent)).observe(status, { childList: true });
})()"""
FILL_STORAGE = """(() => {
    let text = "";
    for (let more = 2 ** 23; more >= 1; more /= 2) {
        try {
            localStorage.setItem("other", text + "x".repeat(more));
            text += "x".repeat(more);
        } catch {}
    }
})()"""


def generate(*arguments: object) -> None:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output


def make_model(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    network = NetworkOptions(32, 24, 16, attention=(), categories=("cats", "dogs"))  # 24: not a multiple of 16
    generator = build_generator(network)
    torch.nn.init.normal_(generator.embed.weight)
    generator.out_conv.weight.data *= 4  # an untrained one's pictures differ by little
    save_generator(folder / "generator.safetensors", generator, network, {"kimg": 1.5, "pictures": 36})
    return folder


def refill(model: Path, bucket: Path) -> Path:
    bucket.mkdir(exist_ok=True)
    options = "--count 4 --no-curate --live --device cpu --precision fp32 --yes".split()
    generate("refill", model, bucket, *options, "--title", "This Pet Does Not Exist")
    return bucket


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("pets"), 0)


@pytest.fixture(scope="module")
def bucket(model, tmp_path_factory) -> Path:
    return refill(model, tmp_path_factory.mktemp("live"))


@pytest.fixture
def url(serve, bucket) -> str:
    return serve(str(bucket))


@pytest.fixture
def begin(open_page):
    """begin(hash, ...): the page, drawing."""

    def begin(hash: str = "", **options) -> Page:
        page = open_page(f"/live{hash}", **options)
        page.click("#begin")
        drawn(page)
        return page

    return begin


def drawn(page: Page) -> int:
    """How many pictures were drawn, once one was."""
    expect(page.locator("#count")).to_have_text(re.compile("drawn here, none by a server"), timeout=60_000)
    return int(page.locator("#count").inner_text().split()[0].replace(",", ""))


def pixels(page: Page) -> np.ndarray:
    """(H, W, 3), of what is shown."""
    values = np.array(page.evaluate(PIXELS), np.int16)
    side = round((len(values) / 4) ** 0.5)
    return values.reshape(side, side, 4)[..., :3]


def another(page: Page, step) -> np.ndarray:
    """Do something that has another picture drawn; its pixels."""
    before = drawn(page)
    step()
    wait_until(lambda: drawn(page) > before)
    return pixels(page)


def sampled(model: Path, dest: Path, *options: object) -> dict[str, np.ndarray]:
    generate("sample", model, dest, "--format", "png", "--precision", "fp32", "--device", "cpu", *options)
    return {
        path.relative_to(dest).as_posix(): np.asarray(Image.open(path).convert("RGB"), np.int16)
        for path in dest.rglob("*.png")
    }


def test_random_numbers_are_those_of_torch(open_page, url):
    page = open_page("/live")
    script = page.evaluate("document.querySelector('script[type=module]').src").replace("page.js", "random.js")
    for seed in (0, 7, 2**32 - 1):
        counts = [7, 16, 24, 64, 100, 1024]
        source = torch.Generator().manual_seed(seed)
        expected = [torch.randn(count, generator=source) for count in counts]

        found = page.evaluate(
            "async ([script, seed, counts]) => { const { Random } = await import(script); "
            "const source = new Random(seed); return counts.map((count) => [...source.normal(count)]); }",
            [script, seed, counts],
        )

        for numbers, ours in zip(expected, found, strict=True):
            assert torch.allclose(torch.tensor(ours), numbers, rtol=1e-5, atol=2e-6)


def test_a_seed_is_the_picture_that_sample_draws(begin, model, tmp_path):
    expected = sampled(model, tmp_path / "samples", "--seeds", "7,4000000000")
    page = begin("#1")
    for name, picture in expected.items():
        slug, seed = name.removesuffix(".png").split("/")

        another(page, lambda at=f"#{int(seed)}&category={slug}": page.evaluate("at => location.hash = at", at))

        assert np.abs(pixels(page) - picture).max() <= LEVELS, name


def test_the_demos_generator_draws_its_pictures(begin, serve, tmp_path):
    truncation = ("--truncation", 0.85)
    expected = sampled(DEMO, tmp_path / "samples", "--seeds", "7", "--category", "people", *truncation)
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    generate("refill", DEMO, bucket, "--count", 3, "--no-curate", "--live", *truncation, "--precision", "fp32")

    page = begin("#7&category=people", at=serve(str(bucket)))

    assert np.abs(pixels(page) - expected["people/0000007.png"]).max() <= LEVELS


def test_nothing_of_it_loads_before_it_is_asked_for(open_page):
    page = open_page("/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/", "/about", "/grid", "/live"):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + path)
        page.wait_for_load_state("networkidle")

    assert not [name for name in asked if name.endswith((".onnx", ".wasm", "worker.js", ".mjs"))]
    expect(page.locator("#weight")).to_have_text(re.compile(r"Downloads at most [0-9.]+ MB, once\."))


def test_next_draws_another_back_the_one_before_and_a_link_shows_the_same(begin, browser):
    page = begin("#7&category=dogs")
    first = pixels(page)
    second = another(page, lambda: page.click("#next"))
    link = page.url
    back = another(page, page.go_back)

    assert np.abs(first - second).max() > LEVELS
    assert (back == first).all()
    assert "#7&category=dogs" in page.url
    elsewhere = begin(hash="#" + link.split("#")[1])
    assert (pixels(elsewhere) == second).all()


def test_the_left_arrow_ends_at_the_first_picture(begin):
    page = begin("#7&category=dogs")
    for _ in range(2):
        another(page, lambda: page.keyboard.press(" "))
    for _ in range(2):
        another(page, lambda: page.keyboard.press("ArrowLeft"))
    assert page.url.endswith("/live#7&category=dogs")

    page.keyboard.press("ArrowLeft")
    another(page, lambda: page.keyboard.press(" "))  # the page is still there, and its generator


@pytest.mark.parametrize("rubbish", ["no seed", "4294967296", "-1", "%E0%A4%A", ""])
def test_an_address_that_means_nothing_becomes_that_of_the_picture(begin, rubbish):
    page = begin("#7&category=dogs")
    page.evaluate("rubbish => location.hash = rubbish", rubbish)

    expect(page).to_have_url(re.compile("#7&category=dogs$"))


def place_of(page: Page) -> str:
    """What the address says of the picture. (`page.url` is not refreshed while nothing else is asked.)"""
    return page.evaluate("location.hash.slice(1)")


def test_drifting_moves_all_the_time_and_the_address_names_the_place(begin):
    page = begin("#7&category=cats")
    before = drawn(page)
    page.locator("#drift").hover()
    page.mouse.down()
    wait_until(lambda: drawn(page) > before + 5)
    page.wait_for_timeout(400)  # longer than a short press
    page.mouse.up()
    expect(page.locator("#drift")).to_have_attribute("aria-pressed", "false")
    wait_until(lambda: place_of(page) != "7&category=cats")

    def place_is_the_picture() -> bool:
        """The last picture, which was being drawn when drifting stopped, has come, has faded in, and is in the address."""
        again = pixels(begin(f"#{place_of(page)}"))
        return bool(np.abs(pixels(page) - again).max() <= 8)  # the place is rounded in the address

    wait_until(place_is_the_picture)
    assert re.fullmatch(r"[0-9]+&category=(cats|dogs)(&with=[0-9]+,(cats|dogs),0\.[0-9]+)?", place_of(page))


def test_a_short_press_starts_drifting_and_another_stops_it(begin):
    page = begin("#7")
    stop_time(page)
    page.click("#drift")
    expect(page.locator("#drift")).to_have_attribute("aria-pressed", "true")
    page.clock.resume()
    before = drawn(page)
    wait_until(lambda: drawn(page) > before + 2)
    page.click("#drift")
    expect(page.locator("#drift")).to_have_attribute("aria-pressed", "false")


def test_who_prefers_less_motion_goes_step_by_step(begin):
    page = begin("#7&category=cats", reduced_motion="reduce")
    another(page, lambda: page.click("#drift"))
    expect(page.locator("#drift")).to_have_attribute("aria-pressed", "false")
    page.wait_for_url(re.compile("with="))


def test_sliders_change_the_picture_and_lead_back(begin):
    page = begin("#7&category=cats")
    page.click("summary:has-text('Change it')")
    first = pixels(page)
    slide = "([input, value]) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }"

    def set_to(locator, value) -> None:
        page.evaluate(slide, [locator.element_handle(), value])

    along = another(page, lambda: set_to(page.locator("#directions input").first, 3))
    back = another(page, lambda: page.click("#straight"))
    odd = another(page, lambda: set_to(page.locator("#odd"), 0.2))

    assert np.abs(along - first).max() > LEVELS
    assert (back == first).all()
    assert np.abs(odd - first).max() > LEVELS
    page.wait_for_url(re.compile(r"odd=0\.2"))


def test_a_category_can_be_chosen_and_any_takes_turns(begin):
    page = begin("#7&category=cats")
    first = pixels(page)
    dogs = another(page, lambda: page.select_option("#category", label="Dog"))

    assert np.abs(dogs - first).max() > LEVELS
    expect(page.locator("h1")).to_have_text("This Dog Does Not Exist")
    page.select_option("#category", label="Any")
    seen = set()
    for _ in range(40):
        another(page, lambda: page.click("#next"))
        seen.add(page.locator("h1").inner_text())
    assert seen == {"This Cat Does Not Exist", "This Dog Does Not Exist"}


def test_two_that_are_kept_can_be_mixed(begin):
    page = begin("#7&category=cats")
    page.click("#keep")
    another(page, lambda: page.click("#next"))
    page.click("#keep")
    expect(page.locator("#kept li")).to_have_count(2)
    page.locator("#kept .mix").first.click()
    another(page, lambda: page.locator("#kept .mix").last.click())

    assert re.search(r"#[0-9]+&category=[a-z]+&with=7,cats,0\.5", page.url)
    expect(page.locator("#between")).to_be_visible()
    page.reload()
    page.click("#begin")
    drawn(page)
    expect(page.locator("#kept li")).to_have_count(2)
    page.locator("#kept li button[aria-label^=Remove]").first.click()
    expect(page.locator("#kept li")).to_have_count(1)


def test_favourites_that_cannot_be_kept_are_not_called_kept(begin):
    page = begin("#7")
    page.evaluate(FILL_STORAGE)
    page.evaluate(LISTEN)
    page.click("#keep")

    wait_until(lambda: "Not kept" in page.evaluate("said"))
    expect(page.locator("#kept li")).to_have_count(0)


def test_a_release_with_the_same_generator_keeps_favourites_and_loads_nothing_again(begin, serve, model, bucket, tmp_path):  # fmt: skip
    refilled = tmp_path / "bucket"
    shutil.copytree(bucket, refilled)
    at = serve(str(refilled), REFRESH_S="0.2")
    page = begin("#7&category=dogs", at=at)
    page.click("#keep")
    refill(model, refilled)
    live = json.loads((refilled / "site.json").read_text())["release"]
    wait_until(lambda: requests.get(f"{at}/health", timeout=60).json()["release"] == live)
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.click("#begin")
    drawn(page)

    expect(page.locator("#kept li")).to_have_count(1)
    assert not [name for name in asked if name.endswith("generator.onnx")]


def test_another_site_on_the_same_host_keeps_what_this_one_loaded(begin, serve, bucket, tmp_path):
    pets = serve(str(bucket), SCRIPT_NAME="/pets")
    others = serve(str(refill(make_model(tmp_path / "other", 1), tmp_path / "bucket")), SCRIPT_NAME="/others")
    page = begin("#7", at=pets)
    host = pets.removesuffix("/pets")
    page.context.route(
        f"{host}/others/**",
        lambda route: route.fulfill(response=route.fetch(url=route.request.url.replace(f"{host}/others", others))),
    )
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    for path in ("others", "pets"):
        page.goto(f"{host}/{path}/live#7")
        page.click("#begin")
        drawn(page)

    loaded = [name for name in asked if name.endswith((".onnx", ".wasm"))]
    assert {urlsplit(name).path.split("/")[1] for name in loaded} == {"others"}


def test_the_download_is_the_picture(begin, model, tmp_path):
    page = begin("#7&category=dogs")
    with page.expect_download() as download:
        page.click("#download")

    found = np.asarray(Image.open(download.value.path()).convert("RGB"), np.int16)
    assert (found == pixels(page)).all()
    assert download.value.suggested_filename == "7.png"


def test_loaded_once_it_draws_offline_and_the_next_visit_loads_neither_model_nor_runtime(begin, open_page):
    page = begin("#7")
    page.context.set_offline(True)
    another(page, lambda: page.click("#next"))
    page.context.set_offline(False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.click("#begin")
    drawn(page)

    assert not [name for name in asked if name.endswith((".onnx", ".wasm"))]


def renderers() -> dict[int, int]:
    """Bytes that each of this test's browsers holds, by its process."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # that of a page which was closed may end at any time
            if "--type=renderer" in " ".join(child.cmdline()):
                found[child.pid] = child.memory_info().rss
    return found


def test_a_hundred_pictures_need_no_more_memory_than_twenty(begin):
    page = begin("#7")
    for _ in range(20):
        another(page, lambda: page.click("#next"))
    before = renderers()
    for _ in range(80):
        another(page, lambda: page.click("#next"))

    after = renderers()
    grown = {process: after[process] - bytes for process, bytes in before.items() if process in after}
    assert grown
    assert sum(grown.values()) < 25_000_000, "and not of browsers that were started in the meantime"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"status": 404}, "has been replaced"),
        ({"status": 410}, "has been replaced"),
        ({"status": 500}, "did not arrive"),
        ({"body": b"\x08\x08 no model"}, "arrived damaged"),
    ],
)
def test_a_missing_or_damaged_generator_is_one_sentence_and_a_way_back(open_page, answer, sentence):
    page = open_page("/live", complains=True)
    page.context.route("**/generator.onnx", lambda route: route.fulfill(**answer))
    page.click("#begin")

    expect(page.locator("#trouble")).to_contain_text(sentence, timeout=60_000)
    page.click("#trouble a")
    expect(page.locator("#picture")).to_be_visible()


def test_a_generator_of_a_future_format_is_one_sentence(open_page, serve, bucket, tmp_path):
    future = tmp_path / "bucket"
    shutil.copytree(bucket, future)
    catalog = (future / "site.json").read_text()
    at = catalog.index('"live"')
    (future / "site.json").write_text(catalog[:at] + catalog[at:].replace('"format": 1', '"format": 2', 1))

    page = open_page("/live", at=serve(str(future)))

    expect(page.locator("#trouble")).to_contain_text("too new for this page")
    expect(page.locator("#begin")).to_be_hidden()


def test_without_webassembly_or_scripts_there_is_a_sentence_and_a_way_back(open_page, url):
    page = open_page("/about")
    page.add_init_script("delete window.WebAssembly")
    page.goto(f"{url}/live")
    expect(page.locator("#trouble")).to_contain_text("needs WebAssembly")

    page = open_page("/live", java_script_enabled=False)
    assert "This page needs JavaScript." in page.content()  # Chromium under Playwright does not render it


@pytest.mark.parametrize(
    "file",
    ["rehearsal.onnx", "ort-wasm-simd-threaded.wasm", "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "points.js"],
)
def test_a_part_of_the_runtime_that_does_not_arrive_is_one_sentence(open_page, file):
    page = open_page("/live", complains=True)
    page.context.route(f"**/{file}", lambda route: route.abort())
    page.click("#begin")

    expect(page.locator("#trouble")).to_contain_text("did not arrive", timeout=60_000)


def test_a_slow_script_is_not_called_lost_with_reduced_motion(browser, url):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.route("**/page.js", lambda route: None)  # which never answers
    page.goto(f"{url}/live", wait_until="commit")

    expect(page.locator("#offer")).to_be_attached()
    assert page.locator("#late").is_hidden()
    context.close()


def test_without_javascript_no_script_is_called_lost(open_page):
    page = open_page("/live", java_script_enabled=False)

    expect(page.locator("#late")).to_have_css("display", "none")


@pytest.mark.parametrize("file", ["page.js", "sliders.js"])
def test_a_script_that_does_not_arrive_is_one_sentence(open_page, url, file):
    page = open_page("/about", complains=True)
    page.route(f"**/{file}", lambda route: route.abort())
    page.goto(f"{url}/live")

    expect(page.locator("#late")).to_be_visible(timeout=60_000)


def test_a_worker_that_does_not_arrive_is_one_sentence(open_page):
    page = open_page("/live", complains=True)
    page.context.route("**/worker.js", lambda route: route.abort())
    page.click("#begin")

    expect(page.locator("#trouble")).to_contain_text("did not arrive", timeout=60_000)


def test_pages_draw_with_the_generator_of_their_release(begin, serve, model, bucket, tmp_path):
    swapped = tmp_path / "bucket"
    shutil.copytree(bucket, swapped)
    at = serve(str(swapped), REFRESH_S="0.2")
    page = begin("#7&category=dogs", at=at)
    first = pixels(page)
    refill(make_model(tmp_path / "other", 1), swapped)
    release = requests.get(f"{at}/random.json", timeout=60).json()["release"]
    wait_until(lambda: requests.get(f"{at}/random.json", timeout=60).json()["release"] != release)

    another(page, lambda: page.click("#next"))
    assert (another(page, page.go_back) == first).all()
    page.reload()
    page.click("#begin")
    drawn(page)
    assert np.abs(pixels(page) - first).max() > LEVELS


def test_without_a_clipboard_the_link_is_in_the_address_bar(begin, url):
    page = begin("#7&category=dogs", at=url.replace("127.0.0.1", "0.0.0.0"), complains=True)  # a host without TLS
    assert page.evaluate("[isSecureContext, typeof navigator.clipboard]") == [False, "undefined"]
    page.evaluate(LISTEN)
    page.click("#share")

    wait_until(lambda: "The link is in the address bar." in page.evaluate("said"))


@pytest.mark.parametrize("viewport", [(390, 844), (800, 1200), (1280, 800)])
def test_the_picture_and_next_stay_where_they_are(begin, serve, model, bucket, tmp_path, viewport):
    long = tmp_path / "bucket"
    shutil.copytree(bucket, long)
    catalog = json.loads((long / "site.json").read_text())
    catalog["live"]["categories"][1]["name"] = "Labrador With a Frisbee"
    (long / "site.json").write_text(json.dumps(catalog))
    page = begin("#7", at=serve(str(long)), viewport=dict(zip(("width", "height"), viewport, strict=True)))

    def tops() -> list[float]:
        return [page.evaluate(TOP, selector) for selector in ("#canvas", "#next")]

    before = tops()
    another(page, lambda: page.select_option("#category", index=2))
    assert "Labrador" in page.locator("h1").inner_text()
    assert tops() == before
    page.click("summary:has-text('Change it')")
    assert tops() == before
    page.reload()
    assert page.evaluate(TOP, "#canvas") == before[0]


@pytest.mark.parametrize("viewport", [(320, 568), (390, 844), (1280, 800)])
def test_the_picture_is_in_sight_of_every_slider(begin, viewport):
    page = begin("#7", viewport=dict(zip(("width", "height"), viewport, strict=True)))
    page.click("summary:has-text('Change it')")
    page.focus("#straight")
    for _ in range(page.locator("#directions input").count() + 3):  # and "Change it", "How odd" and the category
        page.keyboard.press("Shift+Tab")

        covered = "(() => { const box = document.activeElement.getBoundingClientRect(); return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) !== document.activeElement; })()"  # fmt: skip
        assert not page.evaluate(covered)
        box = page.locator("#canvas").bounding_box()
        assert 0 <= box["y"] <= viewport[1] - box["height"]


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [(320, 568), (844, 390), (1280, 800)])
def test_it_fits_and_axe_finds_nothing(begin, viewport, scheme):
    width, height = viewport
    page = begin("#7", viewport={"width": width, "height": height}, color_scheme=scheme)
    stop_time(page)
    page.click("#keep")
    page.click("summary:has-text('Change it')")
    page.click("summary:has-text('What is this?')")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#next").bounding_box()
    assert box["y"] + box["height"] <= height
    page.clock.run_for(3000)  # the note of what was kept
    page.clock.resume()
    expect(page.locator("#status")).to_be_empty()
    violations = Axe().run(page).response["violations"]
    assert violations == []


def test_the_runtime_is_whole_for_browsers_with_and_without_brotli(url):
    page = requests.get(f"{url}/live", timeout=60).text
    (path,) = set(re.findall(r"/live/app/[0-9a-f]{8}/", page))
    stored = (ROOT / "static" / "live" / "ort" / "ort-wasm-simd-threaded.wasm.br").read_bytes()
    address = f"{url}{path}ort/ort-wasm-simd-threaded.wasm"

    compressed = requests.get(address, headers={"Accept-Encoding": "br"}, stream=True, timeout=60)
    plain = requests.get(address, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=60)

    assert compressed.headers["Content-Encoding"] == "br"
    assert compressed.raw.read(decode_content=False) == stored
    assert "Content-Encoding" not in plain.headers
    assert io.BytesIO(plain.raw.read()).getvalue() == brotli.decompress(stored)
    for answer in (compressed, plain):
        assert answer.headers["Content-Type"] == "application/wasm"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert "immutable" in answer.headers["Cache-Control"]
    assert requests.get(address.replace(path, "/live/app/0/"), stream=True, timeout=60).headers["Cache-Control"] == "no-cache"  # fmt: skip


@pytest.mark.parametrize("name", ["../script.js", "..%2fscript.js", "ort/LICENSE", "ort/SHA256SUMS", "no.js", "ort/"])
def test_other_files_are_not_served(url, name):
    assert requests.get(f"{url}/live/app/0/{name}", timeout=60).status_code == 404


def test_the_files_of_the_runtime_are_those_that_were_recorded():
    folder = ROOT / "static" / "live" / "ort"
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
