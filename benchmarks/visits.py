"""What visits cost: requests, bytes and storage operations, in a real browser and with a storage emulator.

    python -m benchmarks.visits [--views 20]

view      a visitor opens the front page once more, as by a link or the reload button
next      a click on Next
PREFETCH  1: the page fetches the next picture while this one is looked at; 0: when it is asked for

The counts are exact; the bytes are those of the wire, with headers, of a demo bucket's or noise's pictures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.serve import PICTURES, ROOT, emulator, fill, server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET_MS = 400


class Meter:
    """Counts what a page loads: requests to the site, and bytes on the wire."""

    def __init__(self, page: Page) -> None:
        self.requests = self.static = self.size = 0
        self._urls: dict[str, str] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)

    def _received(self, event: dict) -> None:
        response = event["response"]
        if response["url"].startswith("http") and not response.get("fromDiskCache"):
            self._urls[event["requestId"]] = response["url"]

    def _finished(self, event: dict) -> None:
        if (url := self._urls.pop(event["requestId"], None)) and event["encodedDataLength"]:
            self.static += "/static/" in url
            self.requests += "/static/" not in url
            self.size += int(event["encodedDataLength"])

    def take(self, page: Page) -> tuple[int, int, int]:
        """What was counted since the last call, once nothing is loaded any more."""
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(QUIET_MS)
        taken = self.requests, self.static, self.size
        self.requests = self.static = self.size = 0
        return taken


@contextmanager
def chromium() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not executable:
        raise SystemExit(f"None of {', '.join(BROWSERS)} is installed.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def visits(views: int) -> None:
    """Requests and bytes of a first view, of later ones and of clicks on Next."""
    print(f"{'':28}{'requests':>10}{'static files':>14}{'bytes':>10}   means of {views}, demo bucket")
    with chromium() as browser:
        for prefetch in ("1", "0"):
            with server("main:app", PREFETCH=prefetch, CLOUD_STORAGE_BUCKET=str(ROOT / "demo" / "bucket")) as (port, _, _):  # fmt: skip
                page = browser.new_context().new_page()
                meter = Meter(page)

                def report(name: str, counts: list[tuple[int, int, int]], prefetch: str = prefetch) -> None:
                    means = [statistics.mean(column) for column in zip(*counts, strict=True)]
                    print(f"{name:15}PREFETCH={prefetch:4}{means[0]:10.2f}{means[1]:14.2f}{means[2]:10,.0f}")

                url = f"http://127.0.0.1:{port}/"
                page.goto(url)
                report("first view", [meter.take(page)])
                later = []
                for _ in range(views):
                    page.goto(url)
                    later.append(meter.take(page))
                report("view", later)
                clicks = []
                for _ in range(views):
                    page.click("#next")
                    clicks.append(meter.take(page))
                report("next", clicks)


def storage(seconds: float) -> None:
    """Operations on storage of one worker, at the start and while it runs, whatever the number of visitors."""
    from tests.faulty_proxy import FaultyProxy

    with emulator() as url, FaultyProxy(url) as counted:
        os.environ["STORAGE_EMULATOR_HOST"] = url
        fill("gs://bench", PICTURES)
        settings = {"CLOUD_STORAGE_BUCKET": "gs://bench", "REFRESH_S": "1", "STORAGE_EMULATOR_HOST": counted.url}
        with server("main:app", **settings) as (port, _, _):
            time.sleep(5)
            at_start = len(counted.requests)
            looks = sum("site.json" in request for request in counted.requests)
            with chromium() as browser:
                page = browser.new_context().new_page()
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    page.goto(f"http://127.0.0.1:{port}/")
            later = len(counted.requests) - at_start
    print(f"\nstorage, a bucket of {PICTURES} pictures: {at_start - looks} reads of pictures at the start; with visitors "
          f"{later / seconds:.2f} reads a refresh, which is every REFRESH_S, and none a visit")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count what visits cost.")
    parser.add_argument("--views", type=int, default=20, help="of each kind (default: 20)")
    arguments = parser.parse_args()
    assert Path.cwd() == ROOT, "run it in the project's folder"
    visits(arguments.views)
    storage(20)
