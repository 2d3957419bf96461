"""How often `recognise` names pictures rightly, at several thresholds; and how many pictures a second.

    python -m benchmarks.recognise labelled

The first-level folders of LABELLED say what the pictures in them show, in words of generate/model/imagenet.tsv: "hen", or
"hen,rooster" where either is right. For pictures in other folders, "scissors" say, any name is wrong. A broader word than
the folder's is right, too, and so is a narrower one.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import click

from generate.images import category_of, find_pictures

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@click.command()
@click.argument("labelled", type=click.Path(path_type=Path))
@click.option("--side", type=click.IntRange(1), help="First make JPEG of this size of them, as small generators draw.")
def main(labelled: Path, side: int | None) -> None:
    """Measure recognising."""
    import torch

    from generate.measuring.features import BATCH, load_features
    from generate.measuring.recognising import THING, classify, name_of
    from generate.releasing.filing import look_at

    paths = find_pictures(labelled)
    broader = chains()
    right_words = [set(category_of(path, labelled).split(",")) & broader.keys() for path in paths]
    network = load_features()
    started = time.perf_counter()
    looked = [look_at(path, side) for path in paths]
    if bad := [path for path, picture in zip(paths, looked, strict=True) if isinstance(picture, str)]:
        raise click.ClickException(f"{bad[0]} can't be read: take it out of {labelled}.")
    shares = torch.cat([classify(network, torch.stack(looked[i : i + BATCH])) for i in range(0, len(paths), BATCH)])  # type: ignore[arg-type]
    rate = len(paths) / (time.perf_counter() - started)
    print(f"{len(paths)} pictures, {sum(map(bool, right_words))} of what the list has words for; {rate:.1f} pictures/s")
    print("threshold | right | wrong | thing | right of the named")
    for threshold in THRESHOLDS:
        found: Counter[str] = Counter()
        for share, words in zip(shares, right_words, strict=True):
            name = name_of(share, threshold).word
            fits = any(name in broader[word] or word in broader.get(name, ()) for word in words)
            found["thing" if name == THING else "right" if fits else "wrong"] += 1
        cells = [f"{found[kind] / len(paths):5.1%}" for kind in ("right", "wrong", "thing")]
        named = max(1, found["right"] + found["wrong"])
        print(f"{threshold:9} | {' | '.join(cells)} | {found['right'] / named:.1%}")


def chains() -> dict[str, tuple[str, ...]]:
    """Each word for pictures, with itself and the broader ones."""
    from generate.model.imagenet import imagenet_kinds

    return {word: kind.called[i:] for kind in imagenet_kinds() for i, word in enumerate(kind.called)}


if __name__ == "__main__":
    main()
