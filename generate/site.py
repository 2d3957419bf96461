"""From a search or a folder of pictures to the bucket of a site: collect, prepare, train and refill, one after the other.

    python -m generate site "search:pineapple" pineapple.site

Writes to DEST: photos/, prepared/, run/, bucket/, and stages.json, which lists the completed stages. Each stage runs the
job of that name in its own process.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from generate.advice import as_words, command_line
from generate.devices import choose_device
from generate.folders import check_dest, forget_if_empty, held
from generate.images import find_pictures, read_json, write_text
from generate.units import Number, shell_path

RECORD = "stages.json"
GENERATE = (sys.executable, "-m", "generate")
SIZES = ("32", "64", "128", "256", "512", "1024")
MANY = 2000  # minimum number of pictures to train at 256 px on a GPU
PLACEHOLDER = "gs://my-pictures"


@click.command()
@click.argument("source")
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--title", help='Title of the site.  [default: "This <Thing> Does Not Exist", from the search term or folder name]'
)
@click.option("--limit", type=click.IntRange(1), help="Maximum number of pictures for each search term.  [default: 500]")  # fmt: skip
@click.option("--contact", default="", help="Your e-mail address or site for the user agent; Wikimedia requires it.")  # fmt: skip
@click.option("--size", type=click.Choice(SIZES), help="Side of the pictures in pixels.  [default: 64 on a CPU; 128 on a GPU, 256 with 2,000 pictures or more]")  # fmt: skip
@click.option("--hours", type=Number(0, min_open=True), default=1.0, show_default=True, help="Training time.")  # fmt: skip
@click.option("--kimg", type=Number(0, min_open=True), help="Also end training after this many thousand pictures shown.  [default: 300]")  # fmt: skip
@click.option("--count", type=click.IntRange(1), default=384, show_default=True, help="Number of pictures on the site.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Publish samples even if they barely resemble the training pictures.")
def command(source: str, dest: Path, **options: Any) -> None:
    """Run all steps: from a search or a folder to a site.

    SOURCE is a folder, search:TERM[,TERM...], an archive or a list of URLs. Search terms or subfolders become
    categories. Writes photos, prepared, run and bucket to DEST. Stop with Ctrl-C; the same command resumes. A completed
    stage runs again only if its options change: a larger --hours continues training and publishes a new release.

    \b
    Example:
      python -m generate site "search:pineapple" pineapple.site
    """
    bucket = build(source, dest, **options)
    where = shell_path(bucket)
    click.echo(f"\nLook at it: CLOUD_STORAGE_BUCKET={where} make run")
    click.echo(
        f"Deploy it:  gcloud storage rsync {where} {PLACEHOLDER} --recursive && "
        f"gcloud run deploy --source . --no-cpu-throttling --set-env-vars CLOUD_STORAGE_BUCKET={PLACEHOLDER}"
    )
    click.echo("            (what these need, and three other ways: docs/deploy.md)")


def build(
    source: str,
    dest: Path,
    *,
    title: str | None = None,
    limit: int | None = None,
    contact: str = "",
    size: str | None = None,
    hours: float = 1.0,
    kimg: float | None = None,
    count: int = 384,
    yes: bool = False,
) -> Path:
    """Run the stages that are not done; returns the bucket's folder. Raises click.ClickException, or SystemExit with the exit code of a stage."""
    photos, prepared, run, bucket = (dest / name for name in ("photos", "prepared", "run", "bucket"))
    is_folder = Path(source).is_dir()
    if is_folder:
        photos = Path(source)
        find_pictures(photos)  # raises now if there are none
        if dest.resolve().is_relative_to(photos.resolve()):
            raise click.UsageError(f"{dest} is inside {source}, whose pictures are trained on: choose a DEST outside.")
    check_dest(dest, RECORD)
    names = ("prepare", "train", "refill") if is_folder else ("collect", "prepare", "train", "refill")
    with held(dest) as lock:
        stages = Stages(dest, names, lock)
        if not is_folder:
            given = Path(source) if Path(source).exists() else source
            asked = [*option("--limit", limit), *option("--contact", contact), "--min-size", size or SIZES[1]]
            stages.run("collect", given, photos, *asked)

        size = size or size_before(prepared) or choose_size(len(find_pictures(photos)), choose_device("auto").type)
        stages.run("prepare", photos, prepared, "--size", size)

        categories = read_json(prepared / "dataset.json").get("categories", {})
        conditional = ["--conditional"] if len(categories) > 1 else []
        stages.run("train", prepared, run, "--hours", f"{hours:g}", *option("--kimg", kimg), *conditional)

        title = title or title_of(source, list(categories))
        bucket.mkdir(exist_ok=True)
        confirmed = ["--yes"] if yes else []
        stages.run("refill", run, bucket, "--count", count, "--train", prepared, *option("--title", title), *confirmed)
    return bucket


