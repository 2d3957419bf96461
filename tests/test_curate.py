"""curate: what is planted among samples is left out for its reason; the sheet, clicked in a browser, feeds back."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect, sync_playwright

from generate.__main__ import main
from generate.measuring.contact_sheet import write_sheet
from generate.measuring.curation import Curated, Verdict, shares
from generate.prepare import prepare
from tests.browsing import BROWSERS, OPTIONS
from tests.conftest import EMOJI

HELD_OUT = 8  # of each category: the samples, which a very good generator might have drawn


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Samples with a copy, noise, twins and a damaged file among them, and training pictures. Not to be changed."""
    home = tmp_path_factory.mktemp("curate")
    prepare(EMOJI, home / "all", size=64)
    rows = []
    for folder in sorted(path for path in (home / "all").iterdir() if path.is_dir()):
        (home / "samples" / folder.name).mkdir(parents=True)
        (home / "training" / folder.name).mkdir(parents=True)
        for number, path in enumerate(sorted(folder.iterdir())):
            if number < HELD_OUT:
                name = f"{folder.name}/{number:07d}.jpg"
                Image.open(path).convert("RGB").save(home / "samples" / name, quality=90)
                rows.append({"file": name, "seed": number, "truncation": 1.0, "model": "0f"})
            else:
                shutil.copy(path, home / "training" / folder.name / path.name)
    (home / "samples" / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    food = home / "samples" / "food"
    known = sorted((home / "training" / "food").iterdir())[0]
    copy = ImageOps.mirror(Image.open(known).convert("RGB"))
    copy.transform(copy.size, Image.Transform.AFFINE, (1, 0, 2, 0, 1, 2)).save(food / "0000100.jpg", quality=60)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(food / "0000101.jpg", quality=90)
    for number in (102, 103):
        Image.open(food / "0000003.jpg").save(food / f"{number:07d}.jpg", quality=70)
    (food / "0000104.jpg").write_bytes((food / "0000000.jpg").read_bytes()[:600])
    Image.new("RGB", (40, 40)).save(food / "0000105.jpg")
    return home / "samples", home / "training"


def curate(samples: Path, dest: Path, training: Path | None, *options: object) -> Result:
    with_training = ["--train", training] if training else []
    arguments = ["curate", samples, dest, *with_training, "--worst", 0.04, "--device", "cpu", *options]
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def table(dest: Path) -> dict[str, dict[str, str]]:
    with (dest / "curation.csv").open(newline="") as file:
        return {line["file"]: line for line in csv.DictReader(file)}


def kept(dest: Path) -> list[str]:
    return sorted(path.relative_to(dest).as_posix() for path in dest.rglob("*.jpg"))


@pytest.fixture(scope="module")
def curated(folders, tmp_path_factory) -> Path:
    dest = tmp_path_factory.mktemp("curated") / "chosen"
    result = curate(*([folders[0], dest, folders[1]]))
    assert result.exit_code == 0, result.output
    return dest


def test_what_is_planted_is_left_out_for_its_reason(folders, curated):
    samples, training = folders
    before = sorted(samples.rglob("*"))
    found = table(curated)

    copy, noise, damaged = (found[f"food/{number:07d}.jpg"] for number in (100, 101, 104))
    assert (copy["reason"], copy["kept"]) == ("copy", "no")
    assert copy["nearest"] == f"food/{sorted((training / 'food').iterdir())[0].name}"
    assert noise["reason"] == "unrealistic"
    assert noise["realism"] == min((line["realism"] for line in found.values() if line["realism"]), key=float)
    assert damaged["reason"] == "damaged"
    assert "runcated" in damaged["note"]
    assert found["food/0000105.jpg"]["note"] == "40x40, the first is 64x64"
    twins = [found[f"food/{number:07d}.jpg"] for number in (3, 102, 103)]
    (first,) = (twin["file"] for twin in twins if twin["kept"] == "yes")
    assert [(twin["reason"], twin["repeats"]) for twin in twins if twin["kept"] == "no"] == [("duplicate", first)] * 2
    assert kept(curated) == sorted(name for name, line in found.items() if line["kept"] == "yes")
    assert sorted(samples.rglob("*")) == before, "nothing is deleted from the samples"


def test_chosen_pictures_are_the_same_bytes_with_rows_and_scores(folders, curated):
    rows = {row["file"]: row for row in map(json.loads, (curated / "samples.jsonl").read_text().splitlines())}

    assert sorted(rows) == kept(curated)
    for name, row in rows.items():
        assert (curated / name).read_bytes() == (folders[0] / name).read_bytes()
        assert set(row["scores"]) == {"realism", "difference"}
        assert all(value == round(value, 2) for value in row["scores"].values())  # the same on every processor
        if int(name[-11:-4]) < HELD_OUT:
            assert row["seed"] == int(name[-11:-4])


def test_each_category_gets_its_share_and_another_run_deletes_what_it_no_longer_keeps(folders, tmp_path):
    samples, training = folders
    dest = tmp_path / "chosen"
    curate(samples, dest, training)

    result = curate(samples, dest, training, "--keep", 6)

    assert Counter(name.split("/")[0] for name in kept(dest)) == dict.fromkeys(
        (path.name for path in samples.iterdir() if path.is_dir()), 2
    )
    assert "6 of 30 kept" in result.output
    assert json.loads((dest / "curate.json").read_text())["keep"] == 6


def test_half_noise_is_left_out_with_a_warning(folders, tmp_path):
    """A category of its own of grey noise beside one of pictures; --worst 0 keeps it, with a warning."""
    pictures = sorted((folders[1]).rglob("*.png"))
    (tmp_path / "in" / "good").mkdir(parents=True)
    (tmp_path / "in" / "snow").mkdir()
    generator = np.random.default_rng(0)
    for number, path in enumerate(pictures):
        Image.open(path).convert("RGB").save(tmp_path / "in" / "good" / f"{number}.jpg", quality=90)
        noise = generator.integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(noise).convert("RGB").save(tmp_path / "in" / "snow" / f"{number}.jpg", quality=90)
    copies = ["--max-similarity", 1, "--keep", 100]

    result = curate(tmp_path / "in", tmp_path / "out", folders[1], *copies)
    all_kept = curate(tmp_path / "in", tmp_path / "all", folders[1], *copies, "--worst", 0)

    half, both = len(pictures), 2 * len(pictures)
    (noisy,) = re.findall(rf"Warning: (\d+) of {both} pictures look like noise", result.output)
    assert half <= int(noisy) <= half + 2, "beside the noise, the least realistic of so few pictures"
    assert "none of them is kept; nothing is left of snow. Train longer" in result.output
    assert [name.split("/")[0] for name in kept(tmp_path / "out")] == ["good"] * (both - int(noisy))
    assert f"{noisy} of them are kept. Train longer" in all_kept.output
    assert len(kept(tmp_path / "all")) == both


def test_shares():
    available = Counter(cats=10, dogs=2, eels=6)

    assert shares(available, 9, "equal") == {"cats": 4, "dogs": 2, "eels": 3}
    assert shares(available, 9, "proportional") == {"cats": 5, "dogs": 1, "eels": 3}
    assert shares(available, 99, "equal") == {"cats": 10, "dogs": 2, "eels": 6}


def test_rejects_make_room_for_the_next_best_and_a_keep_list_is_the_last_word(folders, tmp_path):
    samples, training = folders
    dest, listed = tmp_path / "chosen", tmp_path / "list.txt"
    curate(samples, dest, training, "--keep", 6)
    before = kept(dest)
    listed.write_text(f"# my list\n{before[0]}\n")

    curate(samples, dest, training, "--keep", 6, "--reject", listed)
    assert len(kept(dest)) == 6
    assert before[0] not in kept(dest)
    assert table(dest)[before[0]]["reason"] == "rejected"

    listed.write_text("food/0000100.jpg\n" + before[1] + "\n")
    curate(samples, dest, training, "--keep-list", listed)
    assert kept(dest) == sorted(["food/0000100.jpg", before[1]]), "the copy too, for who wants it"


def test_without_training_pictures_it_says_that_copies_were_not_looked_for(folders, tmp_path):
    result = curate(folders[0], tmp_path / "chosen", None)

    assert result.exit_code == 0
    assert "Not compared with training pictures" in result.output
    assert table(tmp_path / "chosen")["food/0000101.jpg"]["reason"] == "unrealistic"


def test_the_most_realistic_are_kept_and_without_training_pictures_the_first(folders, tmp_path):
    """Beside other samples alone, the most realistic would be the commonest."""
    samples, training = folders
    curate(samples, tmp_path / "best", training, "--keep", 6)
    curate(samples, tmp_path / "first", None, "--keep", 6)

    best, first = (
        [
            (name, float(row["realism"]), not row["reason"])
            for name, row in table(tmp_path / dest).items()
            if row["reason"] in ("", "no room")
        ]
        for dest in ("best", "first")
    )
    for category in {name.split("/")[0] for name, _, _ in best}:
        its = sorted((row for row in best if row[0].startswith(category)), key=lambda row: -row[1])
        assert [keeps for *_, keeps in its] == [True] * 2 + [False] * (len(its) - 2)
        its = sorted(row for row in first if row[0].startswith(category))
        assert [keeps for *_, keeps in its] == [True] * 2 + [False] * (len(its) - 2)


def test_chosen_pictures_can_be_published(curated, tmp_path):
    (tmp_path / "bucket").mkdir()

    result = CliRunner().invoke(main, ["publish", str(curated), str(tmp_path / "bucket")])

    assert result.exit_code == 0, result.output
    (rows,) = (tmp_path / "bucket").glob("releases/*/images.jsonl")
    assert json.loads(rows.read_text().splitlines()[0])["scores"]["difference"] > 0


def test_wrong_input_is_a_sentence(folders, tmp_path):
    samples, training = folders
    (tmp_path / "list.txt").write_text("no/such.jpg\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("Monday")
    (tmp_path / "few").mkdir()
    shutil.copy(next(training.rglob("*.png")), tmp_path / "few")

    for dest, data, options, sentence in [
        ("out", training, ("--reject", tmp_path / "list.txt"), "'no/such.jpg' is on your list but not in"),
        ("out", training, ("--reject", tmp_path / "missing.txt"), "can't be read as a list of pictures"),
        (samples / "out", training, (), "choose a DEST outside"),
        ("mine", training, (), "holds something that curate did not put there"),
        ("out", tmp_path / "few", (), "1 picture, too few"),
        ("out", tmp_path / "nowhere", (), "is not a folder"),
    ]:
        result = curate(samples, tmp_path / dest, data, *options)
        assert result.exit_code in (1, 2)
        assert sentence in result.output
        assert "Traceback" not in result.output
    assert (tmp_path / "mine" / "diary.txt").exists()


def test_a_table_that_was_changed_deletes_nothing_outside(folders, tmp_path):
    (tmp_path / "diary.txt").write_text("Monday")
    curate(folders[0], tmp_path / "chosen", None)
    for table in ("file\n../diary.txt\n", "no,table\n1,2\n"):
        (tmp_path / "chosen" / "curation.csv").write_text(table)

        assert curate(folders[0], tmp_path / "chosen", None).exit_code == 0

    assert (tmp_path / "diary.txt").exists()


def test_the_folder_one_is_in_may_be_dest(folders, tmp_path, monkeypatch):
    (tmp_path / "chosen").mkdir()
    monkeypatch.chdir(tmp_path / "chosen")

    result = curate(folders[0], Path(), None)

    assert result.exit_code == 0, result.output
    assert (tmp_path / "chosen-sheet.png").exists()


def test_headings_of_small_pictures_are_not_cut_off(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    twins = [Verdict("a.png", kept=False, reason="duplicate", repeats="a.png")]

    write_sheet(tmp_path / "sheet.png", Curated(twins, 0.06), tmp_path, None)

    with Image.open(tmp_path / "sheet.png") as picture:
        edge = picture.convert("RGB").crop((picture.width - 3, 0, picture.width, picture.height))
        assert len(edge.getcolors()) == 1


def test_a_picture_whose_name_starts_with_a_hash_can_be_listed(tmp_path):
    (tmp_path / "in").mkdir()
    for name, color in [("#1.png", "red"), ("2.png", "blue")]:
        Image.new("RGB", (32, 32), color).save(tmp_path / "in" / name)
    (tmp_path / "keep-list.txt").write_text("# mine\n\n#1.png\n")

    curate(tmp_path / "in", tmp_path / "out", None, "--keep-list", tmp_path / "keep-list.txt")

    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["#1.png"]


@pytest.fixture
def sheet(curated) -> Iterator[Page]:
    """The contact sheet, opened as a file; nothing may go wrong in its console, nothing be asked of the network."""
    complaints: list[str] = []
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith("http") and complaints.append(request.url))
        page.goto((curated / "contact-sheet.html").as_uri())
        yield page
        browser.close()
    assert complaints == []


def test_clicked_saved_and_fed_back(sheet, folders, curated, tmp_path):
    out, back = kept(curated)[0], "food/0000100.jpg"
    copy = sheet.locator(f"[data-file='{back}']")
    expect(copy).to_contain_text("left out: a copy")
    assert copy.locator("img").count() == 2
    assert sheet.evaluate("[...document.images].every(image => image.src.startsWith('data:image/webp'))")

    copy.click()
    sheet.locator(f"[data-file='{out}']").press("Enter")
    expect(sheet.locator("#counts")).to_contain_text("2 changed by you")
    expect(copy).to_have_attribute("aria-pressed", "true")
    for button in ("#save-keep-list", "#save-rejects"):
        with sheet.expect_download() as download:
            sheet.click(button)
        download.value.save_as(tmp_path / download.value.suggested_filename)
    sheet.click("#undo")
    expect(sheet.locator("#counts")).not_to_contain_text("changed")

    assert (tmp_path / "rejects.txt").read_text() == out + "\n"
    samples, training = folders
    curate(samples, tmp_path / "a", training, "--keep-list", tmp_path / "keep-list.txt")
    assert kept(tmp_path / "a") == sorted({*kept(curated), back} - {out})
    curate(samples, tmp_path / "b", training, "--reject", tmp_path / "rejects.txt")
    assert table(tmp_path / "b")[out]["reason"] == "rejected"
    assert back not in kept(tmp_path / "b")


def test_the_sheet_is_also_a_picture_beside_the_folder(curated):
    with Image.open(curated.with_name("chosen-sheet.png")) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(2**24)) > 1000
