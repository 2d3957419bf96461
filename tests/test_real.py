"""The real pictures of a release: which are chosen, what is asked before, and that they look like the generated ones."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from gallery import GalleryError
from gallery.bucket import open_bucket
from gallery.real import REAL_FILE, Real, pack_real, unpack_real
from gallery.release import Catalog, parse, read_live
from generate.__main__ import main
from generate.publish import publish
from tests.conftest import ROOT


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def live(url: str) -> tuple[Catalog, tuple[Real, ...]]:
    bucket = open_bucket(url)
    catalog, _ = read_live(bucket)
    return catalog, unpack_real(bucket.read(f"releases/{catalog.release}/{REAL_FILE}"))


def test_packed_and_unpacked():
    pictures = (Real("cats", b"one", "Ann", "CC0", "https://x.example"), Real("寿司", b"two"))
    assert unpack_real(pack_real(pictures)) == pictures
    assert pack_real(pictures) == pack_real(pictures)


@pytest.mark.parametrize("length", [0, 10, 50, 100, 200])
def test_damaged_is_one_kind_of_error(length):
    data = pack_real([Real("cats", b"one")])
    for damaged in (
        data[:length],
        b"?" * length + data[length:] if length else b"?",
        data.replace(b"author", b"editor"),
    ):
        with pytest.raises(GalleryError, match="publish again"):
            unpack_real(damaged)


def test_real_pictures_are_published_with_their_authors(bucket_url, samples, sourced):
    result = run("publish", samples, bucket_url, "--real", sourced, "--count", 10)

    assert result.exit_code == 0, result.output
    assert "10 real pictures, 10 with a licence" in result.output
    catalog, pictures = live(bucket_url)
    assert catalog.real == len(pictures) == 10
    assert parse(open_bucket(bucket_url).read(f"releases/{catalog.release}/site.json")) == catalog
    assert Counter(picture.category for picture in pictures) == {"animals": 5, "food": 5}
    assert all("Smith" in picture.author and "by-sa" in picture.licence for picture in pictures)
    assert all(picture.page.startswith("https://emoji.example/") for picture in pictures)
    before = publish(samples, bucket_url, real=sourced, count=10)
    assert before.was_live
    assert before.sent == 0


def test_nothing_but_what_they_show_tells_them_from_the_generated_ones(playable, samples):
    catalog, pictures = live(str(playable))
    generated = Image.open(io.BytesIO((samples / "food" / "0000000.jpg").read_bytes()))
    for picture in pictures:
        real = Image.open(io.BytesIO(picture.data))
        assert (real.format, real.mode, real.size) == (generated.format, generated.mode, generated.size)
        assert real.quantization == generated.quantization
        assert (real.info.keys(), real.layer) == (generated.info.keys(), generated.layer)
    assert catalog.count == 24


def test_pictures_of_unknown_licence_need_a_yes(tmp_path, samples, sourced):
    own = Path(shutil.copytree(sourced, tmp_path / "own"))
    (tmp_path / "bucket").mkdir()

    refused = run("publish", samples, tmp_path / "bucket", "--real", own)

    assert refused.exit_code == 1
    assert "names a licence" in refused.output
    assert "--yes" in refused.output
    assert not (tmp_path / "bucket" / "site.json").exists()
    assert run("publish", samples, tmp_path / "bucket", "--real", own, "--yes").exit_code == 0
    assert {picture.licence for picture in live(str(tmp_path / "bucket"))[1]} == {""}


def test_only_pictures_of_known_licence_are_taken_if_there_are_any(tmp_path, samples, sourced):
    both = tmp_path / "both"
    shutil.copytree(sourced.parent, both)
    table = both / "photos" / "sources.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([lines[0], *[line for line in lines if "panda" in line or "pizza" in line]]))
    (tmp_path / "bucket").mkdir()

    publish(samples, str(tmp_path / "bucket"), real=both / "prepared", yes=True)

    assert [picture.page.rpartition("/")[2] for picture in live(str(tmp_path / "bucket"))[1]] == ["panda", "pizza"]


@pytest.mark.parametrize(
    ("size", "folder", "words"), [(16, "food", "smaller than the release's 32x32"), (64, "cars", "no pictures of the")]
)
def test_pictures_that_give_the_answer_away_are_refused(tmp_path, samples, size, folder, words):
    (tmp_path / "real" / folder).mkdir(parents=True)
    Image.new("RGB", (size, size)).save(tmp_path / "real" / folder / "a.png")
    (tmp_path / "bucket").mkdir()

    result = run("publish", samples, tmp_path / "bucket", "--real", tmp_path / "real", "--yes")

    assert result.exit_code == 1
    assert words in result.output


def test_with_one_category_all_training_pictures_are_of_it(tmp_path, samples, sourced):
    publish(samples / "food", str(tmp_path), real=sourced, title="This Cake Does Not Exist")
    catalog, pictures = live(str(tmp_path))
    assert {picture.category for picture in pictures} == {catalog.categories[0].slug} == {"cake"}
    assert len(pictures) == 36


def test_docs_name_every_object(tmp_path, photos, sourced):
    (tmp_path / "large").mkdir()
    for path in sorted(sourced.rglob("*.png")):  # real pictures may not be smaller than the others
        (tmp_path / "large" / path.parent.name).mkdir(exist_ok=True)
        Image.open(path).resize((256, 256)).save(tmp_path / "large" / path.parent.name / path.name)
    (tmp_path / "bucket").mkdir()
    publish(photos, str(tmp_path / "bucket"), real=tmp_path / "large", yes=True)

    table = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "bucket.md").read_text(), flags=re.MULTILINE)
    patterns = [
        re.escape(name).replace("00000", r"\d{5}").replace("<id>", "[^/]+").replace("<category>", "[^/]+")
        for name in table
    ]
    names = list(open_bucket(str(tmp_path / "bucket")).names())
    assert len(names) > 100
    assert [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)] == []
    assert {name.rpartition("/")[2] for name in names} >= {
        "real.zip",
        "thumbnails-00000.zip",
        "images.jsonl",
        "00000.jpg",
    }


def test_a_release_without_real_pictures_does_not_name_them(tmp_path, samples):
    publish(samples, str(tmp_path))
    assert "real" not in json.loads((tmp_path / "site.json").read_text())


def test_refill_keeps_the_real_pictures_of_the_live_release(tmp_path, samples, sourced, tiny_run):
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    home = shutil.copytree(tiny_run, tmp_path / "run")
    options = ["--count", "2", "--device", "cpu", "--no-curate"]
    assert (
        run("refill", home, bucket, "--real", sourced, "--title", "This Emoji Does Not Exist", *options).exit_code == 0
    )
    first, before = live(str(bucket))
    assert first.real == 36

    assert run("refill", home, bucket, *options).exit_code == 0

    second, after = live(str(bucket))
    assert first.release != second.release
    assert before == after

    (bucket / "releases" / second.release / REAL_FILE).write_bytes(b"damaged")
    result = run("refill", home, bucket, *options)
    assert result.exit_code == 0
    assert "The game is gone" in result.output
    assert read_live(open_bucket(str(bucket)))[0].real == 0
