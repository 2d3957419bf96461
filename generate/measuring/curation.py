"""Choose which samples to show, for `curate` and `refill`.

    curated = curate_folder(Path("samples"), Path("chosen"), keep=384, training=Path("prepared"))

`generate.measuring.similarity` finds copies and duplicates and scores realism.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gallery.names import NAMES_FILE
from generate.devices import choose_device
from generate.folders import check_dest
from generate.images import BadPicture, atomic_path, category_of, decode, find_pictures, write_text
from generate.measuring.features import load_features
from generate.measuring.resemblance import resemblance
from generate.measuring.similarity import (
    COPY_QUANTILE,
    MIN_LIMIT,
    Descriptors,
    copy_limit,
    describe,
    distinct,
    find_repeats,
    nearest_neighbour,
    realism_of,
)
from generate.measuring.verdicts import (
    COPY,
    CURATION_TABLE,
    DAMAGED,
    DUPLICATE,
    MIN_PICTURES,
    NO_ROOM,
    NOT_LISTED,
    REJECTED,
    UNREALISTIC,
    Curated,
    Verdict,
)
from generate.rows import SAMPLES_TABLE, read_rows
from generate.units import plural

CURATE_OPTIONS = "curate.json"
SHOWN_DIGITS = 2  # of published scores; further digits depend on the processor, and would change the release id


def curate_folder(
    samples: Path,
    dest: Path,
    *,
    keep: int,
    training: Path | None = None,
    max_similarity: float | None = None,
    worst: float = 0.1,
    mix: str = "equal",
    reject: Collection[str] = (),
    keep_list: Collection[str] | None = None,
    device: str = "auto",
) -> Curated:
    """Copy the best `keep` pictures of `samples` to `dest`, with their rows and scores, and write dest/curation.csv.

    Rejects the names in `reject`, then copies of training pictures, then the `worst` share by realism and all that look like
    noise beside the training pictures, then near-duplicates of better ones. Each category keeps its share of the rest, the most
    realistic first; without training pictures in the order of their names, see `choose`. With a `keep_list`, exactly those pictures are kept. Raises click.ClickException for unusable folders.
    """
    paths = find_pictures(samples)
    names = [path.relative_to(samples).as_posix() for path in paths]
    _check_names(names, [*reject, *(keep_list or ())], samples)
    _check_dest(dest, samples)
    options = {"keep": keep, "worst": worst, "mix": mix, "max_similarity": max_similarity}
    listed = {"reject": sorted(reject), "keep_list": None if keep_list is None else sorted(keep_list)}
    folders = {"samples": str(samples), "train": str(training) if training else None}
    network = load_features(choose_device(device))
    known = find_pictures(training) if training else []
    if training and len(known) < MIN_PICTURES:
        raise click.ClickException(
            f"{training} holds {plural(len(known), 'picture')}, too few to compare with: give {MIN_PICTURES} or more."
        )
    trained = describe(network, read_same_size(known, "training pictures")) if training else None

    write_text(dest / CURATE_OPTIONS, json.dumps(folders | options | listed, indent=2) + "\n")
    bad: dict[Path, str] = {}
    drawn = describe(network, read_same_size(paths, "samples", bad))
    good = [i for i, path in enumerate(paths) if path not in bad]
    limit = MIN_LIMIT if trained is None else copy_limit(trained, COPY_QUANTILE)
    if max_similarity is not None:
        limit = 1 - max_similarity
    verdicts = score(
        [names[i] for i in good],
        [category_of(paths[i], samples) for i in good],
        drawn,
        trained,
        [path.relative_to(training).as_posix() for path in known] if training else [],
        limit,
    )
    resembles = resemblance(drawn, trained) if trained else None
    floor = resembles.floor if resembles and not resembles.too_far else 0.0  # where all is noise, none is worth saving
    order = choose(verdicts, drawn, limit=limit, keep=keep, worst=worst, floor=floor, mix=mix, best_first=trained is not None, reject=reject, keep_list=keep_list)  # fmt: skip
    damaged = [
        Verdict(name, category_of(path, samples), kept=False, reason=DAMAGED, note=bad[path])
        for name, path in zip(names, paths, strict=True)
        if path in bad
    ]
    curated = Curated(sorted([*order, *damaged], key=lambda verdict: verdict.file), limit, resembles)
    _write(samples, dest, curated)
    return curated


def read_same_size(paths: Sequence[Path], what: str, bad: dict[Path, str] | None = None) -> Iterator[Tensor]:
    """Yield pictures (3, H, W), uint8, of the first one's size.

    Records unreadable pictures and those of another size in `bad`, with the reason; without `bad`, or if no picture is left,
    raises click.ClickException.
    """
    size = None
    found: dict[Path, str] = {} if bad is None else bad
    for path in tqdm(paths, desc=f"look at {what}", unit="picture", disable=None, leave=False):
        try:
            image = decode(path)
            size = size or image.size
            if image.size != size:
                raise BadPicture("{}x{}, the first is {}x{}".format(*image.size, *size))
        except BadPicture as reason:
            found[path] = str(reason)
            if bad is None:
                raise click.ClickException(
                    f"{path} can't be compared ({reason}): run `python -m generate prepare` on the {what}."
                ) from None
            continue
        yield torch.from_numpy(np.array(image)).permute(2, 0, 1)
    if size is None:
        raise click.ClickException(
            f"None of the {len(paths)} {what} can be read: the first is {next(iter(found.values()))}."
        )


def score(
    names: Sequence[str],
    categories: Sequence[str],
    drawn: Descriptors,
    trained: Descriptors | None,
    known: Sequence[str],
    limit: float = MIN_LIMIT,
) -> list[Verdict]:
    """Return a verdict with scores for each picture, all kept so far.

    Without training pictures, a sample's realism is measured against the other samples.
    """
    different = distinct(trained)[0] if trained else None
    if different is not None and len(different) < MIN_PICTURES:
        different = trained
    verdicts = [
        Verdict(name, category, realism=round(value, 4))
        for name, category, value in zip(names, categories, realism_of(drawn, different, limit).tolist(), strict=True)
    ]
    if trained is None:
        return verdicts
    distances, indices = nearest_neighbour(drawn, trained)
    return [
        replace(verdict, difference=round(distance, 4), nearest=known[index])
        for verdict, distance, index in zip(verdicts, distances.tolist(), indices.tolist(), strict=True)
    ]


def choose(
    verdicts: Sequence[Verdict],
    drawn: Descriptors,
    *,
    limit: float,
    keep: int,
    worst: float = 0.1,
    floor: float = 0.0,
    mix: str = "equal",
    best_first: bool = True,
    reject: Collection[str] = (),
    keep_list: Collection[str] | None = None,
) -> list[Verdict]:
    """Return the verdicts with `kept` and `reason` decided. A keep list overrules everything else.

    Drops the `worst` share, and more if more are less realistic than `floor`; with `worst` 0 none. `best_first` prefers the
    most realistic of the rest; without training pictures those would be the commonest, and variety would be lost.
    """
    if keep_list is not None:
        return [v if v.file in keep_list else replace(v, kept=False, reason=NOT_LISTED) for v in verdicts]
    found = list(verdicts)

    def drop(row: int, reason: str, repeats: str = "") -> None:
        found[row] = replace(found[row], kept=False, reason=reason, repeats=repeats)

    for row, verdict in enumerate(verdicts):
        if verdict.file in reject:
            drop(row, REJECTED)
        elif verdict.difference is not None and verdict.difference < limit:
            drop(row, COPY)
    best = sorted((row for row, v in enumerate(found) if v.kept), key=lambda row: -(found[row].realism or 0))
    below = sum((found[row].realism or 0) < floor for row in best) if worst else 0
    for row in best[len(best) - max(below, int(worst * len(best))) :]:
        drop(row, UNREALISTIC)
    for row, first in find_repeats(drawn, limit, [row for row in best if found[row].kept]).items():
        if found[row].kept:
            drop(row, DUPLICATE, found[first].file)
    left = [row for row in (best if best_first else sorted(best)) if found[row].kept]
    room = shares(Counter(found[row].category for row in left), keep, mix)
    for row in left:
        category = found[row].category
        if not room[category]:
            drop(row, NO_ROOM)
        else:
            room[category] -= 1
    return found


def shares(available: Counter[str], keep: int, mix: str) -> dict[str, int]:
    """Return how many pictures of each category to keep: `equal` numbers, or `proportional` to those available.

    Places that one category can't fill go to the others.
    """
    keep = min(keep, sum(available.values()))
    room = dict.fromkeys(available, 0)
    for _ in range(keep):  # the next place goes to the category farthest below its share
        unfilled = [name for name in room if room[name] < available[name]]
        weight = {name: available[name] if mix == "proportional" else 1 for name in unfilled}
        room[min(unfilled, key=lambda name: ((room[name] + 0.5) / weight[name], name))] += 1
    return room


def _check_names(names: Sequence[str], listed: Sequence[str], samples: Path) -> None:
    if unknown := sorted(set(listed) - set(names)):
        raise click.ClickException(
            f"{unknown[0]!r} is on your list but not in {samples}: write paths relative to it, one per line, such as {names[0]!r}."
        )


def _check_dest(dest: Path, samples: Path) -> None:
    if dest.resolve().is_relative_to(samples.resolve()):
        raise click.UsageError(
            f"{dest} is inside {samples}, so the next run would read its pictures as samples: choose a DEST outside."
        )
    check_dest(dest, CURATE_OPTIONS)


def _write(samples: Path, dest: Path, curated: Curated) -> None:
    """Copy the chosen pictures and write the tables. The next run repairs an interrupted one: the table lists what it may delete."""
    wanted = {verdict.file for verdict in curated.kept}
    if (dest / CURATION_TABLE).exists():
        for line in csv.DictReader(io.StringIO((dest / CURATION_TABLE).read_text(encoding="utf-8", errors="replace"))):
            old = dest / (name := line.get("file") or "")
            if name not in wanted and old.resolve().is_relative_to(dest.resolve()) and old.is_file():
                old.unlink()
    table = io.StringIO()
    writer = csv.DictWriter(table, [field.name for field in fields(Verdict)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(v) | {"kept": "yes" if v.kept else "no"} for v in curated.verdicts)
    write_text(dest / CURATION_TABLE, table.getvalue())

    if (samples / NAMES_FILE).is_file():  # names of categories
        with atomic_path(dest / NAMES_FILE) as temporary:
            shutil.copyfile(samples / NAMES_FILE, temporary)
    rows = read_rows(samples)
    lines = []
    for verdict in curated.kept:
        with atomic_path(dest / verdict.file) as temporary:
            shutil.copyfile(samples / verdict.file, temporary)
        both = {"realism": verdict.realism, "difference": verdict.difference}
        scores = {name: round(value, SHOWN_DIGITS) for name, value in both.items() if value is not None}
        lines.append(json.dumps({"file": verdict.file, **rows.get(samples / verdict.file, {}), "scores": scores}))
    write_text(dest / SAMPLES_TABLE, "".join(line + "\n" for line in lines))
