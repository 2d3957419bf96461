"""Copy pictures into folders named after what they show; shared by `recognise` and `refill --recognise`.

filed = file_pictures(Path("samples"), Path("named"))

Each picture is copied to DEST/<category>/<its path below the source>. DEST/samples.jsonl has one row per picture, and
DEST/categories.json maps folders to category names.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from gallery.names import NAMES_FILE
from generate.devices import choose_device
from generate.folders import check_dest
from generate.images import BadPicture, atomic_path, decode, find_pictures, kind_of, read_json, write_text
from generate.measuring.features import BATCH, SIZE, EfficientNetLite0, load_features
from generate.measuring.recognising import THRESHOLD, classify, name_of, top
from generate.releasing.naming import article, headline, slug_of
from generate.rows import SAMPLES_TABLE, read_rows
from generate.units import plural

OPTIONS, JOURNAL = "recognise.json", ".recognised.jsonl"
DIGITS = 2  # decimals of a probability: further ones vary by processor and would change the release's id
SHOWN = 8  # categories listed in the summary


@dataclass
class Filed:
    """Counts of filed and unreadable pictures."""

    words: Counter[str] = field(default_factory=Counter)  # pictures by category
    bad: Counter[str] = field(default_factory=Counter)  # unreadable pictures by reason

    def summary(self) -> str:
        """ "384 pictures: 120 pineapple, 88 hedgehog, 176 thing; 2 left out: 2 damaged"."""
        usual = self.words.most_common(SHOWN)
        named = ", ".join(f"{count} {word}" for word, count in usual)
        rest = sum(self.words.values()) - sum(count for _, count in usual)
        more = f" and {rest} in {len(self.words) - len(usual)} other categories" if rest else ""
        why = ", ".join(f"{count} {reason}" for reason, count in self.bad.most_common())
        left_out = f"; {sum(self.bad.values())} left out: {why}" if why else ""
        return f"{plural(sum(self.words.values()), 'picture')}: {named}{more}{left_out}"


def file_pictures(
    samples: Path, dest: Path, *, threshold: float = THRESHOLD, top_count: int = 3, device: str = "auto"
) -> Filed:
    """Classify every picture below `samples` and copy it into its category's folder below `dest`.

    Skips pictures that an earlier run classified. Raises click.ClickException if a folder can't be used or no picture can
    be read.
    """
    paths = find_pictures(samples)
    _check_dest(dest, samples)
    _check_same_naming(dest, {"threshold": threshold, "top": top_count})
    write_text(
        dest / OPTIONS,
        json.dumps({"samples": str(samples), "threshold": threshold, "top": top_count}, indent=2) + "\n",
    )
    found = _recognise(samples, dest, paths, threshold, top_count, device)
    filed = Filed()
    rows, known = [], read_rows(samples)
    for path in paths:
        entry = found[path.relative_to(samples).as_posix()]
        if "reason" in entry:
            filed.bad[kind_of(entry["reason"])] += 1
            continue
        filed.words[entry["word"]] += 1
        name = f"{slug_of(entry['word'])}/{entry['file']}"
        made = {"word": entry["word"], "share": entry["share"], "names": entry["names"]}
        rows.append({"file": name, **known.get(path, {}), **made})
        _copy(path, dest / name)
    if not rows:
        raise click.ClickException(f"None of the {len(paths)} pictures in {samples} can be read: {filed.summary()}.")
    _delete_others(dest, {row["file"] for row in rows})
    write_text(dest / SAMPLES_TABLE, "".join(json.dumps(row) + "\n" for row in rows))
    labels = {slug_of(word): {"name": headline(word), "article": article(word)} for word in sorted(filed.words)}
    write_text(dest / NAMES_FILE, json.dumps(labels, indent=1, ensure_ascii=False) + "\n")
    return filed


def _recognise(
    samples: Path, dest: Path, paths: Sequence[Path], threshold: float, top_count: int, device: str
) -> dict[str, dict[str, Any]]:
    """The table entry of each picture, or the reason it can't be read, by its path below `samples`.

    Each batch is appended to a journal, from which an interrupted run resumes.
    """
    names = [path.relative_to(samples).as_posix() for path in paths]
    with ThreadPoolExecutor() as pool:
        digests = dict(zip(names, pool.map(_digest, paths), strict=True))
        found = {
            name: entry
            for name, entry in _read_journal(dest / JOURNAL).items()
            if digests.get(name) == entry.get("sha256")
        }
        missing = [name for name in names if name not in found]
        network = load_features(choose_device(device)) if missing else None
        with (
            (dest / JOURNAL).open("a", encoding="utf-8") as journal,
            tqdm(total=len(names), initial=len(found), desc="recognise", unit="picture", disable=None) as bar,
        ):
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                looked = list(pool.map(lambda name: look_at(samples / name), batch))
                entries = _name_batch(network, looked, threshold, top_count) if network else []
                for name, entry in zip(batch, entries, strict=True):
                    found[name] = {"file": name, "sha256": digests[name], **entry}
                journal.write("".join(json.dumps(found[name]) + "\n" for name in batch))
                journal.flush()
                bar.update(len(batch))
    return found


def _name_batch(
    network: EfficientNetLite0, looked: Sequence[Tensor | str], threshold: float, top_count: int
) -> Iterator[dict[str, Any]]:
    """The table entry of each picture, or the reason it can't be read."""
    pictures = [picture for picture in looked if isinstance(picture, Tensor)]
    shares = iter(classify(network, torch.stack(pictures)) if pictures else ())
    for picture in looked:
        if isinstance(picture, str):
            yield {"reason": picture}
            continue
        share = next(shares)
        word = name_of(share, threshold)
        likeliest = [(name, round(value, DIGITS)) for name, value in top(share, top_count)]
        yield {
            "word": word.word,
            "share": round(word.share, DIGITS),
            "names": [[name, value] for name, value in likeliest if value],
        }


