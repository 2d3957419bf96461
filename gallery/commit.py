"""Publish a release like a database transaction: upload all objects under a new id, then swap the pointer.

    pointer = read_pointer(bucket)
    publish(bucket, draft, plan_for(bucket, draft, pointer))

Whenever a process is killed, visitors see either the old release or the new one, complete. The release id ends in a hash of
its content, so that a rerun finds what an interrupted run has uploaded.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from gallery import GalleryError
from gallery.bucket import Bucket, Conflict, NotFound, Unavailable, crc32c
from gallery.live import MODEL_TYPE
from gallery.release import POINTER, RELEASE_ID, TYPES, Catalog, CatalogError, parse, release_name

THREADS = 24  # chosen in benchmarks/README.md
ROUNDS = 3  # of uploading and verifying
ID_TIME = "%Y%m%dT%H%M%SZ"
LAST_TIME = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
OTHERS = {  # content types of objects other than pictures
    "jsonl": "application/x-ndjson",
    "json": "application/json",
    "zip": "application/zip",
    "onnx": MODEL_TYPE,
}
REMEMBERED = 100  # releases whose time of replacement site.json records, and models whose seeds
HIGHEST_SEEDS = "highest_seeds"  # in a catalog's `model`: the highest seed of each model, by the model's checksum


@dataclass(frozen=True)
class Draft:
    """A release to publish: its objects and how to load them."""

    digest: str  # 8 hex digits, a hash of the content
    checksums: Mapping[str, int]  # CRC32C of every object by its name below the release, such as food/00000.jpg
    load: Callable[[str], bytes]  # takes such a name; called from many threads
    catalog: Callable[[str], Catalog]  # takes the release id


@dataclass(frozen=True)
class Pointer:
    """The live release. The swap fails if it has changed since it was read."""

    live: Catalog | None  # None if nothing is published or the catalog is damaged
    generation: int  # 0 if there is no catalog
    replaced: Mapping[str, str] = field(default_factory=dict)  # release to time of replacement (ID_TIME), oldest first
    damage: str = ""  # why the catalog can't be used
    drawn: Mapping[str, int] = field(default_factory=dict)  # the highest seed of each model that was ever live


@dataclass(frozen=True)
class Plan:
    """What publishing a draft will do, given the content of the bucket."""

    pointer: Pointer
    release: str
    missing: tuple[str, ...]  # names below the release that are absent or have another checksum

    @property
    def is_live(self) -> bool:
        """True if this release is live already."""
        return self.pointer.live is not None and self.pointer.live.release == self.release


def read_pointer(bucket: Bucket) -> Pointer:
    """Read which release is live. A damaged catalog counts as none, so that it can be replaced."""
    try:
        data, generation = bucket.read_generation(POINTER)
    except NotFound:
        return Pointer(None, 0)
    try:
        live = parse(data)
    except CatalogError as error:
        return Pointer(None, generation, damage=str(error))
    values = json.loads(data)
    replaced = values.get("replaced")
    times = replaced.items() if isinstance(replaced, dict) else ()
    drawn = _seeds(values.get("drawn"))
    for model, seed in _seeds(live.model.get(HIGHEST_SEEDS)).items():
        drawn[model] = max(seed, drawn.pop(model, seed))
    return Pointer(live, generation, {release: time for release, time in times if _is_time(time)}, drawn=drawn)


def pointer_to(catalog: bytes, pointer: Pointer) -> bytes:
    """Return the site.json that makes a stored catalog live, with the times when earlier releases were replaced and their seeds.

    Ids say when a release was published, but not how long it was live, which a roll-back may extend. After a prune only
    this record says which seeds visitors have seen.
    """
    values = json.loads(catalog)
    replaced = {release: time for release, time in pointer.replaced.items() if release != values["release"]}
    if pointer.live and pointer.live.release != values["release"]:
        replaced.pop(pointer.live.release, None)
        replaced[pointer.live.release] = datetime.now(UTC).strftime(ID_TIME)
    if not replaced and not pointer.drawn:
        return catalog
    values["replaced"] = dict(list(replaced.items())[-REMEMBERED:])
    values["drawn"] = dict(list(pointer.drawn.items())[-REMEMBERED:])
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def plan_for(bucket: Bucket, draft: Draft, pointer: Pointer) -> Plan:
    """Find the draft's release id and which objects to upload. Writes nothing."""
    releases = bucket.folders("releases")
    same = [release for release in releases if release.endswith("-" + draft.digest)]
    if not same:
        return Plan(pointer, new_id(draft.digest, releases), tuple(draft.checksums))
    release = pointer.live.release if pointer.live and pointer.live.release in same else same[-1]
    return Plan(pointer, release, _missing(bucket, draft, release))


