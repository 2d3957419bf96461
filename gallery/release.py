"""The schema of a published release: the catalog that `publish` writes as site.json and the site reads.

    from gallery.release import read_live
    from gallery.bucket import open_bucket
    bucket = open_bucket("demo/bucket")
    catalog, generation = read_live(bucket)
    bucket.read(catalog.object_name("food", 0))

Pictures are numbered, so the catalog stays small and choosing a picture needs no listing.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from gallery.bucket import Bucket, NotFound
from gallery.fields import POINTER as POINTER
from gallery.fields import CatalogError as CatalogError
from gallery.fields import loads, matching, one_of, positive_int, take, typed
from gallery.live import LiveModel, parse_live
from gallery.names import NAMES_FILE, Label, does_not_exist, looks_plural, read_labels, unique_slugs, words_of
from gallery.words import plain_article

FORMAT = 1
LARGEST = 16_000_000  # bytes of a site.json; parsing a larger one would delay visitors
MOST = 10**9 - 1  # pictures of a category; permalinks have nine digits
NAMED_TOGETHER = 100  # pictures per object of recognised names, about 6 kB
TYPES = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif"}

RELEASE_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}|folder-[0-9a-f]{8}")
UNFINISHED = re.compile(rf"releases/({RELEASE_ID.pattern})/")  # objects of an unfinished publish
VOWEL = re.compile(r"(?!uni(?!n|m)|us[aeu]|eu|ewe|on(?:e|ce)\b|uk)[aeiou]|hour|heir|hono|honest", re.IGNORECASE)
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True)
class Category:
    """A category of pictures. Its name is singular unless `plural`, as in "These Trousers Do Not Exist"."""

    slug: str
    name: str
    count: int
    article: str = "a"
    plural: bool = False


@dataclass(frozen=True)
class Catalog:
    """A release: its title, and the number of pictures in each category."""

    release: str
    created: str  # ISO 8601, UTC
    title: str
    categories: tuple[Category, ...]
    type: str  # content type of every picture, such as image/jpeg
    width: int | None = None  # px; None for an unpublished folder
    height: int | None = None
    description: str = ""
    developers: tuple[str, ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    live: LiveModel | None = None  # the generator for browsers
    total_bytes: int | None = None  # of all pictures
    named_together: int | None = None  # pictures per names object, see `names_object`; None: without names
    thumbnails: int = 0  # per pack, see gallery/thumbnails.py; 0: without thumbnails
    real: int = 0  # number of real pictures for the game, see gallery/real.py
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # object names by slug, in an unpublished folder

    @property
    def count(self) -> int:
        """The number of pictures in all categories."""
        return sum(category.count for category in self.categories)

    def category(self, slug: str) -> Category | None:
        """Return the category of this slug, if there is one."""
        return next((category for category in self.categories if category.slug == slug), None)

    def has(self, slug: str, number: int) -> bool:
        """True if the catalog has this picture."""
        category = self.category(slug)
        return category is not None and 0 <= number < category.count

    def picture(self, index: int) -> tuple[str, int]:
        """Return the index-th of all pictures as (category slug, number). Raises IndexError."""
        for category in self.categories:
            if 0 <= index < category.count:
                return category.slug, index
            index -= category.count
        raise IndexError(index)

    def object_name(self, slug: str, number: int) -> str:
        """Return the name of a picture's object in the bucket."""
        if self.files:
            return self.files[slug][number]
        return picture_name(self.release, slug, number, self.type)

    def names_object(self, slug: str, number: int) -> tuple[str, int] | None:
        """Return the object with a picture's recognised names, and the picture's index in it; None if the release has none.

        The object is a JSON list of texts such as "87 % a pineapple, 6 % a hedgehog", "" for an unrecognised picture.
        """
        if not self.named_together:
            return None
        chunk, index = divmod(number, self.named_together)
        return f"releases/{self.release}/{names_name(slug, chunk)}", index

    def permanent_id(self, slug: str, number: int) -> str:
        """Return the id that a picture's permalink has in place of the release.

        For an unpublished folder it is a hash of the file's name, so the permalink survives changes to other files.
        """
        return _name_id(self.files[slug][number]) if self.files else self.release

    def number_of(self, permanent_id: str, slug: str, number: int) -> int | None:
        """Return the current number of the picture with this permalink, formerly `number`; None if it is gone."""
        if permanent_id == self.release:
            return number if self.has(slug, number) else None
        if self.has(slug, number) and self.permanent_id(slug, number) == permanent_id:
            return number
        return self._numbers.get(slug, {}).get(permanent_id)

    @cached_property
    def _numbers(self) -> dict[str, dict[str, int]]:
        return {
            slug: {_name_id(name): number for number, name in enumerate(names)} for slug, names in self.files.items()
        }

    def content_type(self, slug: str, number: int) -> str:
        """Return the content type of one picture; an unpublished folder may mix them."""
        return TYPES[PurePosixPath(self.object_name(slug, number)).suffix[1:].lower()]

    def developer(self, slug: str, number: int) -> str:
        """Return the imaginary developer of a picture, always the same one; "" if the release has none."""
        if not self.developers:
            return ""
        identity = f"{self.release}/{slug}/{number}".encode()
        return self.developers[zlib.crc32(identity) % len(self.developers)]

    def to_json(self) -> bytes:
        """Serialize to site.json, which `parse` reads."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "release": self.release,
            "created": self.created,
            "title": self.title,
            "description": self.description,
            "image": {"type": self.type, "width": self.width, "height": self.height},
            "categories": [
                {name: value for name, value in vars(category).items() if value is not False}
                for category in self.categories
            ],
            "developers": list(self.developers),
            "model": dict(self.model),
            "bytes": self.total_bytes,
        }
        if self.thumbnails:
            data["thumbnails"] = {"pack": self.thumbnails}
        if self.real:
            data["real"] = {"count": self.real}
        if self.live:
            data["live"] = self.live.to_json()
        if self.named_together:
            data["named_together"] = self.named_together
        return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def release_name(release: str) -> str:
    """Return the name of a release's own catalog."""
    return f"releases/{release}/{POINTER}"


