"""The verdict on each sample of a curation, and the reasons for rejecting one. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

CURATION_TABLE = "curation.csv"
MIN_PICTURES = 5  # on either side, to compute scores from: realism takes 3 neighbours of each and 2 more
COPY, UNREALISTIC, DUPLICATE, NO_ROOM = "copy", "unrealistic", "duplicate", "no room"
REJECTED, NOT_LISTED, DAMAGED = "rejected", "not on the list", "damaged"
REASONS = {  # as shown to people
    REJECTED: "on your list of rejects",
    NOT_LISTED: "not on your keep list",
    COPY: "copies of training pictures",
    UNREALISTIC: "least realistic",
    DUPLICATE: "near-duplicates of a better one",
    NO_ROOM: "not needed",
    DAMAGED: "damaged, or of another size",
}


@dataclass(frozen=True)
class Verdict:
    """Whether a sample is kept, and why not; a line of curation.csv."""

    file: str  # below SAMPLES
    category: str = ""
    kept: bool = True
    reason: str = ""  # one of REASONS; empty if kept
    realism: float | None = None  # above 1 within the manifold of the training pictures, see metrics.realism
    difference: float | None = None  # to the nearest training picture, 0 to 1
    nearest: str = ""  # path of that picture, below DATA
    repeats: str = ""  # of a duplicate: the better sample that is kept
    note: str = ""


@dataclass(frozen=True)
class Curated:
    """All verdicts, sorted by file, and the difference below which a sample is a copy."""

    verdicts: Sequence[Verdict]
    limit: float

    @property
    def kept(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.kept]

    def summary(self) -> str:
        """ "384 of 576 kept; left out: 12 copies of training pictures, 58 least realistic"."""
        why = Counter(verdict.reason for verdict in self.verdicts if not verdict.kept)
        left_out = ", ".join(f"{why[reason]} {text}" for reason, text in REASONS.items() if why[reason])
        return f"{len(self.kept)} of {len(self.verdicts)} kept" + (f"; left out: {left_out}" if left_out else "")
