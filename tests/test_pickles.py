"""A pickle is read as data: what it names is not looked up, and whatever a file holds, only Refused comes of it."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generate.model.stylegan2.pickles import MOST_INSTRUCTIONS, Made, Name, Refused, Source, read_pickle

KEYS = st.text(max_size=5) | st.integers(-(2**31), 2**31)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner), max_leaves=20
)


def read(data: bytes, *names: str) -> object:
    return read_pickle(Source(io.BytesIO(data)), names.__contains__)


@given(DATA, st.sampled_from([3, 4, 5]))
def test_what_is_data_comes_back(value, protocol):
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_text_and_numbers_of_every_protocol(protocol):
    value = {"a": [1, -2.5, 2**70, None, True], "b": ("x", ("y",), {"z": []})}

    assert read(pickle.dumps(value, protocol)) == value


def test_a_list_within_itself_and_an_object_used_twice():
    value: list = ["once"]
    value += [value, value]

    found = read(pickle.dumps(value))

    assert found[1] is found[2] is found


def test_a_set_is_a_list_whose_members_are_not_hashed():
    assert read(pickle.dumps({"only"})) == ["only"]


def test_a_name_that_is_allowed_is_two_words_and_a_call_is_a_note_of_it():
    found = read(pickle.dumps(OrderedDict(a=1), 4), "collections.OrderedDict")

    assert found == Made(Name("collections", "OrderedDict"), (), items={"a": 1})


class Evil:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(6))
def test_what_is_not_allowed_is_named(protocol):
    with pytest.raises(Refused, match=r"asks for (posix|os)\.system"):
        read(pickle.dumps([Evil(os.system, ("true",))], protocol))


def test_a_name_of_any_length_and_alphabet_is_shown_in_short():
    with pytest.raises(Refused) as caught:
        read(b"c" + b"\xe2\x80\xae" + b"a" * 900 + b"\nsystem\n.")

    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"(ios\nsystem\n.", "INST"),
        (b"(cos\nsystem\no.", "os.system"),
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
        (b"Pelsewhere\n.", "PERSID"),
        (b"K\x01Q.", "refers to objects outside"),
        (b"}}}\x92.", "NEWOBJ_EX"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"N\x98.", "READONLY_BUFFER"),
        (b"N2.", "DUP"),
        (b"K\x01)R.", "calls a int"),
        (b"]}b.", "sets the state of a list"),
        (b"}K\x01K\x02\x86Ns.", "a tuple as the key"),
    ],
)
def test_an_instruction_that_such_files_don_t_need_is_named(data, what):
    with pytest.raises(Refused, match=what):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"not a pickle",
        b"K\x01K\x02.",  # two results
        b"0.",
        b"h\x00.",  # nothing under that number
        b"p99999999999999999999\n.",
        b"(a.",
        b"t.",
        b"]K\x01K\x02u.",
        b"(.",
        b"I12x\n.",
        b"X\x02\x00\x00\x00\xff\xff.",
        b"I" + b"9" * 5000 + b"\n.",
    ],
)
def test_what_is_damaged_is_a_sentence(data):
    with pytest.raises(Refused, match="damaged"):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x8e" + struct.pack("<Q", 10 * 2**30) + b"abc.",  # BINBYTES8
        b"\x96" + struct.pack("<Q", 2**62) + b"abc.",  # BYTEARRAY8
        b"\x8d" + struct.pack("<Q", 2**40) + b"abc.",  # BINUNICODE8
        b"B" + struct.pack("<I", 2**32 - 1) + b"abc.",
        b"\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.",  # LONG4
        b"\x8b" + struct.pack("<i", -5) + b"abc.",
    ],
)
def test_a_length_is_compared_with_what_is_there(data):
    with pytest.raises(Refused, match=r"announces|damaged"):
        read(data)


def test_a_pickle_without_end_is_refused():
    with pytest.raises(Refused, match="instructions"):
        read(b"]" * (MOST_INSTRUCTIONS + 1) + b".")


def test_tuples_that_double_are_refused():
    doubled = b"N" + b"".join(b"p%d\n0g%d\ng%d\n\x86" % (i, i, i) for i in range(60)) + b"."

    with pytest.raises(Refused, match="nests tuples in tuples without end"):
        read(doubled)


def test_tuples_in_tuples_come_back():
    value = [(number, (str(number), (number,))) for number in range(100)]

    assert read(pickle.dumps((*value, (*value, ()))))[-1][3] == (3, ("3", (3,)))


def test_depth_is_no_trouble():
    found = read(b"]" * 100_000 + b"a" * 99_999 + b".")

    assert isinstance(found, list)


def test_keys_with_the_same_hash_are_refused():
    with pytest.raises(Refused, match="as the key"):
        read(pickle.dumps({2**61 - 1: 1}))


def test_whatever_is_changed_in_a_file_only_refused_comes_of_it():
    whole = pickle.dumps({"a": [1, 2.5, "text", b"bytes", (1, 2, 3), {"b": None}], "c": OrderedDict(x=[1] * 5)}, 4)
    chance = random.Random(0)
    refused = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read(bytes(data[: chance.randint(1, len(data))]), "collections.OrderedDict")
        except Refused:
            refused += 1
    assert refused > 1000
