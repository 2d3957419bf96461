"""Reads a site.json and its fields, each with an error that names it, and any text as pages can show it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gallery import GalleryError

POINTER = "site.json"
LARGEST = 1 << 53  # of a whole number; JavaScript rounds beyond it
UNSHOWN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff\\ufffe\\uffff]+")


class CatalogError(GalleryError):
    """A site.json that can't be used; the message names the field."""


def readable(text: str) -> str:
    """The text with a space for what HTML, XML or UTF-8 can't hold, or what would turn the text around it.

    That is control characters, half a surrogate pair, which JSON can name, and overrides of the writing direction.
    """
    return UNSHOWN.sub(" ", text)


def loads(data: bytes | str) -> Any:
    """JSON whose texts are readable, with None for NaN. Raises ValueError or RecursionError if it can't be read."""
    return _readable(json.loads(data, parse_constant=lambda name: None))


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, list):
        return [_readable(entry) for entry in value]
    return {key: _readable(entry) for key, entry in value.items()} if isinstance(value, dict) else value


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
    if isinstance(value, bool) or not 1 <= typed(value, int, name) <= LARGEST:
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.40}, expected {what}.")
    return int(value)
