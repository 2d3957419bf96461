"""The verdicts of a curation and their wording. Imports no torch, since commands need it for --help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

CURATION_TABLE = "curation.csv"
EVALUATION = "evaluation.json"  # what `evaluate` measured; of a run, in RUN/evaluation
MIN_PLAUSIBLE, GOOD_PLAUSIBLE = 0.1, 0.5  # chosen in benchmarks/README.md, "Resemblance"
MAX_NOISE = 0.25  # so too; more of the samples than this look like noise: a warning says so
MIN_PICTURES = 5  # for realism, which uses 3 neighbours
COPY, UNREALISTIC, DUPLICATE, NO_ROOM = "copy", "unrealistic", "duplicate", "no room"
REJECTED, NOT_LISTED, DAMAGED = "rejected", "not on the list", "damaged"
REASONS = {  # as shown to people
    REJECTED: "on your list of rejects",
    NOT_LISTED: "not on your keep list",
    COPY: "copies of training pictures",
    UNREALISTIC: "least realistic",
    DUPLICATE: "near-duplicates of a better one",
    NO_ROOM: "not needed: enough better ones",
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
class Resemblance:
    """The distance of samples to the training pictures, and for reference that of the two halves of the training pictures."""

    samples: int
    noise: int  # samples that are less realistic than all but the least realistic 1 % of the training pictures
    floor: float  # the realism below which a sample is noise
    plausible: float  # share of samples as realistic as all but the least realistic 5 % of the training pictures
    frechet: float
    within: float  # share of samples within the manifold of training pictures (precision)
    frechet_reached: float
    within_reached: float

    @property
    def too_far(self) -> bool:
        """True if the samples look like noise rather than the training pictures."""
        return self.plausible < MIN_PLAUSIBLE

    @property
    def poor(self) -> bool:
        """True if fewer than half of the samples are plausible, or many look like noise."""
        return self.plausible < GOOD_PLAUSIBLE or self.partly_noise

    @property
    def partly_noise(self) -> bool:
        """True if many samples look like noise and others don't."""
        return not self.too_far and self.noise > MAX_NOISE * self.samples

    def describe(self) -> str:
        """Return the figures as a sentence without its full stop."""
        if self.partly_noise:
            return (
                f"{self.noise} of {self.samples} pictures look like noise or show something else than the training pictures "
                "(they are less realistic than 99% of those)"
            )
        barely = "barely resemble" if self.too_far else "are far from"
        return (
            f"the pictures {barely} the training pictures: Frechet distance {self.frechet:.0f} "
            f"({self.frechet_reached:.0f} between two halves of the training pictures), {self.within:.0%} within their "
            f"manifold ({self.within_reached:.0%}), {self.plausible:.0%} as realistic as training pictures (95%)"
        )


@dataclass(frozen=True)
class Curated:
    """All verdicts, sorted by file, and the difference below which a sample is a copy."""

    verdicts: Sequence[Verdict]
    limit: float
    resemblance: Resemblance | None = None  # None if there were no training pictures, or too few

    @property
    def kept(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.kept]

    @property
    def lost(self) -> list[str]:
        """The categories of which nothing is kept."""
        return sorted({verdict.category for verdict in self.verdicts} - {verdict.category for verdict in self.kept})

    def warning(self) -> str:
        """A sentence without its full stop about pictures that don't resemble the training pictures; "" if they do."""
        found = self.resemblance
        if not found or not found.poor:
            return ""
        if not found.partly_noise:
            return found.describe()
        stay = sum((verdict.realism or 0) < found.floor for verdict in self.kept)
        lost = f"; nothing is left of {', '.join(self.lost)}" if self.kept and self.lost else ""
        return f"{found.describe()}; {stay or 'none'} of them {'are' if stay > 1 else 'is'} kept{lost}"

    def summary(self) -> str:
        """ "384 of 576 kept; left out: 12 copies of training pictures, 58 least realistic"."""
        why = Counter(verdict.reason for verdict in self.verdicts if not verdict.kept)
        left_out = ", ".join(f"{why[reason]} {text}" for reason, text in REASONS.items() if why[reason])
        return f"{len(self.kept)} of {len(self.verdicts)} kept" + (f"; left out: {left_out}" if left_out else "")
