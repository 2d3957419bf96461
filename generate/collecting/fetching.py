"""Download a table of URLs into a folder, each once: img2dataset downloads what a journal does not have yet.

python -c "from generate.collecting.fetching import *; fetch([Row('0', url='https://...')], Path('photos'))"
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from generate.collecting.polite import Manners
from generate.collecting.provenance import FAILED, Row
from generate.images import write_text

DISTRIBUTORS = {"multiprocessing": "", "pyspark": "pyspark", "ray": "ray"}  # with the package each needs
OUTCOME = ("file", "fetched", "sha256", "status", "reason")  # the fields of a row that fetching fills in
LOST = "not fetched: the process that should ended; run the same again"
WORK = ".collect"  # in DEST; hidden, so that its files are not taken for pictures


def check_distributor(distributor: str) -> None:
    """Raises click.ClickException if a package is missing. img2dataset itself would do nothing and report no error."""
    if not find_spec("img2dataset"):
        raise click.ClickException("Fetching URLs needs img2dataset: pip install -r generate/requirements-collect.txt.")
    package = DISTRIBUTORS[distributor]
    if package and not find_spec(package):
        raise click.ClickException(f"--distributor {distributor} needs the package {package}: pip install {package}.")


def fetch(
    rows: list[Row],
    dest: Path,
    min_size: int = 0,
    manners: Manners | None = None,
    distributor: str = "multiprocessing",
    jobs: int | None = None,
    retry: bool = False,
) -> None:
    """Fetch the rows that have no outcome yet; `file` of each is its path below `dest`, without a suffix.

    URLs that an earlier call fetched are skipped, and unless `retry` those that it failed to fetch, too. Raises click.ClickException if img2dataset exits
    with an error; the journal then has everything that was done before.
    """
    known = {url: row for url, row in _journal(dest).items() if not (retry and row["status"] == FAILED)}
    missing = [row for row in rows if not row.status and row.url not in known]
    if missing:
        check_distributor(distributor)
        _run(missing, dest, min_size, manners or Manners(), distributor, jobs or os.cpu_count() or 1)


def with_outcomes(rows: list[Row], dest: Path, finished: bool = False) -> list[Row]:
    """The rows with their outcomes so far. Rows that are not fetched yet have neither status nor file.

    After a fetch that is `finished` every row has a status: one without an outcome was lost with its process.
    """
    known = _journal(dest)
    lost = {"file": ""} | ({"status": FAILED, "reason": LOST} if finished else {})
    return [replace(row, **known.get(row.url, {} if row.status else lost)) for row in rows]


def _journal(dest: Path) -> dict[str, dict[str, str]]:
    """The outcome of each URL, from all runs so far. A last line that a crash cut off is ignored."""
    outcomes = {}
    for path in sorted((dest / WORK).glob("run-*/rows-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            outcomes[row["url"]] = {name: row[name] for name in OUTCOME}
    return outcomes


def _run(missing: list[Row], dest: Path, min_size: int, manners: Manners, distributor: str, jobs: int) -> None:
    number = len(list((dest / WORK).glob("run-*")))
    work = dest / WORK / f"run-{number:03}"
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
