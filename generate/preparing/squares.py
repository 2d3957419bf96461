"""Make squares from many pictures in parallel; outcomes are in the order of the pictures.

python -c "from generate.preparing.squares import *; print(make_one(Path('a.jpg'), Path('a.png'), 'a.jpg', Recipe()))"
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from generate.images import BadPicture, atomic_path, fitting, open_picture, paint, read_bytes, size_of, write_text
from generate.preparing.checks import check_content, check_shape, overview
from generate.preparing.cropping import make_square
from generate.preparing.fingerprints import Fingerprint, find_duplicates, perceptual_hash, tiny_colours
from generate.preparing.recipe import TRANSPARENT, Recipe

JOURNAL = ".pictures.jsonl"  # in DEST: the outcome of each picture, so that a rerun can skip it
FEW = 64  # up to this many pictures, one process is faster
CHUNK = 8  # pictures per task sent to a worker process
PNG = [
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
]
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True)
class Outcome:
    """The outcome of one picture: a fingerprint if a square was made, else the reason."""

    name: str  # path below SOURCE
    reason: str = ""
    fingerprint: Fingerprint | None = None


def make_one(picture: Path, target: Path, name: str, recipe: Recipe) -> Outcome:
    """Make the square of one picture. If it can't be used, the outcome gives the reason."""
    try:
        data = read_bytes(picture)
        size = size_of(io.BytesIO(data))
        check_shape(size, recipe.smallest, recipe.max_aspect)
        whole = recipe.crop == "object" or recipe.cutout != "none" or recipe.detects
        image = open_picture(io.BytesIO(data), None if whole else recipe.size)
        small = overview(image)
        painted = _painted(image, recipe) if image.mode == "RGBA" else small
        grey = cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY)
        alpha = small[..., 3] if image.mode == "RGBA" else None
        check_content(grey, alpha, recipe.min_sharpness)
        found = Fingerprint(
            hashlib.sha256(data).hexdigest(),
            perceptual_hash(Image.fromarray(grey)),
            tiny_colours(painted),
            size[0] * size[1],
        )
        square = make_square(image, recipe)
    except BadPicture as reason:
        return Outcome(name, str(reason))
    write_png(target, square)
    return Outcome(name, fingerprint=found)


def _painted(image: Image.Image, recipe: Recipe) -> np.ndarray:
    """The overview on the background; if that stays transparent, on black or white, whichever shows more: (H, W, 3) uint8."""
    colors = ("black", "white") if recipe.background == TRANSPARENT else (recipe.paint,)
    return max((overview(paint(image, color)) for color in colors), key=np.std)


def write_png(path: Path, image: Image.Image) -> None:
    """Write a PNG with fast filter and compression settings."""
    swap = cv2.COLOR_RGBA2BGRA if image.mode == "RGBA" else cv2.COLOR_RGB2BGR
    data = cv2.imencode(".png", cv2.cvtColor(np.asarray(image), swap), PNG)[1]
    with atomic_path(path, sync=False) as temporary:  # prepare() syncs once, at the end
        temporary.write_bytes(data.tobytes())


def is_whole_png(path: Path) -> bool:
    """Whether the file ends as a complete PNG does."""
    try:
        with path.open("rb") as file:
            file.seek(-len(PNG_END), os.SEEK_END)
            return file.read() == PNG_END
    except OSError:
        return False


def _is_newer(picture: Path, target: Path) -> bool:
    """Whether the source was replaced after the square was made, even by a file with an older mtime."""
    return picture.stat().st_ctime > target.stat().st_mtime


def make_all(
    pictures: list[Path], targets: list[Path], source: Path, dest: Path, recipe: Recipe, jobs: int
) -> list[Outcome]:
    """Make all squares and return their outcomes in order. Reuses squares from an earlier run."""
    names = [path.relative_to(source).as_posix() for path in pictures]
    before = {outcome.name: outcome for outcome in _read_journal(dest / JOURNAL)}
    wanted = set(targets)
    for name in before:  # their sources are gone or their targets are named differently now
        path = dest / name
        for gone in {path.with_name(fitting(end)) for end in (f"{path.stem}.png", f"{path.name}.png")} - wanted:
            gone.unlink(missing_ok=True)
    known = {name: outcome for name, outcome in before.items() if not outcome.reason}
    outcomes = [
        known.get(name) if is_whole_png(target) and not _is_newer(picture, target) else None
        for name, picture, target in zip(names, pictures, targets, strict=True)
    ]
    todo = [i for i, outcome in enumerate(outcomes) if outcome is None]
    with (
        _workers(min(jobs, -(-len(todo) // CHUNK)) if len(todo) > FEW else 1) as run,
        (dest / JOURNAL).open("a", encoding="utf-8") as journal,
    ):
        tasks = ((pictures[i], targets[i], names[i], recipe) for i in todo)
        results = run(tasks)
        for i, outcome in zip(
            todo, tqdm(results, total=len(todo), desc="prepare", unit="picture", disable=None), strict=True
        ):
            outcomes[i] = outcome
            journal.write(_line(outcome))
            journal.flush()
    done = [outcome for outcome in outcomes if outcome is not None]
    write_text(dest / JOURNAL, "".join(map(_line, done)))
    return done


def without_duplicates(outcomes: list[Outcome], near: int) -> list[Outcome]:
    """Mark duplicates as rejected and name the picture that is kept."""
    made = [i for i, outcome in enumerate(outcomes) if outcome.fingerprint]
    prints = [print_ for outcome in outcomes if (print_ := outcome.fingerprint)]
    outcomes = list(outcomes)
    for i, (stays, same) in find_duplicates(prints, near).items():
        kind = "duplicate" if same else "near duplicate"
        outcomes[made[i]] = replace(outcomes[made[i]], reason=f"{kind}: of {outcomes[made[stays]].name}")
    return outcomes


Task = tuple[Path, Path, str, Recipe]  # arguments of make_one


@contextmanager
def _workers(jobs: int) -> Iterator[Callable[[Iterable[Task]], Iterator[Outcome]]]:
    """Yield a function that maps tasks to outcomes in order, in this process or in a pool."""
    if jobs <= 1:
        yield lambda tasks: (_make_task(task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
    with ProcessPoolExecutor(jobs, context, _start_worker) as pool:
        try:
            yield lambda tasks: pool.map(_make_task, tasks, chunksize=CHUNK)
        except BrokenProcessPool:
            raise click.ClickException(
                "A process ended in the middle of its work, mostly for lack of memory: run the same again with fewer --jobs; it "
                "continues."
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    os.environ["OMP_NUM_THREADS"] = "1"  # for torch and ONNX Runtime: one thread per process
    cv2.setNumThreads(1)


def _make_task(task: Task) -> Outcome:
    return make_one(*task)


def _line(outcome: Outcome) -> str:
    return json.dumps(asdict(outcome), ensure_ascii=False) + "\n"


def _read_journal(path: Path) -> Iterator[Outcome]:
    """Read the outcomes of earlier runs. Ignores a last line that a crash cut off."""
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").split(
            "\n"
        ):  # splitlines would also split inside names
            try:
                row = json.loads(line)
            except ValueError:
                continue
            found = row["fingerprint"]
            yield Outcome(row["name"], row["reason"], Fingerprint(**found) if found else None)
