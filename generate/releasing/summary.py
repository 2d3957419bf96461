"""Summarize what publishing did, for the last lines of a command."""

from __future__ import annotations

from generate.releasing.publishing import Published
from generate.units import plural, shell_path, size_text

LISTED = 12  # categories listed with their counts


def summarize(published: Published, url: str, dry_run: bool = False) -> list[str]:
    """The last lines of a command: what was published, how to undo it, and the next command."""
    counts = ", ".join(f"{category.name} {category.count}" for category in published.categories[:LISTED])
    if len(published.categories) > LISTED:
        counts = f"in {len(published.categories)} categories"
    total = sum(category.count for category in published.categories)
    pictures = f"{plural(total, 'picture')} ({counts}), {size_text(published.total_bytes)}"
    if dry_run:
        state = "is live already" if published.was_live else f"would become live in {url}"
        return [f"Release {published.release} {state}: {pictures}; {published.sent} objects to be sent."]
    quoted = shell_path(url)
    state = "was live already" if published.was_live else "is live"
    line = (
        f"Release {published.release} {state} in {url}: {pictures}, {published.sent} of {published.objects} objects "
        f"sent in {published.seconds:.1f} s"
    )
    if published.operations:  # none for a bucket that is a local folder
        line += "; storage operations: {A} of class A, {B} of class B".format(**{"A": 0, "B": 0} | published.operations)
    lines = [line + "."]
    if published.before and not published.was_live:
        lines.append(f"Undo: python -m generate releases {quoted} --rollback {published.before}")
    if published.browser_bytes:
        lines.append(f"Browsers draw on /live with a generator of {size_text(published.browser_bytes)}.")
    elif published.had_browser_model:
        lines.append(
            "The page /live is gone, since this release has no generator: publish it with --live to bring it back."
        )
    if published.pruned:
        lines.append(f"Deleted {len(published.pruned)} old releases: {', '.join(published.pruned)}.")
    return [*lines, f"Next: CLOUD_STORAGE_BUCKET={quoted} make run"]
