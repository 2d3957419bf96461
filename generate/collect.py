"""Collect pictures from a folder, an archive, a list of URLs or a picture search, and record the source of each.

python -m generate collect 'search:pineapple,banana' photos --limit 300
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from generate.collecting.fetching import DISTRIBUTORS, WORK, check_distributor, fetch, with_outcomes
from generate.collecting.listing import read_list
from generate.collecting.planning import plan_rows
from generate.collecting.polite import Manners
from generate.collecting.provenance import FAILED, KEPT, LEFT, Row, read_table, write_table
from generate.collecting.searching import COMMONS, ENGINES, FREE, LICENCES, OPENVERSE, search
from generate.collecting.unpacking import copy_pictures, is_archive
from generate.folders import check_dest
from generate.formats import REFUSED
from generate.images import kind_of, read_json, write_text
from generate.units import Number, plural, shell_path

SEARCH = "search:"
RECORD = "collect.json"  # in DEST: what was collected, and how
CURES = {  # what to do if nothing was kept, by a substring of the most frequent reason
    REFUSED: "convert them to PNG or JPEG",
    "can't be read": "allow this user to read them, then run the same command again",
    "too small": "allow smaller ones with --min-size and another DEST",
    "too large": "allow larger ones with --max-mb and --retry",
    "private address": "give addresses that everybody can reach",
    "no such host": "check the addresses and the network, then try again with --retry",
    "certificate not accepted": "check the addresses, and the certificates of this machine (SSL_CERT_FILE)",
    "no secure connection": "check the addresses: does the server speak https",
    "Connection refused": "try again later with --retry",
    "Network is unreachable": "check the network, then try again with --retry",
    "timed out": "wait longer with --timeout-s and --retry",
    "too slow": "try again later with --retry",
    "HTTP Error 5": "try again later with --retry",
    "HTTP Error 401": "their servers don't show them to everybody: give another source",
    "HTTP Error 403": "say who you are with --contact and --retry, or give another source",
    "HTTP Error 451": "their servers may not show them: give another source",
    "HTTP Error": "correct the addresses in the list, then run the same command again",
    "not a URL": "correct the addresses in the list, then run the same command again",
    "opted out": "choose sites that allow it",
}
FETCHED = {  # for URLs only; "" catches all other connection errors
    "not a picture": "give the addresses of pictures, not of the pages that show them",
    "": "try again later with --retry",
}
SEARCH_LIMIT = 500  # pictures a term, without --limit


class Choices(click.ParamType[tuple[str, ...]]):
    """One or more of the given words, separated by commas: by,by-sa."""

    name = "list"

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.choices = choices

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        words = tuple(word.strip().lower() for word in value.split(",")) if isinstance(value, str) else value
        for word in words:
            if word not in self.choices:
                self.fail(f"{word!r} is not one of {', '.join(self.choices)}; separate several by commas.", param, ctx)
        return words


@click.command()
@click.argument("source")
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Maximum number of pictures, chosen at random; for a search, the first of each term.  [default: all; of a search 500]")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random subset.")
@click.option(
    "--min-size",
    type=click.IntRange(0),
    default=256,
    show_default=True,
    help="Minimum length of the shorter side, in pixels.",
)
@click.option("--engine", type=Choices(ENGINES), default=",".join(ENGINES), show_default=True, help="Where to search.")
@click.option("--licence", type=Choices(LICENCES), default=",".join(FREE), show_default=True, help=f"Licences to search for, among {', '.join(LICENCES)}.")  # fmt: skip
@click.option(
    "--contact",
    default="",
    help="Your e-mail address or site for the user agent; Wikimedia requires it.",
)
@click.option("--rate", type=Number(0, min_open=True), default=Manners.rate_per_s, show_default=True, help="Maximum requests a second to one host.")  # fmt: skip
@click.option("--timeout-s", type=Number(0, min_open=True), default=Manners.timeout_s, show_default=True)
@click.option("--max-mb", type=Number(0, min_open=True), default=Manners.max_bytes / 1e6, show_default=True, help="Maximum size of one picture.")  # fmt: skip
@click.option("--distributor", type=click.Choice(list(DISTRIBUTORS)), default="threads", show_default=True, help="pyspark and ray run on clusters; they need img2dataset.")  # fmt: skip
@click.option("--retry", is_flag=True, help="Retry URLs that failed in earlier runs.")
@click.option("--names", metavar="ENCODING", help="Encoding of file names in an old zip file, such as cp866.  [default: UTF-8, else guessed]")  # fmt: skip
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Concurrent downloads.  [default: 16; with pyspark and ray one process a core]",
)
def command(
    source: str,
    dest: Path,
    limit: int | None,
    seed: int,
    min_size: int,
    engine: tuple[str, ...],
    licence: tuple[str, ...],
    contact: str,
    rate: float,
    timeout_s: float,
    max_mb: float,
    distributor: str,
    retry: bool,
    names: str | None,
    jobs: int | None,
) -> None:
    """Collect pictures and record the source of each.

    SOURCE is a folder; an archive (zip, tar, tgz, an npm tarball); a list of URLs as text, CSV, TSV, JSON or Parquet, also
    ImageNet's "<category> <url>"; or search:TERM[,TERM...], where several terms become categories. DEST/sources.csv
    records URL, page, author, licence, time and sha256 of every picture, or why it was rejected. A rerun resumes.

    A list may be a stranger's: private addresses (localhost, 192.168.0.1, a cloud's metadata server) are never fetched,
    nor redirects to them. Pictures on a server of your own network need to be copied into a folder first.

    \b
    Example:
      python -m generate collect "search:pineapple" photos --limit 300
    """
    manners = Manners(contact, rate, timeout_s, max_bytes=int(max_mb * 1e6))
    rows = collect(
        source,
        dest,
        limit=limit,
        seed=seed,
        min_size=min_size,
        engines=engine,
        licences=licence,
        manners=manners,
        distributor=distributor,
        retry=retry,
        names=names,
        jobs=jobs,
    )
    reasons = Counter(kind_of(row.reason) for row in rows if row.status == FAILED)
    for reason, count in reasons.most_common():
        click.echo(f"rejected {count}: {reason}", err=True)
    kept = sum(row.status == KEPT for row in rows)
    table = dest / "sources.csv"
    if left := [row.reason for row in rows if row.status == LEFT]:
        raise click.ClickException(
            f"{kept} pictures in {dest}, {sum(reasons.values())} rejected, {len(left)} left for the next run ({left[0]}). Wait "
            f"{'that long' if ' in ' in left[0] else 'an hour'}, then run the same command again; --rate 0.2 asks less often."
        )
    if not kept:
        reason = next(iter(reasons), "")
        cures = CURES | (FETCHED if any(row.url for row in rows) else {})
        cure = next((cure for words, cure in cures.items() if words in reason), "give another source")
        raise click.ClickException(
            f"None of {plural(len(rows), 'picture')} was kept, see the reasons in {table}: {cure}."
        )
    click.echo(f"{kept} pictures in {dest}, {len(rows) - kept} rejected; {table} lists sources and reasons.")
    click.echo(f"Next: python -m generate prepare {shell_path(dest)} prepared")


def collect(
    source: str,
    dest: Path,
    limit: int | None = None,
    seed: int = 0,
    min_size: int = 256,
    engines: tuple[str, ...] = ENGINES,
    licences: tuple[str, ...] = FREE,
    manners: Manners | None = None,
    distributor: str = "threads",
    retry: bool = False,
    names: str | None = None,
    jobs: int | None = None,
    openverse_url: str = OPENVERSE,
    commons_url: str = COMMONS,
) -> list[Row]:
    """Collect the pictures of `source` (see the command) into `dest`; returns the rows of `dest/sources.csv`.

    The first-level folder of a picture is its category. Raises click.ClickException if the source holds no pictures, or
    if `dest` was collected from another source or with other options, or holds something else.
    """
    manners = manners or Manners()
    path, searched = Path(source), source.startswith(SEARCH)
    options: dict[str, Any] = {"source": source, "limit": limit, "seed": seed, "min_size": min_size}
    if names:
        options["names"] = names
    if searched:
        options |= {"engines": list(engines), "licences": list(licences)}
    elif not path.exists():
        raise click.ClickException(
            f"{source} does not exist: give a folder, an archive, a list of URLs, or search:TERM for a picture search."
        )
    elif path.is_dir() and dest.resolve().is_relative_to(path.resolve()):
        raise click.UsageError(
            f"{dest} is inside {source}, so the next run would read its own output: choose a DEST outside."
        )
    with _same_options(dest, options):
        table, plan = dest / "sources.csv", dest / WORK / "plan.csv"
        if not searched and (path.is_dir() or is_archive(path)):
            rows = copy_pictures(path, dest, limit, seed, min_size, read_table(table), names)
            write_table(table, rows)
            return rows
        rows = read_table(plan)  # the search was done or the list was read by an earlier run
        if not rows:
            check_distributor(distributor)
        if not (rows and searched):
            if searched:
                found = search(_terms(source), limit or SEARCH_LIMIT, min_size, licences, engines, manners, openverse_url, commons_url)  # fmt: skip
            else:
                found = read_list(path, limit, seed)
            rows = plan_rows(rows, found, with_outcomes(rows, dest), limit, source, dest)
            write_table(plan, rows)
    finished = False
    try:
        fetch(rows, dest, min_size, manners, distributor, jobs, retry)
        finished = True
    finally:  # interrupted, too
        rows = with_outcomes(rows, dest, finished)
        write_table(table, rows)
    return rows


def _terms(source: str) -> list[str]:
    """The terms of a search: search:"cake", pie -> cake and pie."""
    terms = [term for word in source.removeprefix(SEARCH).split(",") if (term := word.strip(" \"'"))]
    if not terms:
        raise click.ClickException(
            f"{source} has no search term: write search:pineapple, or search:cake,pie for two categories."
        )
    return terms


def _command(options: dict[str, Any], dest: Path) -> str:
    """The command that `dest` was collected with."""
    words = ["python -m generate collect", shlex.quote(str(options.get("source"))), shell_path(dest)]
    for name, option in (("limit", "--limit"), ("seed", "--seed"), ("min_size", "--min-size"), ("names", "--names")):
        if options.get(name) is not None:
            words.append(f"{option} {shlex.quote(str(options[name]))}")
    for name, option in (("engines", "--engine"), ("licences", "--licence")):
        if name in options:
            words.append(f"{option} {','.join(options[name])}")
    return " ".join(words)


@contextmanager
def _same_options(dest: Path, options: dict[str, Any]) -> Iterator[None]:
    """Write the options before the work and require the same on a rerun. They are removed if nothing was collected."""
    path = dest / RECORD
    if not path.exists():
        check_dest(dest, RECORD)
    before = read_json(path) if path.exists() else options
    for name, value in options.items():
        if before.get(name) != value:
            raise click.ClickException(
                f"{dest} was collected with {name} {before.get(name)!r}, not {value!r}. To continue it: {_command(before, dest)}. "
                "For other options choose another DEST."
            )
    new = not dest.exists()
    write_text(path, json.dumps(options, indent=2, ensure_ascii=False) + "\n")
    try:
        yield
    except click.ClickException:
        if new:
            path.unlink()
            with suppress(OSError):  # not empty: something was done
                dest.rmdir()
        raise
