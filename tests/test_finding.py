"""Which files of a folder are pictures: by content, through links, and every file in one of the counts."""

from __future__ import annotations

import io
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from generate.collect import collect
from generate.collecting.provenance import read_table
from generate.finding import look_through, passed_over_lines, printable
from generate.formats import FORMATS, HEAD, sniff
from generate.images import find_pictures
from tests.collecting import run
from tests.conftest import EMOJI, ROOT
from tests.nasty import emoji
from tests.preparing import prepare

SVG = b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"><rect width="9"/></svg>'
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200)
OTHERS = {  # name, content, the start of the reason
    "photo.jxl": (JXL, "JPEG XL, a format that is not read: convert it"),
    "photo": (JXL, "JPEG XL"),
    "drawing.svg": (SVG, "SVG"),
    "scan.pdf": (b"%PDF-1.7\n", "PDF"),
    "old.tga": (bytes(18), "TGA"),
    "layers.psd": (b"8BPS\0\1", "PSD"),
    "portable.ppm": (b"P6\n8 8\n255\n" + bytes(192), "Netpbm"),
    "print.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS"),
    "camera.dng": (b"II*\0\x08\0\0\0", "camera raw"),
    "icon.ico": (b"\0\0\1\0\1\0", "ICO"),
    "raw.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw"),
    "film.mp4": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video"),
    "notes.txt": (b"Dear picture,", "not a picture"),
    "BMI.csv": (b"BMI,weight\n", "not a picture"),
    "P1 notes": (b"P1 is late", "not a picture"),
    "empty": (b"", "not a picture"),
    ".DS_Store": (b"\0\0\0\1Bud1", "hidden"),
}


def saved(format: str, name: str = "food/lemon") -> bytes:
    data = io.BytesIO()
    emoji(name).save(data, format)
    return data.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_told_by_their_first_bytes(name):
    assert sniff(saved(name)[:HEAD]) == name


def test_random_bytes_are_no_picture_and_no_error():
    draw = random.Random(0)
    starts = [b"", b"RIFF", b"BM", b"\0\0\0\x1cftyp", b"<svg", b"P6"]
    for _ in range(500):
        sniff(draw.choice(starts) + draw.randbytes(draw.randrange(60)))


def fill(folder: Path) -> dict[str, str]:
    """A folder with pictures under odd names, and other files; returns the reasons of the latter."""
    (folder / ".cache" / "deep").mkdir(parents=True)
    for name, format, what in [
        ("a.jfif", "JPEG", "lemon"),
        ("b.jpe", "JPEG", "bread"),
        ("c.avif", "AVIF", "pizza"),
        ("d", "PNG", "tomato"),
        ("e.0001", "WEBP", "cherries"),
        ("f.txt", "GIF", "banana"),
        ("g.heic", "JPEG", "avocado"),
    ]:
        (folder / name).write_bytes(saved(format, f"food/{what}"))
    for name, (content, _) in OTHERS.items():
        (folder / name).write_bytes(content)
    (folder / ".cache" / "deep" / "hidden.png").write_bytes(saved("PNG"))
    return {name: reason for name, (_, reason) in OTHERS.items()} | {".cache/deep/hidden.png": "hidden"}


def test_pictures_are_found_by_content_and_everything_else_is_named(tmp_path):
    expected = fill(tmp_path / "in")

    found = look_through(tmp_path / "in")

    assert [path.name for path in found.pictures] == ["a.jfif", "b.jpe", "c.avif", "d", "e.0001", "f.txt", "g.heic"]
    reasons = {path.relative_to(tmp_path / "in").as_posix(): reason for path, reason in found.passed_over}
    assert reasons.keys() == expected.keys()
    assert all(reasons[name].startswith(reason) for name, reason in expected.items())


def test_prepare_counts_and_names_what_it_passes_over(tmp_path):
    expected = fill(tmp_path / "in")
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 64)

    assert result.exit_code == 0, result.output
    assert "7 pictures" in result.output
    assert f"1 dropped, {len(expected)} files passed over" in result.output
    assert "JPEG XL, a format that is not read: convert it to PNG or JPEG: photo, photo.jxl" in result.output
    assert "not a picture: BMI.csv, P1 notes, empty, notes.txt" in result.output
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    files = sum(path.is_file() for path in (tmp_path / "in").rglob("*"))
    assert dataset["count"] + sum(dataset["reasons"].values()) + sum(dataset["passed_over"].values()) == files
    table = (tmp_path / "out" / "rejected.csv").read_text()
    assert all(name in table for name in expected)


