"""Publish a release the way a database commits: everything under its own id first, then one swap.

    pointer = read_pointer(bucket)
    publish(bucket, draft, plan_for(bucket, draft, pointer))

Whatever is killed when, visitors see the release before or the new one, each whole. The release id ends
in a hash of all that is published, so that a rerun finds what an interrupted one has sent.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from gallery import GalleryError
from gallery.bucket import Bucket, Conflict, NotFound, Unavailable, crc32c
from gallery.release import POINTER, TYPES, Catalog, CatalogError, parse, release_name

THREADS = 24  # at 40 ms a round trip 460 pictures/s on two cores; more gain little there (benchmarks/README.md)
ROUNDS = 3  # of sending and checking; the later ones mend what storage got wrong
ID_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Draft:
    """A release yet to be published: what is to be in it, and how to get at the bytes."""

    digest: str  # 8 hex digits: a hash of all the rest
    checksums: Mapping[str, int]  # CRC32C of every object by its name below the release, as in food/00000.jpg
    load: Callable[[str], bytes]  # by the same name; called on many threads
    catalog: Callable[[str], Catalog]  # by the release id


@dataclass(frozen=True)
class Pointer:
    """What visitors see: read before anything else, so that the swap fails if it is not so any more."""

    live: Catalog | None  # None: nothing is published, or the catalog is damaged
    generation: int  # 0: there is none


@dataclass(frozen=True)
class Plan:
    """What publishing a draft comes to, given what the bucket holds."""

    pointer: Pointer
    release: str
    missing: tuple[str, ...]  # names below the release that aren't there, or not as they should be

    @property
    def is_live(self) -> bool:
        """Whether visitors see this release already."""
        return self.pointer.live is not None and self.pointer.live.release == self.release


def read_pointer(bucket: Bucket) -> Pointer:
    """What is live now; a damaged catalog can be replaced, and counts as none."""
    try:
        data, generation = bucket.read_generation(POINTER)
    except NotFound:
        return Pointer(None, 0)
    try:
        return Pointer(parse(data), generation)
    except CatalogError:
        return Pointer(None, generation)


def plan_for(bucket: Bucket, draft: Draft, pointer: Pointer) -> Plan:
    """Which release the draft is or will be, and what is still to be sent. Writes nothing."""
    same = [release for release in bucket.folders("releases") if release.endswith("-" + draft.digest)]
    if not same:
        return Plan(pointer, new_id(draft.digest), tuple(draft.checksums))
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

    `progress` is called on many threads with the number of objects that were sent. Raises a BucketError: Conflict
    where another publisher was faster, Unavailable where storage fails. The live release is then what it was,
    and publishing the same draft again continues.
    """
    _upload(bucket, draft, plan, progress, threads)
    catalog = _kept_catalog(bucket, draft, plan.release)
    if plan.is_live:
        return
    try:
        bucket.swap(POINTER, catalog, "application/json", plan.pointer.generation)
    except Conflict:
        raise Conflict(
            f"{bucket.url} was published to by someone else meanwhile, and shows that. Nothing is lost: "
            "run the same again to put yours in its place, which sends nothing twice."
        ) from None


def new_id(digest: str) -> str:
    """Ids sort by the time they were made, which SOURCE_DATE_EPOCH may set for a release that is to be reproduced."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    made = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdecimal() else datetime.now(UTC)
    return f"{made.strftime(ID_TIME)}-{digest}"


def created_at(release: str) -> datetime:
    """When the release with this id was begun."""
    return datetime.strptime(release.partition("-")[0], ID_TIME).replace(tzinfo=UTC)


def _upload(bucket: Bucket, draft: Draft, plan: Plan, progress: Callable[[int], object], threads: int) -> None:
    """Send what is missing until one listing shows every object with its checksum."""
    missing = plan.missing
    for _ in range(ROUNDS):
        if not missing:
            return
        _send(bucket, draft, plan.release, missing, progress, threads)
        missing = _missing(bucket, draft, plan.release)
    if missing:
        raise Unavailable(
            f"{bucket.url} keeps {len(missing)} of {len(draft.checksums)} objects otherwise than they were sent "
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
    """Each thread reads an object, sends it and forgets it: memory does not grow with their number."""
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
    content_type = TYPES.get(PurePosixPath(name).suffix[1:], "application/x-ndjson")
    try:
        bucket.create(object_name, data, content_type)
    except Conflict:  # only damage can have put other bytes under an id made of the content's hash
        bucket.delete(object_name)
        bucket.create(object_name, data, content_type)


def _kept_catalog(bucket: Bucket, draft: Draft, release: str) -> bytes:
    """The release's own catalog: an interrupted run's, if it got that far, so that both are the same."""
    name, data = release_name(release), draft.catalog(release).to_json()
    try:
        bucket.create(name, data, "application/json")
    except Conflict:  # developers drawn by another version of Faker, say
        data = bucket.read(name)
        parse(data)
    return data