class Stages:
    """Runs each stage's command once. DEST/stages.json lists the completed commands in order. Jobs inherit the `lock`."""

    def __init__(self, dest: Path, names: tuple[str, ...], lock: int) -> None:
        self._lock = lock
        self._path = dest / RECORD
        self._names = names
        done = read_json(self._path).get("done") if self._path.exists() else []
        self._done: list[list[str]] = (
            done if isinstance(done, list) else []
        )  # if damaged, rerun every stage; each resumes
        self._reached = 0  # of the stages

    def run(self, job: str, *arguments: object) -> None:
        """Run the job, unless it was done with the same arguments. Raises SystemExit if it fails or is interrupted."""
        words = [job, *as_words(*arguments)]
        at = f"{self._reached + 1} of {len(self._names)}: {job}"
        if self._done[self._reached : self._reached + 1] == [words]:
            click.echo(f"== {at} is done already")
            self._reached += 1
            return
        self._write(self._done[: self._reached])  # later stages are out of date
        click.echo(f"\n== {at}\n{command_line(job, *arguments)}")
        code, interrupted = run_job(words, self._lock)
        if code == 0:
            self._reached += 1
            self._write([*self._done, words])
        if interrupted:
            click.echo(f"Interrupted at {at}. Nothing is lost: the same command continues there.", err=True)
            raise SystemExit(128 + interrupted)
        if code:
            forget_if_empty(self._path.parent, RECORD)  # for instance after a mistyped SOURCE
            more = " A larger --hours trains on first." if job == "refill" else ""
            click.echo(f"Stopped at {at}, for the reason above. The same command continues there.{more}", err=True)
            raise SystemExit(code if code > 0 else 128 - code)

    def _write(self, done: list[list[str]]) -> None:
        self._done = done
        write_text(self._path, json.dumps({"done": done}, indent=2, ensure_ascii=False) + "\n")


def run_job(words: list[str], lock: int) -> tuple[int, int]:
    """Run a job and show what it prints; returns its exit code, and the signal that interrupted it or 0.

    The job inherits the lock and holds it until it exits, even if this process is killed. Its `Next:` line is not shown.
    """
    process = subprocess.Popen(
        [*GENERATE, *words], stdout=subprocess.PIPE, text=True, errors="replace", bufsize=1, pass_fds=[lock]
    )
    with process, signals_for(process) as received:
        assert process.stdout
        for line in process.stdout:
            if not line.startswith("Next: "):
                click.echo(line, nl=False)
    return process.returncode, received[0] if received else 0


@contextmanager
def signals_for(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM while the process runs; forward SIGTERM. The terminal sends Ctrl-C to both processes."""
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        if number == signal.SIGTERM:
            process.terminate()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def choose_size(pictures: int, device: str) -> str:
    """The picture size: 64 px on a CPU, where training takes about an hour; 128 or 256 px on a GPU."""
    return "64" if device == "cpu" else "256" if pictures >= MANY else "128"


def size_before(prepared: Path) -> str | None:
    """The picture size an earlier run chose; None if there was none."""
    path = prepared / "dataset.json"
    size = read_json(path).get("size") if path.exists() else None
    return str(size) if size else None


def title_of(source: str, categories: list[str]) -> str | None:
    """The title from the only category, the search term or the name of SOURCE; None for several categories."""
    from generate.releasing.naming import default_title, name_category

    if len(categories) > 1:
        return None
    path = Path(source).resolve()
    name = path.name if path.is_dir() else path.stem
    named = categories[0] if categories else ""
    term = source.partition(":")[2].strip(" \"'") if source.startswith("search:") else ""
    return default_title([name_category(named or term or name, 1)])


def option(name: str, value: object) -> list[object]:
    """An option and its value, if there is one."""
    return [name, f"{value:g}" if isinstance(value, float) else value] if value else []
