"""Reads the fields of a site.json, each with an error that names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gallery import GalleryError

POINTER = "site.json"


class CatalogError(GalleryError):
    """A site.json that can't be used; the message names the field."""


def take(raw: dict[str, Any], name: str, kind: type, default: Any = None, of: str = "") -> Any:
    """The field of an object, or the default. `of` is the object's own name, with a dot."""
    value = raw.get(name, default)
    if value is None:
        raise CatalogError(f"{POINTER} has no {of + name!r}: it is damaged; publish again.")
    return typed(value, kind, of + name)


def typed(value: Any, kind: type, name: str) -> Any:
    """The value if it is of that type."""
    if not isinstance(value, kind):
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.40}, expected {kind.__name__}.")
    return value


def matching(value: str, pattern: re.Pattern[str], name: str) -> str:
    """The value if all of it matches."""
    if not pattern.fullmatch(value):
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.80}, expected {pattern.pattern}.")
    return value


def one_of(value: str, choices: Mapping[str, str], name: str) -> str:
    """The value if it is a key of the choices."""
    if value not in choices:
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.40}, expected one of {', '.join(choices)}.")
    return value


def whole(value: Any, name: str, what: str) -> int | None:
    """The value if it is a whole number from 1 on, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or typed(value, int, name) < 1:
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.40}, expected {what}.")
    return int(value)