def look_at(path: Path, side: int | None = None) -> Tensor | str:
    """Load the picture as the network's input (3, 224, 224), uint8, or return the reason it can't be read.

    With `side`, it is first scaled to that size in pixels and compressed as JPEG.
    """
    try:
        image = decode(path, "white")
        if side:
            small = io.BytesIO()
            image.resize((side, side), Image.Resampling.LANCZOS).save(small, "JPEG", quality=90)
            image = decode(small)
    except BadPicture as reason:
        return str(reason)
    picture = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    resized = F.interpolate(picture.float(), (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False)
    return resized[0].round().clamp(0, 255).to(torch.uint8)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """Read the journal. Ignores a last line that a crash cut off."""
    found: dict[str, dict[str, Any]] = {}
    with suppress(FileNotFoundError):
        for line in io.StringIO(path.read_text(encoding="utf-8", errors="replace")):
            with suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                found[entry["file"]] = entry
    return found


def _check_dest(dest: Path, samples: Path) -> None:
    if dest.resolve().is_relative_to(samples.resolve()):
        raise click.UsageError(
            f"{dest} is inside {samples}, so its pictures would be recognised again by the next run: choose a DEST outside."
        )
    check_dest(dest, OPTIONS)


def _check_same_naming(dest: Path, how: dict[str, Any]) -> None:
    before = read_json(dest / OPTIONS) if (dest / OPTIONS).exists() else {}
    for name, value in how.items():
        if before.get(name, value) != value:
            raise click.ClickException(
                f"{dest} holds pictures that were named with {name} {before[name]}, not {value}: choose another DEST or delete that one."
            )


def _copy(source: Path, dest: Path) -> None:
    if dest.exists() and dest.stat().st_size == source.stat().st_size and dest.read_bytes() == source.read_bytes():
        return
    with atomic_path(dest, sync=False) as temporary:
        shutil.copyfile(source, temporary)


def _delete_others(dest: Path, wanted: set[str]) -> None:
    """Delete pictures that an earlier run filed, according to its table, and that are not in `wanted`."""
    for path in read_rows(dest):
        if path.relative_to(dest).as_posix() not in wanted and path.resolve().is_relative_to(dest.resolve()):
            path.unlink(missing_ok=True)
