"""Recognise: photographs get their names, are filed and published, and the page says what was seen in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import requests
import skimage
import sklearn.datasets
import torch
from click.testing import CliRunner, Result
from PIL import Image

from gallery.bucket import open_bucket
from gallery.release import read_live
from generate.__main__ import main
from generate.measuring.recognising import THING, name_of, top
from generate.model.imagenet import find_kind
from tests.conftest import card_in, files

SIDE = 224  # pixels
PHOTOGRAPHS = {  # which come with packages of the offline half and of the tests
    Path(skimage.__file__).parent / "data" / "chelsea.png": "cat",
    Path(skimage.__file__).parent / "data" / "coffee.png": "cup-of-coffee",
    Path(sklearn.datasets.__file__).parent / "images" / "china.jpg": "building",
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """Photographs of one size as `sample` leaves its pictures, and one that shows nothing. Not to be changed."""
    folder = tmp_path_factory.mktemp("photographs")
    rows = []
    for seed, path in enumerate(PHOTOGRAPHS):
        name = f"{path.stem}.jpg"
        Image.open(path).convert("RGB").resize((SIDE, SIDE)).save(folder / name, quality=95)
        rows.append({"file": name, "seed": seed, "truncation": 1.0, "model": "0f"})
    Image.new("RGB", (SIDE, SIDE), "grey").save(folder / "grey.jpg", quality=95)
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def named(photographs, tmp_path_factory) -> Path:
    """What `recognise` makes of them. Not to be changed."""
    dest = tmp_path_factory.mktemp("named") / "named"
    assert recognise(photographs, dest).exit_code == 0
    return dest


def recognise(pictures: Path, dest: Path, *options: object) -> Result:
    arguments = ["recognise", pictures, dest, "--device", "cpu", *options]
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def table(dest: Path) -> dict[str, dict]:
    return {row["file"]: row for row in map(json.loads, (dest / "samples.jsonl").read_text().splitlines())}


def shares_of(**kinds: float) -> torch.Tensor:
    shares = torch.zeros(1000)
    for name, share in kinds.items():
        shares[find_kind(name).number] = share
    return shares


def test_photographs_are_filed_by_what_they_show(photographs, named):
    shown = {path.name: path.parent.name for path in named.glob("*/*.jpg")}

    assert shown == {f"{path.stem}.jpg": word for path, word in PHOTOGRAPHS.items()} | {"grey.jpg": "thing"}
    assert (named / "cat" / "chelsea.jpg").read_bytes() == (photographs / "chelsea.jpg").read_bytes()


def test_the_table_has_the_likeliest_names_and_how_the_picture_was_made(named):
    row = table(named)["cat/chelsea.jpg"]

    assert (row["word"], row["seed"], row["model"]) == ("cat", 0, "0f")
    assert 0.6 <= row["share"] <= 1
    assert len(row["names"]) <= 3
    assert all(find_kind(name).called[0] == "cat" for name, _ in row["names"])
    labels = json.loads((named / "categories.json").read_text())
    assert labels["cup-of-coffee"] == {"name": "Cup of Coffee", "article": "a"}


def test_kinds_of_one_thing_are_added_up():
    cats = shares_of(tabby=0.36, tiger_cat=0.25, Egyptian_cat=0.21, lion=0.1)

    assert (name_of(cats, 0.8).word, round(name_of(cats, 0.8).share, 2)) == ("cat", 0.82)
    assert name_of(cats, 0.9).word == "animal", "with the lion"
    assert name_of(cats, 0.95).word == THING
    assert [named.name for named in (find_kind(found.word) for found in top(cats, 2))] == ["tabby cat", "tiger cat"]


@pytest.mark.parametrize(
    ("kinds", "threshold", "word"),
    [
        ({"Granny Smith": 0.7}, 0.5, "apple"),
        ({"Granny Smith": 0.3, "banana": 0.3}, 0.5, "fruit"),
        ({"golden retriever": 0.9}, 0.5, "dog"),
        ({"king penguin": 0.4, "pelican": 0.2}, 0.5, "bird"),
        ({"king penguin": 0.4, "pelican": 0.2}, 0.3, "penguin"),
        ({"jean": 0.6}, 0.5, "jeans"),
        ({"banana": 0.3, "pizza": 0.3}, 0.5, "thing"),
    ],
)
def test_a_picture_gets_the_narrowest_word_that_is_likely_enough(kinds, threshold, word):
    assert name_of(shares_of(**kinds), threshold).word == word


def test_a_bad_picture_is_counted_with_its_reason(photographs, tmp_path):
    shutil.copytree(photographs, tmp_path / "pictures")
    (tmp_path / "pictures" / "broken.jpg").write_bytes((photographs / "coffee.jpg").read_bytes()[:500])

    result = recognise(tmp_path / "pictures", tmp_path / "named")

    assert result.exit_code == 0
    assert "4 pictures" in result.output
    assert "1 left out: 1 damaged" in result.output
    assert f"python -m generate publish {tmp_path / 'named'} bucket" in result.output.splitlines()[-1]
    assert not list((tmp_path / "named").rglob("broken.jpg"))


def test_a_rerun_looks_only_at_what_is_new_or_changed(photographs, tmp_path):
    pictures, dest = tmp_path / "pictures", tmp_path / "named"
    shutil.copytree(photographs, pictures)
    assert recognise(pictures, dest).exit_code == 0
    journal = dest / ".recognised.jsonl"
    journal.write_text(journal.read_text().replace('"cat"', '"dog"') + '{"file": "torn')  # a rerun believes it
    shutil.copy(pictures / "coffee.jpg", pictures / "grey.jpg")
    (pictures / "china.jpg").unlink()

    assert recognise(pictures, dest).exit_code == 0

    assert sorted(table(dest)) == ["cup-of-coffee/coffee.jpg", "cup-of-coffee/grey.jpg", "dog/chelsea.jpg"]
    assert sorted(name for name in files(dest) if name.endswith(".jpg")) == sorted(table(dest))


def test_pictures_of_the_same_name_in_different_folders_stay_apart(photographs, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / "pictures" / folder).mkdir(parents=True)
        shutil.copy(photographs / "coffee.jpg", tmp_path / "pictures" / folder / "0.jpg")

    assert recognise(tmp_path / "pictures", tmp_path / "named").exit_code == 0

    assert sorted(table(tmp_path / "named")) == ["cup-of-coffee/a/0.jpg", "cup-of-coffee/b/0.jpg"]


def test_wrong_folders_are_one_sentence(photographs, named, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("mine")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"\xff\xd8\xff")

    for pictures, dest, options, sentence in (
        (tmp_path / "none", tmp_path / "d", (), "is not a folder"),
        (tmp_path / "other", tmp_path / "d", (), "holds no pictures"),
        (tmp_path / "broken", tmp_path / "d", (), "None of the 1 pictures"),
        (photographs, photographs / "named", (), "choose a DEST outside"),
        (photographs, tmp_path / "other", (), "'diary.txt'"),
        (photographs, named, ("--threshold", 0.7), "named with threshold 0.6, not 0.7"),
        (photographs, tmp_path / "d", ("--threshold", 0), "--threshold"),
    ):
        result = recognise(pictures, dest, *options)
        assert result.exit_code in (1, 2), sentence
        assert sentence in result.output
        assert "Traceback" not in result.output


def test_training_pictures_are_still_known_as_such(photographs, tmp_path):
    shutil.copytree(photographs, tmp_path / "prepared")
    (tmp_path / "prepared" / "dataset.json").write_text('{"source": "photos", "crop": "centre", "size": 128}')
    (tmp_path / "bucket").mkdir()
    assert recognise(tmp_path / "prepared", tmp_path / "named").exit_code == 0

    result = CliRunner().invoke(main, ["publish", str(tmp_path / "named"), str(tmp_path / "bucket")])

    assert result.exit_code == 1
    assert "holds training pictures" in result.output


def test_the_page_says_what_was_recognised(named, cloud_url, site):
    """The whole way, as deployed: nobody labelled the picture, and its page calls it by its name."""
    result = CliRunner().invoke(main, ["publish", str(named), cloud_url], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    url = site(cloud_url)
    share = round(100 * dict(table(named)["cat/chelsea.jpg"]["names"])["Egyptian Mau"])

    page = requests.get(f"{url}/c/cat", timeout=60).text

    assert "<title>This Cat Does Not Exist</title>" in page
    assert f'<p id="names">{share} % an Egyptian Mau' in page
    card = card_in(page.encode())
    assert card["names"].startswith(f"{share} % an Egyptian Mau")
    for address in (f"{url}{card['page']}.json", f"{url}/random.json?category=cat"):
        assert requests.get(address, timeout=60).json()["names"] == card["names"]
    assert f'<p id="names">{share} % an Egyptian Mau' in requests.get(f"{url}{card['page']}", timeout=60).text
    assert "<title>This Cup of Coffee Does Not Exist</title>" in requests.get(f"{url}/c/cup-of-coffee", timeout=60).text


def test_what_is_chosen_of_them_keeps_their_names(named, tmp_path):
    """`curate` between `recognise` and `publish`: how the categories are called goes with the pictures."""
    chosen, bucket = tmp_path / "chosen", tmp_path / "bucket"
    bucket.mkdir()
    assert CliRunner().invoke(main, ["curate", str(named), str(chosen), "--device", "cpu"]).exit_code == 0
    assert CliRunner().invoke(main, ["publish", str(chosen), str(bucket)]).exit_code == 0

    catalog, _ = read_live(open_bucket(str(bucket)))

    assert "Cup of Coffee" in {category.name for category in catalog.categories}
    assert catalog.named_together


def test_without_its_names_a_picture_is_shown_all_the_same(named, tmp_path, make_client):
    (tmp_path / "bucket").mkdir()
    assert CliRunner().invoke(main, ["publish", str(named), str(tmp_path / "bucket")]).exit_code == 0
    catalog, _ = read_live(open_bucket(str(tmp_path / "bucket")))
    folder = tmp_path / "bucket" / "releases" / catalog.release / "names"
    (folder / "cat" / "00000.json").unlink()
    (folder / "building" / "00000.json").write_text("{")
    client = make_client(tmp_path / "bucket")

    for slug in ("cat", "building"):
        page = client.get(f"/c/{slug}")
        assert page.status_code == 200
        assert b'<p id="names"></p>' in page.data


def test_refill_names_what_it_draws(tiny_run, bucket_url, make_client, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    options = ["--count", "6", "--device", "cpu", "--recognise"]

    first = CliRunner().invoke(main, ["refill", str(run), bucket_url, *options], catch_exceptions=False)
    again = CliRunner().invoke(main, ["refill", str(run), bucket_url, *options], catch_exceptions=False)

    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert "Recognised: 6 pictures: " in first.output
    catalog, _ = read_live(open_bucket(bucket_url))
    assert catalog.count == 6
    assert catalog.named_together
    rows = open_bucket(bucket_url).read(f"releases/{catalog.release}/images.jsonl").splitlines()
    assert all({"seed", "names", "scores"} <= json.loads(row).keys() for row in rows)
    client = make_client(bucket_url)
    for category in catalog.categories:
        entry = client.get(f"/random.json?category={category.slug}").json
        assert entry["title"] == f"This {category.name} Does Not Exist"
        assert " % " in entry["names"]
    assert not list(run.glob("refill-*"))


def test_refill_asks_before_a_labelled_site_becomes_a_recognised_one(tiny_run, published, tmp_path):
    run, bucket = tmp_path / "run", tmp_path / "bucket"
    shutil.copytree(tiny_run, run)
    shutil.copytree(published, bucket)

    result = CliRunner().invoke(main, ["refill", str(run), str(bucket), "--count", "4", "--recognise"])

    assert result.exit_code == 1
    assert "the categories of what is recognised instead of Animal, Snack" in result.output


def test_the_benchmark_counts_right_names(photographs, tmp_path):
    from benchmarks.recognise import main as measure

    for name, folder in (("chelsea.jpg", "cat"), ("coffee.jpg", "mug,cup of coffee"), ("china.jpg", "scissors")):
        (tmp_path / "labelled" / folder).mkdir(parents=True)
        shutil.copy(photographs / name, tmp_path / "labelled" / folder)

    result = CliRunner().invoke(measure, [str(tmp_path / "labelled")], catch_exceptions=False)

    assert "3 pictures, 2 of what the list has words for" in result.output
    assert "0.6 | 66.7% | 33.3% |  0.0% | 66.7%" in result.output
