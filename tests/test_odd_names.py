"""Every job over names with spaces, newlines, quotes, emoji, right-to-left script, 250 bytes, leading dashes and dots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from gallery.bucket import open_bucket
from gallery.release import read_live
from generate.__main__ import main
from tests.conftest import EMOJI

CATEGORIES = ["ice cream\nnew", "-dash \"q\" 'a'", "مرحبا 😀", "..dot", "y" * 250, "a;$(touch pwned)&b"]
NAMES = ["a b", "n\nl", "-x", "q'\"", "z" * 240, "é😀"]
QUICK = ["--device", "cpu"]


@pytest.mark.slow
def test_every_job_takes_names_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate(sorted(EMOJI.rglob("*.webp"))):
        folder = Path("-my pho\"tos's 😀") / CATEGORIES[number % 6]
        folder.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert("RGB").resize((64, 64)).save(folder / f"{NAMES[number // 6 % 6]}{number}.png")
    Path(os.fsdecode(b"-my pho\"tos's \xf0\x9f\x98\x80/\xff\xfe.png")).write_bytes(b"")
    Path("-bucket").mkdir()

    def generate(*arguments: str) -> str:
        result = CliRunner().invoke(main, [*arguments])
        assert result.exit_code == 0, result.output
        return result.output

    collected = generate("collect", "./-my pho\"tos's 😀", "./-collec ted", "--min-size", "32")
    assert "passed over 6 files, hidden" in collected
    prepared = generate("prepare", "./-collec ted", "./-pre p", "--size", "32", "--near", "-1", "--min-sharpness", "0")
    assert "30 pictures of 32 px" in prepared
    train = ["--conditional", "--kimg", "0.008", "--batch-size", "4", "--precision", "fp32"]
    generate("train", "./-pre p", "./-ru n", *train, *QUICK)
    assert "60 pictures" in generate("sample", "./-ru n", "./-sam ples", "--count", "12", *QUICK)
    assert "6 of 60 kept" in generate("curate", "./-sam ples", "./-cho sen", "--keep", "6", *QUICK)
    assert "is live" in generate("publish", "./-sam ples", "./-bucket", "--yes")
    refilled = generate("refill", "./-ru n", "./-bucket", "--count", "5", "--no-curate", "--yes", *QUICK)

    assert "is live in ./-bucket: 5 pictures" in refilled
    catalog, _ = read_live(open_bucket("./-bucket"))
    assert {category.slug for category in catalog.categories} == {
        *("ice-cream-new", "dash-q-a", "mrhb", "y" * 64, "a-touch-pwned-b"),
    }
    assert not Path("pwned").exists()
