"""The description of a release's generator for browsers in site.json (docs/live.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gallery.fields import POINTER, CatalogError, matching, positive_int, take, typed

MODEL_FORMAT = 1
MODEL_FILE = "generator.onnx"
MODEL_TYPE = "application/octet-stream"
SHA256 = re.compile(r"[0-9a-f]{64}")
LARGEST = 1 << 30  # bytes that a browser can load


@dataclass(frozen=True)
class LiveModel:
    """A generator in a release, see docs/live.md. If `format` is not MODEL_FORMAT, the other fields are unknown."""

    format: int = MODEL_FORMAT
    bytes: int = 0
    sha256: str = ""
    size: int = 0  # of a picture, px
    channels: int = 3
    latent_dim: int = 0
    noises: tuple[int, ...] = ()  # sides of the noise inputs, px
    categories: tuple[Mapping[str, str], ...] = ()  # slug and name, in the order of the input
    truncation: float = 1.0  # of the release's pictures
    directions: tuple[float, ...] = ()  # each one's share of variance
    card: Mapping[str, Any] = field(default_factory=dict)  # how it was trained

    @property
    def is_readable(self) -> bool:
        """True if this version of the site can draw with it."""
        return self.format == MODEL_FORMAT

    def to_json(self) -> dict[str, Any]:
        """Return the object `live` of a site.json, which `parse_live` reads."""
        return (
            {"format": self.format, "file": MODEL_FILE, **vars(self)} if self.is_readable else {"format": self.format}
        )


def live_name(release: str) -> str:
    """Return the name of a release's generator in the bucket."""
    return f"releases/{release}/{MODEL_FILE}"


def parse_live(raw: dict[str, Any]) -> LiveModel:
    """Parse the object `live`. Raises CatalogError, which names the field, if it is damaged."""
    if (version := take(raw, "format", int, of="live.")) != MODEL_FORMAT:
        return LiveModel(version)
    if (size := _count(raw, "bytes")) > LARGEST:
        raise CatalogError(f"{POINTER}: 'live.bytes' is {size}, expected at most {LARGEST}.")
    if (channels := _count(raw, "channels")) not in (1, 3, 4):
        raise CatalogError(f"{POINTER}: 'live.channels' is {channels}, expected 1, 3 or 4.")
    return LiveModel(
        bytes=size,
        sha256=matching(take(raw, "sha256", str, of="live."), SHA256, "live.sha256"),
        size=_count(raw, "size"),
        channels=channels,
        latent_dim=_count(raw, "latent_dim"),
        noises=tuple(
            positive_int(side, "live.noises", "pixels") or 0 for side in take(raw, "noises", list, of="live.")
        ),
        categories=tuple(_category(entry) for entry in take(raw, "categories", list, [], of="live.")),
        truncation=_number(raw.get("truncation", 1.0), "live.truncation"),
        directions=tuple(_number(share, "live.directions") for share in take(raw, "directions", list, [], of="live.")),
        card=take(raw, "card", dict, {}, of="live."),
    )


def _count(raw: dict[str, Any], name: str) -> int:
    return positive_int(take(raw, name, int, of="live."), f"live.{name}", "a positive integer") or 0


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise CatalogError(f"{POINTER}: {name!r} is {value!r:.40}, expected a number from 0 to 1.")
    return float(value)


def _category(entry: Any) -> Mapping[str, str]:
    entry = typed(entry, dict, "live.categories")
    return {name: take(entry, name, str, of="live.categories.") for name in ("slug", "name")}