def publish(
    bucket: Bucket,
    draft: Draft,
    plan: Plan,
    progress: Callable[[int], object] = lambda count: None,
    threads: int = THREADS,
) -> None:
    """Make the draft the live release.

    `progress` is called on many threads with the number of objects uploaded. Raises Conflict if someone else published
    first, Unavailable if storage fails. The live release is then unchanged, and publishing the same draft again continues.
    """
    _upload(bucket, draft, plan, progress, threads)
    catalog = _kept_catalog(bucket, draft, plan.release)
    if plan.is_live:
        return
    try:
        bucket.swap(POINTER, pointer_to(catalog, plan.pointer), "application/json", plan.pointer.generation)
    except Conflict:
        raise Conflict(
            f"Someone else published to {bucket.url} at the same time, and their release is live. Nothing is lost: "
            "run the same command again to make yours live; it uploads nothing twice."
        ) from None


def new_id(digest: str, earlier: Sequence[str] = ()) -> str:
    """Make a release id that sorts after `earlier` ones even if the clock was set back or has not advanced.

    SOURCE_DATE_EPOCH sets its time for reproducible releases.
    """
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    if fixed.isdecimal():
        return f"{datetime.fromtimestamp(int(fixed), UTC).strftime(ID_TIME)}-{digest}"
    made = datetime.now(UTC).replace(microsecond=0)
    taken = [created_at(release) for release in earlier if is_release(release)]
    after = max(taken, default=datetime.min.replace(tzinfo=UTC))
    if made <= after < LAST_TIME:
        made = after + timedelta(seconds=1)
    return f"{made.strftime(ID_TIME)}-{digest}"


def created_at(release: str) -> datetime:
    """Return the time in a release id, UTC."""
    return datetime.strptime(release.partition("-")[0], ID_TIME).replace(tzinfo=UTC)


def is_release(folder: str) -> bool:
    """Whether a folder's name is a release id."""
    return RELEASE_ID.fullmatch(folder) is not None and _is_time(folder.partition("-")[0])


def _seeds(found: object) -> dict[str, int]:
    """The seeds by model in a record that strangers may have edited."""
    pairs = found.items() if isinstance(found, dict) else ()
    return {model: seed for model, seed in pairs if isinstance(seed, int) and not isinstance(seed, bool)}


def _is_time(text: object) -> bool:
    try:
        return bool(datetime.strptime(str(text), ID_TIME))
    except ValueError:
        return False


def _upload(bucket: Bucket, draft: Draft, plan: Plan, progress: Callable[[int], object], threads: int) -> None:
    """Upload what is missing until a listing shows every object with its checksum."""
    missing = plan.missing
    for _ in range(ROUNDS):
        if not missing:
            return
        _send(bucket, draft, plan.release, missing, progress, threads)
        missing = _missing(bucket, draft, plan.release)
    if missing:
        raise Unavailable(
            f"{bucket.url} has {len(missing)} of {len(draft.checksums)} objects with a wrong checksum "
            f"({', '.join(missing[:3])}): try again later."
        )


def _missing(bucket: Bucket, draft: Draft, release: str) -> tuple[str, ...]:
    folder = f"releases/{release}/"
    there = bucket.checksums(folder)
    return tuple(name for name, checksum in draft.checksums.items() if there.get(folder + name) != checksum)


def _send(
    bucket: Bucket,
    draft: Draft,
    release: str,
    names: Sequence[str],
    progress: Callable[[int], object],
    threads: int,
) -> None:
    """Upload objects on several threads, each holding one object in memory."""
    todo = deque(names)

    def work() -> None:
        while True:
            try:
                name = todo.popleft()
            except IndexError:
                return
            try:
                _send_one(bucket, draft, release, name)
            except BaseException:
                todo.clear()
                raise
            progress(1)

    with ThreadPoolExecutor(threads) as pool:
        try:
            for worker in [pool.submit(work) for _ in range(min(threads, len(names)))]:
                worker.result()
        finally:  # on Ctrl-C too
            todo.clear()


def _send_one(bucket: Bucket, draft: Draft, release: str, name: str) -> None:
    data = draft.load(name)
    if crc32c(data) != draft.checksums[name]:
        raise GalleryError(f"{name} has changed since it was checked: publish again.")
    object_name = f"releases/{release}/{name}"
    content_type = (TYPES | OTHERS)[PurePosixPath(name).suffix[1:]]
    try:
        bucket.create(object_name, data, content_type)
    except Conflict:  # the id is a hash of the content, so an object with other bytes is damaged
        bucket.delete(object_name)
        bucket.create(object_name, data, content_type)


def _kept_catalog(bucket: Bucket, draft: Draft, release: str) -> bytes:
    """Write the release's catalog, or read the one that an interrupted run wrote."""
    name, data = release_name(release), draft.catalog(release).to_json()
    try:
        bucket.create(name, data, "application/json")
    except Conflict:  # for example, from another version of Faker
        data = bucket.read(name)
        parse(data)
    return data
