"""List the releases in a bucket, roll back to one, delete old ones.

for stored in list_releases(bucket): print(stored.release, stored.live)
roll_back(bucket)
prune(bucket, keep=3)
"""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from gallery import GalleryError
from gallery.bucket import Bucket, Conflict, NotFound
from gallery.commit import THREADS, Pointer, created_at, is_release, pointer_to, read_pointer
from gallery.live import live_name
from gallery.release import POINTER, Catalog, CatalogError, parse, release_name

GRACE_S = 24 * 3600.0  # instances of the site may still show a release after it was replaced
LIVE, NEWEST, RECENT, UNREADABLE = "live", "newest", "recent", "unreadable"  # reasons not to prune a release


@dataclass(frozen=True)
class StoredRelease:
    """A release in the bucket."""

    release: str
    live: bool
    catalog: Catalog | None  # None if a publish is running, or if a publish or prune was interrupted
    damage: str = ""  # why its catalog can't be read: it may be damaged, or of a newer version


def list_releases(bucket: Bucket, pointer: Pointer | None = None) -> list[StoredRelease]:
    """List the releases, newest first. Costs one read per release."""
    live = (pointer or read_pointer(bucket)).live
    folders = [folder for folder in bucket.folders("releases") if is_release(folder)]
    with ThreadPoolExecutor(THREADS) as pool:
        catalogs = list(pool.map(lambda folder: _kept_catalog(bucket, folder), folders))
    kept = [
        StoredRelease(folder, live is not None and live.release == folder, catalog, damage)
        for folder, (catalog, damage) in zip(folders, catalogs, strict=True)
    ]
    return kept[::-1]


def roll_back(bucket: Bucket, release: str | None = None) -> Catalog:
    """Make an earlier release live, by default the one before the live one. Returns its catalog.

    Raises GalleryError if it doesn't exist or lacks pictures, Conflict if someone published at the same time. Nothing has
    changed then.
    """
    pointer = read_pointer(bucket)
    if release is None:
        release = _before(bucket, pointer.live)
    catalog, damage = _kept_catalog(bucket, release) if is_release(release) else (None, "")
    if damage:
        raise GalleryError(f"The catalog of release {release} can't be read: {damage}")
    if catalog is None:
        raise GalleryError(f"{bucket.url} holds no complete release {release!r}: list them with `releases`.")
    there = bucket.checksums(f"releases/{release}/")
    names = [catalog.object_name(*catalog.picture(index)) for index in range(catalog.count)]
    names += [live_name(release)] if catalog.live and catalog.live.is_readable else []
    if missing := [name for name in names if name not in there]:
        raise GalleryError(
            f"Release {release} has lost {len(missing)} objects ({missing[0]}): roll back to another one."
        )
    if pointer.live is None or pointer.live.release != release:
        data = pointer_to(bucket.read(release_name(release)), pointer)
        bucket.swap(POINTER, data, "application/json", pointer.generation)
    return catalog


def prune(bucket: Bucket, keep: int, grace_s: float = GRACE_S, protect: Collection[str] = ()) -> list[str]:
    """Delete all releases except the live one, the `keep` newest, those replaced less than `grace_s` ago and `protect`.

    Deletes interrupted ones too once they are that old, and none whose catalog can't be read. Returns the deleted ids.
    Raises GalleryError if site.json is damaged, and Conflict if someone publishes or rolls back at the same time; nothing is
    deleted then.
    """
    unneeded = [
        release
        for release, reason in reasons_to_keep(bucket, keep, grace_s).items()
        if not reason and release not in protect
    ]
    if not unneeded:
        return []
    for release in unneeded:  # prevents new roll-backs to it
        bucket.delete(release_name(release))
    try:  # swapping site.json makes roll-backs fail that have already started
        data, generation = bucket.read_generation(POINTER)
        if parse(data).release in unneeded:
            bucket.create(release_name(parse(data).release), data, "application/json")
            raise Conflict(
                f"Someone rolled {bucket.url} back to a release that was about to be deleted. No pictures were deleted: try again."
            )
        bucket.swap(POINTER, data, "application/json", generation)
    except NotFound:
        pass
    names = [name for release in unneeded for name in bucket.names(f"releases/{release}/")]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(bucket.delete, names):
            pass
    return unneeded


def reasons_to_keep(bucket: Bucket, keep: int, grace_s: float = GRACE_S) -> dict[str, str]:
    """Return why `prune` keeps each release, newest first: LIVE, UNREADABLE, NEWEST or RECENT; "" for one that it deletes.

    Raises GalleryError if site.json is damaged, since then the live release is unknown.
    """
    pointer = read_pointer(bucket)
    if pointer.damage:
        raise GalleryError(
            f"Nothing was deleted, since the live release is unknown: {pointer.damage} "
            "Or make one of those that `releases` lists live with `releases --rollback ID`."
        )
    releases = list_releases(bucket, pointer)
    whole = [kept.release for kept in releases if kept.catalog]
    since = {kept.release: created_at(kept.release).timestamp() for kept in releases}
    # a release was live until the next one was published, or longer if site.json says so after a roll-back
    since |= {release: created_at(after).timestamp() for after, release in pairwise(whole)}
    for release, replaced in pointer.replaced.items():
        since[release] = max(since.get(release, 0.0), created_at(replaced).timestamp())
    now = time.time()
    return {
        kept.release: LIVE
        if kept.live
        else UNREADABLE
        if kept.damage
        else NEWEST
        if kept.release in whole[:keep]
        else RECENT
        if max(0.0, now - since[kept.release]) < grace_s  # a time in the future is a clock that was wrong
        else ""
        for kept in releases
    }


def _before(bucket: Bucket, live: Catalog | None) -> str:
    older = [
        kept.release for kept in list_releases(bucket) if kept.catalog and (live is None or kept.release < live.release)
    ]
    if not older:
        raise GalleryError(
            f"{bucket.url} has no release older than the live one to roll back to: list them with `releases`."
        )
    return older[0]


def _kept_catalog(bucket: Bucket, release: str) -> tuple[Catalog | None, str]:
    """Return a release's catalog, or None and why it can't be read; None and "" if there is none."""
    try:
        return parse(bucket.read(release_name(release))), ""
    except NotFound:
        return None, ""
    except CatalogError as error:
        return None, str(error)
