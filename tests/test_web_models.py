"""Copies of generators: a few are kept, one is made at a time, and what is damaged or interrupted leaves none."""

from __future__ import annotations

import hashlib
import shutil
import threading

import pytest

from gallery.bucket import Unavailable
from web.lookup import Busy
from web.models import KEPT, PART, Models

OBJECTS = {f"releases/{number}/generator.onnx": bytes([number]) * (PART + 1) for number in range(KEPT + 2)}


def get(models: Models, name: str, encoding: str = "") -> bytes:
    data = OBJECTS[name]
    return models.get(name, len(data), hashlib.sha256(data).hexdigest(), encoding).read_bytes()


def test_a_copy_that_somebody_deleted_is_made_again():
    models = Models(lambda name, start, length: OBJECTS[name][start : start + length])
    name = next(iter(OBJECTS))
    data = OBJECTS[name]
    for encoding in ("", "br", "gzip"):
        path = models.get(name, len(data), hashlib.sha256(data).hexdigest(), encoding)
        shutil.rmtree(path.parent)
        assert get(models, name) == data


def test_the_last_few_are_kept():
    read: list[str] = []

    def read_part(name: str, start: int, length: int) -> bytes:
        read.append(name)
        return OBJECTS[name][start : start + length]

    models = Models(read_part)
    for name in OBJECTS:
        assert get(models, name) == OBJECTS[name]
        assert len(get(models, name, "br")) < PART
    first, *_, last = OBJECTS
    read.clear()

    assert get(models, last) == OBJECTS[last]
    assert read == []
    assert get(models, first) == OBJECTS[first]
    assert read == [first, first]  # in two parts


def test_while_one_is_read_others_hear_that_it_is_busy():
    started, go_on = threading.Event(), threading.Event()

    def read_part(name: str, start: int, length: int) -> bytes:
        started.set()
        assert go_on.wait(60)
        return OBJECTS[name][start : start + length]

    models, name = Models(read_part), next(iter(OBJECTS))
    thread = threading.Thread(target=get, args=(models, name))
    thread.start()
    assert started.wait(60)

    with pytest.raises(Busy):
        get(models, name)

    go_on.set()
    thread.join(60)
    assert get(models, name) == OBJECTS[name]


def test_after_a_failed_read_the_next_one_begins_again():
    fails = [True, False]

    def read_part(name: str, start: int, length: int) -> bytes:
        if start and fails.pop(0):
            raise Unavailable("storage is down")
        return OBJECTS[name][start : start + length]

    models, name = Models(read_part), list(OBJECTS)[1]
    with pytest.raises(Unavailable):
        get(models, name)

    assert get(models, name) == OBJECTS[name]
