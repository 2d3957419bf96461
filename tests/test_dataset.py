"""The pictures of a training run: held in memory or streamed, and what a folder that doesn't suit is told."""

from __future__ import annotations

import click
import pytest
import torch

from generate.training import dataset
from generate.training.dataset import Batches, Pictures, StreamedPictures, open_pictures
from tests.nasty import emoji

CPU = torch.device("cpu")


@pytest.mark.parametrize(("free", "kind"), [(10**9, Pictures), (0, StreamedPictures)])
def test_what_does_not_fit_in_memory_is_streamed(tmp_path, monkeypatch, free, kind):
    monkeypatch.setattr(dataset, "free_memory", lambda _: free)
    emoji("food/lemon").resize((32, 32)).save(tmp_path / "a.png")

    pictures = open_pictures(tmp_path, CPU)

    assert type(pictures) is kind
    assert pictures[torch.tensor([0])].shape == (1, 3, 32, 32)


@pytest.mark.parametrize("free", [10**9, 0])
@pytest.mark.parametrize("size", [(48, 48), (64, 32)])
def test_pictures_that_are_no_squares_of_a_power_of_two_are_a_sentence(tmp_path, monkeypatch, free, size):
    monkeypatch.setattr(dataset, "free_memory", lambda _: free)
    emoji("food/lemon").resize(size).save(tmp_path / "a.png")

    with pytest.raises(click.ClickException, match="training takes squares of one size, a power of two"):
        open_pictures(tmp_path, CPU)


def test_a_first_picture_that_is_none_is_a_sentence(tmp_path):
    (tmp_path / "a.png").write_text("no picture")

    with pytest.raises(click.ClickException, match=r"a.png is not a picture.* Delete it and run `prepare` again"):
        open_pictures(tmp_path, CPU)


def test_every_picture_is_shown_once_an_epoch():
    pictures = torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1)
    batches = Batches(Pictures(pictures), torch.arange(10), 5, CPU)

    (first, told_first), (second, told_second) = batches.draw(), batches.draw()

    epoch = torch.cat([first, second]).flatten() * 255
    assert epoch.round().int().tolist() == [*told_first.tolist(), *told_second.tolist()]

    assert sorted(epoch.round().int().tolist()) == list(range(10))
