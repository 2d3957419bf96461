"""Drawing in the visitor's browser: Chromium's WebAssembly against onnxruntime on one thread, and what a first visit costs.

    python -m benchmarks.live [--sizes 64 128] [--pictures 20]

slim      generators as wide as the demo's
default   generators as wide as those of the lightweight-gan command

Both draw with the page's own worker, from seeds, as visitors do. Time depends on the weights' shapes alone, so they are random
here. The first visit is that of the demo's generator: from the address to the first picture, through a relay that lets
MBIT_S through and counts bytes; then once more with what the browser has kept.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

import onnxruntime
import psutil
import torch
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.serve import free_port, server
from gallery.bucket import open_bucket
from gallery.commit import read_pointer
from generate.model.drawing import draw_folder
from generate.model.generator import LightweightModel, load_generator
from generate.model.networks import NetworkOptions, build_generator
from generate.model.portable import example_inputs, to_onnx
from generate.releasing.live import browser_model
from generate.releasing.publishing import publish_pictures, read_folder

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo" / "generator.safetensors"
MBIT_S = 20
BURST_S = 0.02  # that late sleeps are made up for
LONG_TASK_S = 5  # of drifting
TITLE = "This Thing Does Not Exist"

PREPARE = """async () => {
    const script = document.querySelector("script[src*='page.js']").src.replace("page.js", "worker.js");
    const artist = new Worker(script, { type: "module" });
    const answer = (wanted) => new Promise((resolve, reject) => {
        artist.onmessage = ({ data }) => data.failed ? reject(new Error(data.failed)) : wanted in data && resolve(data);
    });
    const told = JSON.parse(document.querySelector("#live").dataset.live);
    artist.postMessage({ load: told });
    await answer("ready");
    window.draw = async (id) => {
        const start = performance.now();
        artist.postMessage({ id, from: { seed: id, category: 0 }, t: 0, truncation: 1, directions: told.directions.map(() => 0) });
        await answer("pixels");
        return performance.now() - start;
    };
}"""
DRAW = """async (count) => {
    const times = [];
    for (let id = 0; id < count; id++) times.push(await window.draw(id));
    return times;
}"""
UNTIL_DRAWN = """() => new Promise((resolve) => {
    const count = document.querySelector("#count");
    const look = () => count.textContent.includes("drawn here") ? resolve() : requestAnimationFrame(look);
    look();
})"""
WATCH = """window.longest = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.longest = Math.max(window.longest, entry.duration); }))
    .observe({ type: "longtask", buffered: true });"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256], help="pixels")
    parser.add_argument("--pictures", type=int, default=20, help="a measurement")
    parser.add_argument("--networks", nargs="+", choices=("slim", "default"), default=["slim", "default"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    demo = load_generator(DEMO)
    print(f"onnxruntime {onnxruntime.__version__}, load average {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        first_visit(demo, Path(folder), browser)
        for size in options.sizes:
            for kind in options.networks:
                model = random_model(demo, kind, size)
                native = onnxruntime_ms(model, options.pictures)
                wasm, processor = chromium_ms(model, Path(folder) / f"{kind}-{size}", browser, options.pictures)
                print(
                    f"{size:4} px, {kind:8} Chromium {wasm:7.1f} ms a picture ({1000 / wasm:5.1f}/s), processor {processor:7.1f} ms; "
                    f"onnxruntime {native:7.1f} ms; load {os.getloadavg()[0]:.1f}"
                )


def chromium_ms(model: LightweightModel, folder: Path, browser: Browser, count: int) -> tuple[float, float]:
    """A picture in the page's worker: by the clock (the median), and of the processor, which other work does not lengthen."""
    with site(model, folder) as port:
        page = browser.new_context().new_page()
        page.goto(f"http://127.0.0.1:{port}/live")
        page.evaluate(PREPARE)
        page.evaluate(DRAW, count)  # until all is compiled well
        before = chromium_cpu_s()
        times = page.evaluate(DRAW, count)
        spent = chromium_cpu_s() - before
        page.context.close()
    return median(times), 1000 * spent / count


def chromium_cpu_s() -> float:
    """That Chromium's processes took so far."""
    processes = [p for p in psutil.Process().children(recursive=True) if "chrom" in p.name()]
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


@contextmanager
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def random_model(demo: LightweightModel, kind: str, size: int) -> LightweightModel:
    """Fresh weights of that shape."""
    network = replace(demo.network, size=size) if kind == "slim" else NetworkOptions(size)
    torch.manual_seed(0)
    return replace(demo, generator=build_generator(network).eval(), network=network, sha256=f"{kind}-{size}")


def onnxruntime_ms(model: LightweightModel, count: int) -> float:
    """A picture, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    exported = to_onnx(model, calibrated=1)
    session = onnxruntime.InferenceSession(exported.data, options)
    inputs = example_inputs(model, len(exported.directions))
    feeds = {name: torch.randn_like(zeros).numpy() for name, zeros in inputs.items() if zeros is not None}
    times = []
    for _ in range(count):
        start = time.perf_counter()
        session.run(None, feeds)
        times.append(1000 * (time.perf_counter() - start))
    return median(times)


@contextmanager
def site(model: LightweightModel, folder: Path) -> Iterator[int]:
    """The port of a site with this generator and a picture of each category."""
    bucket = folder / "bucket"
    bucket.mkdir(parents=True)
    draw_folder(model, folder / "samples", range(1), precision="fp32")
    opened = open_bucket(str(bucket))
    groups, title = read_folder(folder / "samples", TITLE)
    browser = browser_model(model, "benchmark", title, {})
    publish_pictures(opened, read_pointer(opened), groups, title, browser=browser)
    with server("main:app", CLOUD_STORAGE_BUCKET=str(bucket)) as (port, *_):
        yield port


def first_visit(demo: LightweightModel, folder: Path, browser: Browser) -> None:
    """Print what a first and a second visit to the demo's generator cost, and the longest task while it drifts."""
    with site(demo, folder / "demo") as port, Relay(port) as relay:
        context = browser.new_context()
        page = context.new_page()
        page.add_init_script(WATCH)
        for visit in ("first visit", "second visit"):
            before, start = relay.sent, time.perf_counter()
            until_drawn(page, f"http://127.0.0.1:{relay.port}/live")
            seconds = time.perf_counter() - start
            print(
                f"{visit}, {MBIT_S} Mbit/s: first picture after {seconds:.2f} s, {(relay.sent - before) / 1e6:.2f} MB"
            )
        page.evaluate("window.longest = 0")
        page.locator("#drift").hover()
        page.mouse.down()
        time.sleep(LONG_TASK_S)
        page.mouse.up()
        longest = page.evaluate("window.longest")
        print(
            f"drifting: {'no task above 50 ms' if not longest else f'longest task {longest:.0f} ms'} on the page's thread"
        )
        context.close()


def until_drawn(page: Page, address: str) -> None:
    """As fast as a visitor can be who knows where the button is."""
    page.goto(address)
    page.click("#begin")
    page.evaluate(UNTIL_DRAWN)  # a locator would look every half second only


class Relay:
    """Passes connections on to a port, down at MBIT_S for all together, and counts what it sends. A context manager."""

    def __init__(self, target: int) -> None:
        self.port, self.sent = free_port(), 0
        self._target, self._free_at = target, 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._pass_on, "127.0.0.1", self.port), self._loop
        ).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _end(self) -> None:
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _pass_on(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError, OSError):
            far, forth = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(self._copy(near, forth, 0), self._copy(far, back, MBIT_S * 1e6 / 8))

    async def _copy(self, source: asyncio.StreamReader, dest: asyncio.StreamWriter, bytes_s: float) -> None:
        while data := await source.read(8192):
            if bytes_s:
                self.sent += len(data)
                self._free_at = max(self._free_at, time.monotonic() - BURST_S) + len(data) / bytes_s
                await asyncio.sleep(self._free_at - time.monotonic())
            dest.write(data)
            await dest.drain()
        dest.close()


if __name__ == "__main__":
    main()
