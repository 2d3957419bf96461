"""Files of torch.save by strangers: what torch's own reader would take forever for, or allocate, is refused before."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
import torch

from generate.model.saved import load_saved, state_dicts


def archive(path: Path, data: bytes, *more: tuple[str, bytes]) -> Path:
    """A zip as torch.save writes it, with this pickle."""
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in (("g/data.pkl", data), ("g/version", b"3\n"), *more):
            opened.writestr(name, content)
    return path


def doubled(start: bytes, end: bytes) -> bytes:
    """A value with the same value twice in it, which has the same value twice in it, sixty deep."""
    return b"N" + b"".join(b"q%c%bh%c%bh%c%b" % (i, start, i, end[:-1], i, end) for i in range(60))


TUPLES, LISTS = doubled(b"", b"\x86"), b"N" + b"".join(b"q%c]h%cah%ca" % (i, i, i) for i in range(60))
LARGE = b"J\xff\xff\xff\x7f"  # 2**31 - 1
HOSTILE = {  # pickles, and what is said of them
    "a key that takes forever to hash": (b"\x80\x02}" + TUPLES + b"K\x01s.", "nests tuples"),
    "the same in an OrderedDict": (b"\x80\x02ccollections\nOrderedDict\n]" + TUPLES + b"N\x86a\x85R.", "nests tuples"),
    "a shape that takes forever": (b"\x80\x02ctorch\nSize\n" + TUPLES + b"\x85R.", "nests tuples"),
    "a function that takes forever to print": (b"\x80\x02" + LISTS + b")R.", "calls a list"),
    "a tensor of 137 GB": (b"\x80\x02ctorch\nTensor\n" + LARGE + b"K\x10\x86R.", r"asks for torch\.Tensor"),
    "bytes of 2 GB": (b"\x80\x02c__builtin__\nbytearray\n" + LARGE + b"\x85R.", r"asks for builtins\.bytearray"),
    "an integer of 2 GB": (b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.", "announces"),
    "INST": (b"\x80\x02(ios\nsystem\n.", "INST"),
    "OBJ": (b"\x80\x02(cos\nsystem\nX\x04\x00\x00\x00trueo.", r"asks for os\.system"),
    "EXT": (b"\x80\x02\x82\x01.", "EXT1"),
    "a storage that is no name": (b"\x80\x02(" + LISTS + b"tQ.", "damaged"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_pickle_is_a_sentence(tmp_path, what):
    data, sentence = HOSTILE[what]

    with pytest.raises(ValueError, match=f"^it .*{sentence}"):
        load_saved(archive(tmp_path / "g.pth", data))


def test_an_archive_with_two_pickles_is_refused(tmp_path):
    """Which of them torch would read is not ours to guess."""
    file = archive(tmp_path / "g.pth", b"\x80\x02}.", ("h/data.pkl", b"\x80\x02}."))

    with pytest.raises(ValueError, match=r"not of torch\.save"):
        load_saved(file)


def test_the_advice_to_run_the_file_is_not_passed_on(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "g.pth")

    with pytest.raises(
        ValueError, match=r"asks for torch\.nn\.modules\.linear\.Linear, which is not allowed"
    ) as refused:
        load_saved(tmp_path / "g.pth")

    assert "weights_only" not in str(refused.value)


def test_dicts_that_hold_each_other_are_looked_at_once():
    inner: dict[object, object] = {"weight": torch.zeros(1)}
    inner |= dict.fromkeys(range(3000), inner)

    assert [list(weights) for weights in state_dicts({"a": inner, "b": inner})] == [["weight"]]