def picture_name(release: str, slug: str, number: int, content_type: str) -> str:
    """Return the name of a numbered picture's object."""
    return f"releases/{release}/{slug}/{number:05d}.{EXTENSIONS[content_type]}"


def names_name(slug: str, chunk: int) -> str:
    """Return the name, below a release, of an object with recognised names of a category's pictures."""
    return f"names/{slug}/{chunk:05d}.json"


def parse_names(data: bytes) -> list[str]:
    """Parse an object of recognised names. Raises CatalogError if it is damaged."""
    try:
        names = loads(data)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(text, str) for text in names):
        raise CatalogError("The names of some pictures are damaged: publish again.")
    return names


def parse(data: bytes) -> Catalog:
    """Parse a site.json. Raises CatalogError, which names the field, if it is damaged or too new."""
    if len(data) > LARGEST:
        raise CatalogError(f"{POINTER} has {len(data):,} bytes, expected at most {LARGEST:,}: publish again.")
    try:
        raw = loads(data)
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{POINTER} is not JSON ({error}): publish again.") from None
    raw = typed(raw, dict, "the whole")
    if (version := raw.get("format")) != FORMAT:
        raise CatalogError(
            f"{POINTER} has format {version!r}, this version reads {FORMAT}: update the site, or publish again."
        )
    image = take(raw, "image", dict)
    categories = [_category(entry) for entry in take(raw, "categories", list)]
    if not categories or len({category.slug for category in categories}) != len(categories):
        raise CatalogError(f"{POINTER}: 'categories' must have at least one category, and no slug twice.")
    return Catalog(
        release=matching(take(raw, "release", str), RELEASE_ID, "release"),
        created=take(raw, "created", str),
        title=take(raw, "title", str).strip() or does_not_exist("Picture"),
        categories=tuple(categories),
        type=one_of(take(image, "type", str, of="image."), EXTENSIONS, "image.type"),
        width=positive_int(image.get("width"), "image.width", "pixels"),
        height=positive_int(image.get("height"), "image.height", "pixels"),
        description=take(raw, "description", str, ""),
        developers=tuple(typed(name, str, "developers") for name in take(raw, "developers", list, [])),
        model=take(raw, "model", dict, {}),
        live=parse_live(take(raw, "live", dict)) if raw.get("live") is not None else None,
        total_bytes=positive_int(raw.get("bytes"), "bytes", "the pictures' size"),
        named_together=positive_int(raw.get("named_together"), "named_together", "pictures of a names object"),
        real=positive_int(take(raw, "real", dict, {}).get("count"), "real.count", "how many there are") or 0,
        thumbnails=positive_int(
            take(raw, "thumbnails", dict, {}).get("pack"), "thumbnails.pack", "how many are in a pack"
        )
        or 0,
    )


