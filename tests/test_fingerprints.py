"""prepare: of several copies of a picture one stays."""

from __future__ import annotations

import shutil

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generate.prepare import prepare as prepare_folder
from generate.preparing.fingerprints import Fingerprint, find_duplicates
from tests.conftest import EMOJI


def test_of_duplicates_the_largest_stays_whatever_the_order():
    def printed(sha256: str, shape: int, pixels: int, colour: int = 0) -> Fingerprint:
        return Fingerprint(sha256, f"{shape:064x}", f"{colour:02x}" * 192, pixels)

    prints = [printed("a", 0, 10), printed("b", 0b111, 30), printed("b", 0b111, 30), printed("c", 2**200 - 1, 5)]
    recoloured = printed("d", 0b111, 20, colour=90)

    assert find_duplicates(prints) == {0: (1, False), 2: (1, True)}
    assert find_duplicates([*prints, recoloured]) == {0: (1, False), 2: (1, True)}
    assert find_duplicates(prints, near=-1) == {2: (1, True)}
    assert find_duplicates([]) == {}


def test_every_compressed_and_shrunken_copy_is_found_and_no_other_picture(tmp_path):
    for path in sorted(EMOJI.rglob("*.webp")):
        copy = tmp_path / "in" / path.relative_to(EMOJI).with_suffix(".jpg")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy.with_suffix(".webp"))
        painted = Image.new("RGB", (256, 256))
        painted.paste(Image.open(path), mask=Image.open(path).getchannel("A"))
        painted.resize((192, 192)).save(copy, quality=60)

    result = prepare_folder(tmp_path / "in", tmp_path / "out", size=64)

    assert result["reasons"] == {"near duplicate": 36}
    for name, reason in result["rejected"]:
        assert reason == f"near duplicate: of {name.replace('.jpg', '.webp')}"


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2**256 - 1), min_size=1, max_size=20), st.data(), st.integers(-1, 255))
def test_the_same_duplicates_are_found_as_by_comparing_all_pairs(shapes, data, near):
    masks = data.draw(st.lists(st.sets(st.integers(0, 255), max_size=9), max_size=20))
    shapes = [*shapes, *(shapes[i % len(shapes)] ^ sum(1 << bit for bit in mask) for i, mask in enumerate(masks))]
    prints = [Fingerprint(str(i), f"{shape:064x}", "00" * 192, 1) for i, shape in enumerate(shapes)]
    kept: list[int] = []
    expected = {}
    for i, shape in enumerate(shapes):
        close = [j for j in kept if (shapes[j] ^ shape).bit_count() <= near]
        if close:
            expected[i] = (close[0], False)
        else:
            kept.append(i)

    assert find_duplicates(prints, near) == expected
