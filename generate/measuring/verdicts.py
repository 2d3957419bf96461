"""What a curation decides about each sample, and the words for it. Imports no torch: commands and pages read it too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

CURATION_TABLE = "curation.csv"
MIN_PICTURES = 5  # on either side, to compute scores from: realism takes 3 neighbours of each and 2 more
COPY, UNREALISTIC, DUPLICATE, NO_ROOM = "copy", "unrealistic", "duplicate", "no room"
REJECTED, NOT_LISTED, DAMAGED = "rejected", "not on the list", "damaged"
REASONS = {  # why a picture was left out, for people
    REJECTED: "on your list of rejects",
    NOT_LISTED: "not on your keep list",
    COPY: "copies of training pictures",
    UNREALISTIC: "least realistic",
    DUPLICATE: "near-duplicates of a better one",
    NO_ROOM: "good, but there are enough",
    DAMAGED: "damaged, or of another size",
}


@dataclass(frozen=True)
class Verdict:
    """What became of a sample, and why; a line of curation.csv."""

    file: str  # below SAMPLES
    category: str = ""
    kept: bool = True
    reason: str = ""  # of REASONS
    realism: float | None = None  # above 1 within the manifold of the training pictures
    difference: float | None = None  # to the nearest training picture, 0 to 1
    nearest: str = ""  # that picture, below DATA
    repeats: str = ""  # the sample that a duplicate is one of
    note: str = ""


@dataclass(frozen=True)
class Curated:
    """All verdicts, in the order of their files, and the difference below which a picture is a copy."""

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