def read_live(bucket: Bucket) -> tuple[Catalog, int]:
    """Read the live catalog and its generation; without one, make a catalog from the bucket's pictures, generation 0.

    Raises NotFound for a bucket without pictures, CatalogError for a damaged catalog.
    """
    try:
        data, generation = bucket.read_generation(POINTER)
    except NotFound:
        return list_folder(bucket), 0
    return parse(data), generation


def list_folder(bucket: Bucket) -> Catalog:
    """Make a catalog for an unpublished folder, so that any folder of pictures is a site.

    Its first-level folders are the categories. The release id changes when a picture is added, deleted or replaced;
    permalinks don't, see `Catalog.permanent_id`.
    """
    groups: dict[str, list[str]] = {}
    every = bucket.versions()
    names = [name for name in every if PurePosixPath(name).suffix[1:].lower() in TYPES and not UNFINISHED.match(name)]
    for name in names:
        folder, slash, _ = name.partition("/")
        groups.setdefault(folder if slash else "", []).append(name)
    if not names:
        raise NotFound(f"{bucket.url} has no {POINTER} and no pictures: publish some to it first.")
    slugs = unique_slugs(list(groups))
    files = {slug: tuple(members) for slug, members in zip(slugs, groups.values(), strict=True)}
    labels = read_labels(bucket.read(NAMES_FILE), f"{bucket.url}/{NAMES_FILE}") if NAMES_FILE in every else {}
    categories = []
    for slug, folder in zip(slugs, groups, strict=True):
        label = labels.get(folder, Label())
        name = label.name or words_of(folder) or "Picture"
        plural = looks_plural(name) if label.plural is None else label.plural
        article = article_of(name) if label.article is None else label.article
        categories.append(Category(slug, name, len(files[slug]), article, plural))
    alone = len(categories) == 1
    title = does_not_exist(categories[0].name if alone else "Picture", alone and categories[0].plural)
    release = _name_id("\n".join(f"{name} {every[name]}" for name in names))
    content_type = TYPES[PurePosixPath(names[0]).suffix[1:].lower()]
    return Catalog(release, "", title, tuple(categories), content_type, files=files)


def _name_id(name: str) -> str:
    return "folder-" + hashlib.sha256(name.encode()).hexdigest()[:8]


def article_of(name: str) -> str:
    """ "a" or "an", by the sound as far as the first letters tell it; a catalog can override it."""
    return plain_article(name) or ("an" if VOWEL.match(name) else "a")


def _category(entry: Any) -> Category:
    entry = typed(entry, dict, "categories")
    count = take(entry, "count", int, of="categories.")
    if not 1 <= count <= MOST or isinstance(count, bool):
        raise CatalogError(f"{POINTER}: 'categories.count' is {count!r:.40}, expected 1 to {MOST:,}.")
    slug = matching(take(entry, "slug", str, of="categories."), SLUG, "categories.slug")
    name = take(entry, "name", str, of="categories.").strip() or words_of(slug)
    article = take(entry, "article", str, article_of(name), of="categories.")
    return Category(slug, name, count, article, take(entry, "plural", bool, False, of="categories."))
