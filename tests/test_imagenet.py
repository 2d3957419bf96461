"""The list of ImageNet's categories and the ways to name one."""

from __future__ import annotations

import click
import pytest

from generate.model.imagenet import find_kind, imagenet_kinds


def test_there_are_a_thousand_in_the_order_of_their_synsets() -> None:
    kinds = imagenet_kinds()

    assert len(kinds) == 1000
    assert [kind.number for kind in kinds] == list(range(1000))
    assert [kind.synset for kind in kinds] == sorted({kind.synset for kind in kinds})


def test_names_are_unlike_each_other_and_singular() -> None:
    kinds = imagenet_kinds()

    names = {kind.name.casefold() for kind in kinds}

    assert len(names) == 1000
    assert all(kind.name == kind.name.strip() and all(kind.called) and all(kind.words) for kind in kinds)


def test_what_a_word_belongs_to_is_the_same_everywhere() -> None:
    above: dict[str, set[tuple[str, ...]]] = {}
    for kind in imagenet_kinds():
        for i, word in enumerate(kind.called):
            above.setdefault(word, set()).add(kind.called[i + 1 :])

    assert {word: ways for word, ways in above.items() if len(ways) > 1} == {}


def test_a_name_that_several_share_is_the_word_for_all_of_them() -> None:
    """A picture called "mushroom" must not be of one kind of mushroom, while others are called so by what they are."""
    kinds = imagenet_kinds()
    words = {word for kind in kinds for word in kind.called}

    assert [kind.name for kind in kinds if kind.name in words and kind.name not in kind.called] == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("pineapple", 953),
        ("Pineapple", 953),
        ("granny_smith", 948),
        ("apple", 948),
        ("n07753275", 953),
        ("0953", 953),
        ("fire engine", 555),
        ("crane", 134),
        ("Cardigan", 474),
        ("missile", 657),
    ],
)
def test_a_category_is_found_by_its_names_and_numbers(text: str, number: int) -> None:
    assert find_kind(text).number == number


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dog", r"matches several.*Chihuahua \(151\), .* and 113 more"),
        ("panda", r"matches several.*red panda \(387\), giant panda \(388\)"),
        ("pinapple", r"Did you mean pineapple \(953\)\?"),
        ("1000", "not one of ImageNet's 1,000 categories. Give a name"),
        ("", "not one of"),
    ],
)
def test_what_names_none_or_several_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(click.ClickException, match=sentence):
        find_kind(text)