def test_collect_counts_and_names_what_it_passes_over(tmp_path):
    expected = fill(tmp_path / "in")

    result = run(tmp_path / "in", tmp_path / "out", "--min-size", 32)

    assert result.exit_code == 0, result.output
    refused = [name for name, reason in expected.items() if not reason.startswith(("not a", "hidden"))]
    rows = read_table(tmp_path / "out" / "sources.csv")
    assert sum(row.status == "kept" for row in rows) == 7
    assert sorted(row.url.removeprefix("in/") for row in rows if row.status == "failed") == sorted(refused)
    assert "passed over 4 files, not a picture: BMI.csv, P1 notes, empty, notes.txt" in result.output
    assert "passed over 2 files, hidden" in result.output


def test_a_folder_of_nothing_that_is_read_says_what_it_holds(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "photo.jxl").write_bytes(JXL)

    prepared = prepare(tmp_path / "in", tmp_path / "out")
    collected = run(tmp_path / "in", tmp_path / "kept")

    assert (prepared.exit_code, collected.exit_code) == (1, 1)
    assert "JPEG XL, a format that is not read: convert it to PNG or JPEG" in prepared.output
    assert "rejected 1: JPEG XL, a format that is not read" in collected.output
    assert "None of 1 picture was kept" in collected.output
    assert "convert them to PNG or JPEG" in collected.output


# Links


def test_a_link_to_a_folder_of_pictures_is_one_of_its_folders(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "food").symlink_to(EMOJI / "food")
    (tmp_path / "in" / "animals").mkdir()
    emoji("animals/fox").save(tmp_path / "in" / "animals" / "fox.png")
    (tmp_path / "in" / "animals" / "lion.webp").symlink_to(EMOJI / "animals" / "lion.webp")

    result = prepare(tmp_path / "in", tmp_path / "out", "--size", 32)
    rows = collect(str(tmp_path / "in"), tmp_path / "kept", min_size=32)

    assert result.exit_code == 0, result.output
    assert "(animals 2, food 12)" in result.output
    assert "2 links in" in result.output
    assert "lead out of it, followed: animals/lion.webp, food" in result.output
    assert len(rows) == 14


def test_a_source_that_is_a_link_is_the_folder(tmp_path):
    (tmp_path / "in").symlink_to(EMOJI)
    assert len(find_pictures(tmp_path / "in")) == 36
    assert not look_through(tmp_path / "in").outside


def test_links_in_circles_are_followed_once(tmp_path):
    folder = tmp_path / "in"
    for name in ("a", "z"):
        (folder / name).mkdir(parents=True)
    emoji("food/lemon").save(folder / "z" / "lemon.png")
    emoji("food/bread").save(tmp_path / "beside.png")
    (folder / "a" / "link").symlink_to(folder / "z")
    (folder / "a" / "up").symlink_to("..")
    (folder / "z" / "self").symlink_to(folder / "z")
    (folder / "z" / "above").symlink_to(tmp_path)
    (folder / "nothing.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(folder / "pipe.png")
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "back").symlink_to(folder)
    emoji("food/pizza").save(tmp_path / "twin" / "pizza.png")
    for name in ("one", "two"):
        (folder / name).symlink_to(tmp_path / "twin")

    found = look_through(folder)

    assert [path.relative_to(folder).as_posix() for path in found.pictures] == ["one/pizza.png", "z/lemon.png"]
    assert dict(found.passed_over) == {folder / "nothing.png": "a link to nothing", folder / "pipe.png": "not a file"}
    assert len(found.again) == 6
    assert [path.name for path in found.outside] == ["one"]


def test_a_link_to_a_hidden_folder_is_followed(tmp_path):
    (tmp_path / ".store").mkdir()
    emoji("food/lemon").save(tmp_path / ".store" / "lemon.png")
    (tmp_path / "shown").symlink_to(".store")

    assert [path.parent.name for path in find_pictures(tmp_path)] == ["shown"]


def test_a_dest_behind_a_link_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "work").mkdir()
    emoji("food/lemon").save(tmp_path / "work" / "lemon.png")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "work")

    result = prepare(tmp_path / "in", tmp_path / "work" / "out")

    assert result.exit_code == 2
    assert "choose another DEST" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("name", "depth", "reason"), [("d" * 200, 24, "can't be read: File name too long"), ("d", 210, "below 200 folders")]
)
def test_folders_too_deep_for_the_system_are_passed_over(tmp_path, monkeypatch, name, depth, reason):
    (tmp_path / "in").mkdir()
    emoji("food/lemon").save(tmp_path / "in" / "lemon.png")
    monkeypatch.chdir(tmp_path / "in")
    for _ in range(depth):
        Path(name).mkdir()
        os.chdir(name)
    monkeypatch.undo()

    prepared = prepare(tmp_path / "in", tmp_path / "out", "--size", 32)
    collected = run(tmp_path / "in", tmp_path / "kept", "--min-size", 32)

    for result in (prepared, collected):
        assert result.exit_code == 0, result.output
        assert f"passed over 1 file, {reason}" in result.output


AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder with a picture that this user may read, and files and folders that nobody without privileges may."""
    if AS_ANYBODY and subprocess.run([*AS_ANYBODY, "true"], capture_output=True).returncode:
        pytest.skip("root can't give up its privileges here")
    folder = tmp_path / "in"
    modes = {
        "closed.png": 0,
        "closed": 0,
        "closed.txt": 0,
        "shut/a.png": 0o644,
        "listed/b.png": 0o644,
        "entered/c": 0o644,
    }
    for name, mode in {"lemon.png": 0o644, **modes}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        emoji("food/lemon", size=256).save(folder / name, "PNG")
        (folder / name).chmod(mode)
    shut = {"shut": 0, "listed": 0o444, "entered": 0o111}
    for name, mode in shut.items():
        (folder / name).chmod(mode)
    yield folder
    for name in shut:
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(("job", "table"), [("prepare", "rejected.csv"), ("collect", "sources.csv")])
def test_what_may_not_be_read_is_counted_and_named(closed, tmp_path, job, table):
    command = [*AS_ANYBODY, sys.executable, "-m", "generate", job, str(closed), str(tmp_path / "out")]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    assert re.search(r"\b1 pictures?\b", done.stdout)
    named = done.stderr + (tmp_path / "out" / table).read_text()
    for name in ("closed.png", "closed", "closed.txt", "shut", "listed/b.png", "entered"):
        assert re.search(rf"(^|[ /]){re.escape(name)}\b", named, re.MULTILINE), name
    assert "can't be read: Permission denied" in named


# Names


NAMES = [  # of files and of folders
    "with spaces",
    "two\nlines",
    "tab\tand \"quotes\" 'n' `backs`",
    "emoji 🍍👨‍👩‍👧",
    "עברית ‮right to left",
    "x" * 250,
    "ひ" * 83,
    "-rf",
    "--help",
    "dots.in..names.",
    "$(touch evil); & | > <",
    "\u2028line\x85separators",
    "semi;colon,comma",
    "back\\slash",
    "%41",
]


def fill_with_names(folder: Path) -> int:
    """Pictures with odd names in folders with odd names; returns how many files there are."""
    pictures = sorted(EMOJI.rglob("*.webp"))
    for number, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name[: 250 - len(name.encode()) + len(name)]}.png").write_bytes(b"")
        Image.open(pictures[number]).save(folder / name / f"{name[:80]}.webp")
    for number, name in enumerate([b"caf\xe9.png", b"\xff\xfe.jpg"]):
        Image.open(pictures[20 + number]).convert("RGB").save(folder / os.fsdecode(name))
    return 2 * len(NAMES) + 2


def test_prepare_takes_any_name_and_passes_over_those_that_are_not_utf8(tmp_path):
    count = fill_with_names(tmp_path / "in")

    result = prepare("--size", 32, "--", tmp_path / "in", tmp_path / "out")
    again = prepare("--size", 32, "--", tmp_path / "in", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert again.output == result.output
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert dataset["categories"] == dict.fromkeys(sorted(NAMES), 1)
    assert dataset["reasons"] == {"not a picture, whatever its name says": len(NAMES)}
    assert dataset["passed_over"] == {"a name that is not UTF-8": 2}
    assert dataset["count"] + len(NAMES) + 2 == count
    assert len(find_pictures(tmp_path / "out")) == len(NAMES)
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_collect_takes_any_name(tmp_path):
    count = fill_with_names(tmp_path / "in")

    result = run("--min-size", 32, "--", tmp_path / "in", tmp_path / "out")
    again = run("--min-size", 32, "--", tmp_path / "in", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert again.output == result.output
    rows = read_table(tmp_path / "out" / "sources.csv")
    assert len(rows) == count
    kept = [row for row in rows if row.status == "kept"]
    assert len(kept) == len(NAMES) + 2
    assert all((tmp_path / "out" / row.file).is_file() for row in kept)
    assert {row.category for row in kept} == {*NAMES, ""}


def test_a_folder_with_a_leading_dash_is_a_path_in_the_next_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-my photos").mkdir()
    emoji("food/lemon").save("-my photos/lemon.png")

    collected = run("--min-size", 32, "--", "-my photos", "-kept ones")
    prepared = prepare("--size", 32, "--", "-kept ones", "-out")

    assert "Next: python -m generate prepare './-kept ones' prepared" in collected.output
    assert "python -m generate train ./-out runs/-out" in prepared.output


def test_names_are_printed_on_one_line():
    assert printable("a\nb\x1b[31m\u202e\udce9é") == "a\\nb\\x1b[31m\\u202e\\udce9é"
    assert passed_over_lines([(f"{i}\n", "odd") for i in range(7)]) == [
        "passed over 7 files, odd: 0\\n, 1\\n, 2\\n, 3\\n, 4\\n and 2 more"
    ]
