"""Download lists of millions of URLs with img2dataset on Ray or Spark, using our own opener and writer.

Only the download processes that `generate.collecting.fetching` starts import this module, because img2dataset is slow to
import and replaces signal handlers. Its own downloader doesn't limit size, addresses or rate, and identifies itself as
Firefox, so every worker installs the opener of `generate.collecting.polite`. On Ray and Spark, `generate` must be importable
on the workers and DEST must be a shared folder. img2dataset honours X-Robots-Tag (noai, noimageai, noindex, noimageindex).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
import threading
import urllib.request
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # no check for updates at import

from img2dataset.downloader import Downloader

from generate.collecting.fetching import save
from generate.collecting.polite import TOKEN, Manners, build_opener

ENGINE = import_module("img2dataset.main")  # the attribute `main` of the package is a function
THREADS = 16
SHARD = 1000


def download(
    url_list: Path, work: Path, dest: Path, count: int, min_size: int, manners: Manners, distributor: str, jobs: int
) -> None:
    """Download the `count` URLs of a JSON Lines list (url, file): pictures into `dest`, rows into `work`/rows-*.jsonl.

    Replaces signal handlers, so it needs a process of its own.
    """
    _die_with_parent()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # otherwise Spark's workers use the system's Python
    vars(ENGINE).update(  # img2dataset has no other way to replace these two classes
        Downloader=partial(PoliteDownloader, manners=manners),
        FilesSampleWriter=partial(Writer, work=work, dest=dest, min_size=min_size),
    )
    ENGINE.download(
        str(url_list),
        output_folder=str(work / "img2dataset"),
        input_format="jsonl",
        save_additional_columns=["file"],
        output_format="files",
        disable_all_reencoding=True,  # keep the files unchanged
        extract_exif=False,
        processes_count=jobs,
        thread_count=THREADS,
        number_sample_per_shard=max(1, min(SHARD, -(-count // jobs))),
        timeout=manners.timeout_s,
        retries=0,  # our opener retries on the server's request; img2dataset would also retry opt-outs
        user_agent_token=TOKEN,
        distributor=distributor,
        enable_wandb=False,
    )


class PoliteDownloader(Downloader):  # type: ignore[misc]  # img2dataset has no types
    """Fetches through our opener, in any process."""

    def __init__(self, *args: Any, manners: Manners, **options: Any) -> None:
        super().__init__(*args, **options)
        self.manners = manners

    def __call__(self, row: Any) -> Any:
        _die_with_parent()
        urllib.request.install_opener(_opener(self.manners))
        return super().__call__(row)


class Writer:
    """Writes each picture and its journal row immediately, so that an interrupted run can resume."""

    def __init__(self, shard: int, *_: Any, work: Path, dest: Path, min_size: int, **__: Any) -> None:
        self.journal = (work / f"rows-{shard:05}.jsonl").open("a", encoding="utf-8")
        self.dest = dest
        self.min_size = min_size

    def write(self, data: bytes | None, key: str, caption: str | None, meta: dict[str, Any]) -> None:
        row = save(meta["url"], str(meta["file"]), data, _short(meta["error_message"]), self.dest, self.min_size)
        self.journal.write(json.dumps(asdict(row)) + "\n")
        self.journal.flush()

    def close(self) -> None:
        self.journal.close()


_openers: dict[Manners, urllib.request.OpenerDirector] = {}


def _opener(manners: Manners) -> urllib.request.OpenerDirector:
    """One opener per process, because it enforces the rate limit."""
    return _openers.setdefault(manners, build_opener(manners))


def _short(error: str | None) -> str:
    """The bare message of an error from urllib or img2dataset."""
    text = re.sub(r"^(<urlopen error )+|>+$", "", (error or "").partition("\n")[0])
    return "opted out: X-Robots-Tag" if "X-Robots-Tag" in text else text


def _die_with_parent() -> None:
    """End this process when the command that started it has ended."""
    parent = multiprocessing.parent_process()
    if parent is None or any(thread.name == "watch parent" for thread in threading.enumerate()):
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()
