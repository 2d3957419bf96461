"""Download a table of URLs into a folder with a pool of threads. A journal records each outcome, so a rerun resumes.

python -c "from generate.collecting.fetching import *; fetch([Row('0', url='https://...')], Path('photos'))"
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import multiprocessing
import os
import socket
import ssl
import sys
import threading
import urllib.error
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from generate.collecting.polite import Manners, build_opener
from generate.collecting.provenance import FAILED, KEPT, LEFT, Row, check_picture, utc_now
from generate.collecting.turns import BUSY
from generate.images import BadPicture, atomic_path, suffix_of, write_text

DISTRIBUTORS: dict[str, Sequence[str]] = {  # and the packages each needs
    "threads": (),
    "pyspark": ("img2dataset", "pyspark"),
    "ray": ("img2dataset", "ray"),
}
THREADS = 16
OUTCOME = ("file", "fetched", "sha256", "status", "reason")  # the fields of a row that fetching fills in
LOST = "not fetched: the process that should ended; run the same again"
WORK = ".collect"  # in DEST; hidden, so its files are not read as pictures


def check_distributor(distributor: str) -> None:
    """Raises click.ClickException if a package is missing. img2dataset itself would do nothing and report no error."""
    for package in DISTRIBUTORS[distributor]:
        if not find_spec(package):
            raise click.ClickException(
                f"--distributor {distributor} needs the package {package}: pip install {package}, or leave the option out."
            )


def fetch(
    rows: list[Row],
    dest: Path,
    min_size: int = 0,
    manners: Manners | None = None,
    distributor: str = "threads",
    jobs: int | None = None,
    retry: bool = False,
) -> None:
    """Fetch the rows that have no outcome yet; `file` of each is its path below `dest`, without a suffix.

    URLs that an earlier call fetched are skipped, and so are those that it failed to fetch, unless `retry` is set; those of
    busy hosts are not. Raises click.ClickException if img2dataset exits with an error; the journal then has everything that was
    done before.
    """
    again = (LEFT, FAILED) if retry else (LEFT,)
    known = {url: row for url, row in _journal(dest).items() if row["status"] not in again}
    missing = [row for row in rows if not row.status and row.url not in known]
    if missing:
        check_distributor(distributor)
        work = dest / WORK / f"run-{len(list((dest / WORK).glob('run-*'))):03}"
        if distributor == "threads":
            _run_threads(missing, work, dest, min_size, manners or Manners(), jobs or THREADS)
        else:
            _run_img2dataset(
                missing, work, dest, min_size, manners or Manners(), distributor, jobs or os.cpu_count() or 1
            )


def with_outcomes(rows: list[Row], dest: Path, finished: bool = False) -> list[Row]:
    """The rows with their outcomes so far. Rows that are not fetched yet have neither status nor file.

    If `finished`, rows without an outcome fail with the reason LOST: their process died.
    """
    known = _journal(dest)
    lost = {"file": ""} | ({"status": FAILED, "reason": LOST} if finished else {})
    return [replace(row, **known.get(row.url, {} if row.status else lost)) for row in rows]


def _journal(dest: Path) -> dict[str, dict[str, str]]:
    """The outcome of each URL, from all runs so far. Ignores a last line truncated by a crash."""
    outcomes = {}
    for path in sorted((dest / WORK).glob("run-*/rows-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            outcomes[row["url"]] = {name: row[name] for name in OUTCOME}
    return outcomes


def save(url: str, file: str, data: bytes | None, reason: str, dest: Path, min_size: int) -> Row:
    """Write downloaded data under the suffix of its format, if it is a picture; returns its row."""
    digest = hashlib.sha256(data).hexdigest() if data is not None else ""
    if data is not None:
        try:
            check_picture(data, min_size)
            file += suffix_of(io.BytesIO(data))
            with atomic_path(dest / file) as temporary:
                temporary.write_bytes(data)
        except BadPicture as bad:
            data, reason = None, str(bad)
    kept = data is not None
    left = reason.partition(":")[0] == BUSY
    return Row(
        file=file if kept else "",
        url=url,
        fetched=utc_now(),
        sha256=digest,
        status=KEPT if kept else LEFT if left else FAILED,
        reason=reason,
    )


def _run_threads(missing: list[Row], work: Path, dest: Path, min_size: int, manners: Manners, jobs: int) -> None:
    """Write each outcome to the journal before the next, so an interrupted run loses nothing."""
    stop = threading.Event()
    opener = build_opener(manners, stop)
    work.mkdir(parents=True)
    with (
        (work / "rows-00000.jsonl").open("a", encoding="utf-8") as journal,
        ThreadPoolExecutor(min(jobs, len(missing))) as pool,
        tqdm(total=len(missing), desc="fetch", unit="picture", disable=None) as bar,
    ):

        def download(row: Row) -> tuple[Row, bytes | None, str]:
            try:
                with opener.open(row.url, timeout=manners.timeout_s) as response:
                    return row, response.read(), ""
            except Exception as error:  # any failure of a remote server or URL rejects only that picture
                return row, None, reason_of(error)

        try:
            for future in as_completed([pool.submit(download, row) for row in missing]):
                row, data, reason = future.result()
                journal.write(json.dumps(asdict(save(row.url, row.file, data, reason, dest, min_size))) + "\n")
                journal.flush()
                bar.update()
        except BaseException:  # Ctrl-C too
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def reason_of(error: BaseException) -> str:
    """The reason for a failed download, in a few words."""
    while isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        if not isinstance(error.reason, BaseException):
            return str(error.reason)
        error = error.reason
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, ConnectionError):
        return f"not HTTP: {str(error)!r:.60}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no secure connection: {getattr(error, 'reason', None) or error.strerror}"
    if isinstance(error, socket.gaierror):
        return f"no such host: {error.strerror}"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0] or type(error).__name__


def _run_img2dataset(
    missing: list[Row], work: Path, dest: Path, min_size: int, manners: Manners, distributor: str, jobs: int
) -> None:
    lines = (json.dumps({"url": row.url, "file": row.file}) for row in missing)
    write_text(work / "urls.jsonl", "\n".join(lines) + "\n")
    jobs = min(jobs, len(missing))
    options = {
        "url_list": work / "urls.jsonl",
        "work": work,
        "dest": dest,
        "count": len(missing),
        "min_size": min_size,
        "manners": replace(manners, rate_per_s=manners.rate_per_s / jobs),  # each process limits its own rate
        "distributor": distributor,
        "jobs": jobs,
    }
    process = multiprocessing.get_context("spawn").Process(target=_child, args=(work / "log.txt", options))
    process.start()
    try:
        _watch(process, work, len(missing))
    finally:
        process.terminate()
        process.join()
    if process.exitcode:
        raise click.ClickException(
            f"img2dataset exited with code {process.exitcode}: see {work / 'log.txt'}, then run the same command to continue."
        )


def _watch(process: Any, work: Path, count: int) -> None:
    with tqdm(total=count, desc="fetch", unit="picture", disable=None) as bar:
        while process.is_alive():
            process.join(0.5)
            bar.update(sum(path.read_bytes().count(b"\n") for path in work.glob("rows-*.jsonl")) - bar.n)


def _child(log: Path, options: dict[str, Any]) -> None:
    """img2dataset writes to both streams, from several processes; redirect all of it to the log."""
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)

    from generate.collecting.downloading import download

    download(**options)
