"""Read JSON and its fields, with errors that name the field; clean texts for display."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gallery import GalleryError

POINTER = "site.json"
LARGEST = 1 << 53  # integer; JavaScript rounds larger ones
UNSHOWN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff\\ufffe\\uffff]+")


class CatalogError(GalleryError):
    """A site.json is damaged or unsupported; the message names the field."""


def readable(text: str) -> str:
    """Replace characters that HTML, XML or UTF-8 can't contain, and overrides of the writing direction, by a space.

    The former are control characters and lone surrogates.
    """
    return UNSHOWN.sub(" ", text)


def loads(data: bytes | str) -> Any:
    """Parse JSON with `readable` strings, and None for NaN. Raises ValueError or RecursionError if it is invalid."""
    return _readable(json.loads(data, parse_constant=lambda name: None))


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, list):
        return [_readable(entry) for entry in value]
    return {key: _readable(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def take(raw: dict[str, Any], name: str, kind: type, default: Any = None, of: str = "") -> Any:
    """Return a field of an object, or the default. `of` is the object's path, with a trailing dot, for errors."""
    value = raw.get(name, default)
    if value is None:
        raise CatalogError(f"{POINTER} has no {of + name!r}: it is damaged; publish again.")
    return typed(value, kind, of + name)


def typed(value: Any, kind: type, name: str) -> Any:
    """Return the value if it has the type `kind`. Raises CatalogError otherwise."""
    if not isinstance(value, kind):
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.40}, expected {kind.__name__}.")
    return value


def matching(value: str, pattern: re.Pattern[str], name: str) -> str:
    """Return the value if all of it matches. Raises CatalogError otherwise."""
    if not pattern.fullmatch(value):
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.80}, expected {pattern.pattern}.")
    return value


def one_of(value: str, choices: Mapping[str, str], name: str) -> str:
    """Return the value if it is a key of the choices. Raises CatalogError otherwise."""
    if value not in choices:
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.40}, expected one of {', '.join(choices)}.")
    return value


def positive_int(value: Any, name: str, what: str) -> int | None:
    """Return the value if it is a positive integer or None. Raises CatalogError otherwise; `what` says what was expected."""
    if value is None:
        return None
    if isinstance(value, bool) or not 1 <= typed(value, int, name) <= LARGEST:
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.40}, expected {what}.")
    return int(value)
