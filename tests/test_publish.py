"""Publishing as its user does it: a folder of pictures, a bucket of either kind, and what visitors see after."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from gallery.bucket import Bucket, NotFound, open_bucket
from gallery.commit import read_pointer
from gallery.release import POINTER, Catalog, read_live
from generate.__main__ import main
from generate.collecting.provenance import Row, write_table
from generate.prepare import prepare
from tests.conftest import EMOJI

TITLE = "This Emoji Does Not Exist"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def publish(samples: Path, bucket_url: str, *options: str) -> str:
    result = run("publish", samples, bucket_url, *options)
    assert result.exit_code == 0, result.output
    return result.output


def live(bucket: Bucket) -> Catalog:
    return read_live(bucket)[0]


def contents(bucket: Bucket) -> dict[str, str]:
    return {name: sha256(bucket.read(name)).hexdigest() for name in bucket.names()}


def refused(result: Result, *words: str) -> None:
    """One sentence, with those words, and no traceback."""
    assert result.exit_code in (1, 2)
    for word in words:
        assert word in result.output
    assert "Traceback" not in result.output


@pytest.fixture
def emoji(samples, tmp_path) -> Path:
    """The shared samples, to be changed at will."""
    return Path(shutil.copytree(samples, tmp_path / "emoji"))


def test_published_pictures_are_what_visitors_read(bucket_url, samples):
    output = publish(samples, bucket_url, "--title", TITLE, "--description", "Drawn by a machine.")

    bucket = open_bucket(bucket_url)
    catalog = live(bucket)
    assert (catalog.title, catalog.description) == (TITLE, "Drawn by a machine.")
    assert [(c.slug, c.name, c.article, c.count) for c in catalog.categories] == [
        ("animals", "Animal", "an", 12),
        ("food", "Food", "a", 12),
    ]
    assert (catalog.type, catalog.width, catalog.height) == ("image/jpeg", 32, 32)
    for category in ("animals", "food"):
        for number, path in enumerate(sorted((samples / category).iterdir())):
            assert bucket.read(catalog.object_name(category, number)) == path.read_bytes()
    assert bucket.read(f"releases/{catalog.release}/site.json") == bucket.read(POINTER)
    assert len(catalog.developers) == 24
    assert all(" " in name for name in catalog.developers)
    assert catalog.release in output
    assert "Animal 12, Food 12" in output


def test_every_picture_has_a_row_that_says_how_it_was_made(bucket_url, emoji):
    (emoji / "food" / "samples.jsonl").write_text(
        '{"file": "0000003.jpg", "seed": 3, "truncation": 0.7, "model": "abc", "scores": {"rarity": 0.5}}\n'
    )
    publish(emoji, bucket_url)

    bucket = open_bucket(bucket_url)
    release = live(bucket).release
    rows = [json.loads(line) for line in bucket.read(f"releases/{release}/images.jsonl").splitlines()]
    assert len(rows) == 24
    data = bucket.read(f"releases/{release}/food/00003.jpg")
    assert rows[15] == {
        "file": "food/00003.jpg",
        "category": "food",
        "seed": 3,
        "truncation": 0.7,
        "model": "abc",
        "scores": {"rarity": 0.5},
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
    }


def test_publishing_the_same_again_changes_nothing(bucket_url, samples):
    publish(samples, bucket_url)
    before = contents(open_bucket(bucket_url))

    output = publish(samples, bucket_url)

    assert "was live already" in output
    assert "0 of 25 objects sent" in output
    assert contents(open_bucket(bucket_url)) == before


def test_another_title_is_another_release_and_going_back_sends_nothing(bucket_url, samples):
    publish(samples, bucket_url, "--title", "First")
    first = live(open_bucket(bucket_url))

    output = publish(samples, bucket_url, "--title", "Second")
    assert f"--rollback {first.release}" in output
    assert live(open_bucket(bucket_url)).title == "Second"

    assert "0 of 25 objects sent" in publish(samples, bucket_url, "--title", "First")
    assert live(open_bucket(bucket_url)) == first


def test_interrupted_publish_is_continued(bucket_url, samples):
    publish(samples, bucket_url)
    bucket = open_bucket(bucket_url)
    whole = contents(bucket)
    release = live(bucket).release
    for name in (POINTER, f"releases/{release}/site.json", f"releases/{release}/food/00003.jpg"):
        bucket.delete(name)
    with pytest.raises(NotFound):
        read_live(bucket)

    output = publish(samples, bucket_url)

    assert "1 of 25 objects sent" in output
    assert contents(open_bucket(bucket_url)) == whole


def test_damaged_picture_of_an_unfinished_release_is_sent_again(bucket_url, samples):
    publish(samples, bucket_url)
    bucket = open_bucket(bucket_url)
    whole = contents(bucket)
    name = f"releases/{live(bucket).release}/food/00003.jpg"
    bucket.delete(name)
    bucket.create(name, b"damaged", "image/jpeg")

    publish(samples, bucket_url)

    assert contents(open_bucket(bucket_url)) == whole


def test_damaged_pointer_is_replaced(bucket_url, samples):
    open_bucket(bucket_url).swap(POINTER, b"{}", "application/json", 0)

    publish(samples, bucket_url)

    assert live(open_bucket(bucket_url)).count == 24


def test_pictures_of_a_folder_stay_visible_until_the_first_release_is_whole(tmp_path, samples):
    bucket = open_bucket(str(tmp_path))
    bucket.create("cats/0.jpg", (samples / "animals" / "0000002.jpg").read_bytes(), "image/jpeg")
    bucket.create("releases/20261122T121500Z-0123abcd/food/00000.jpg", b"half", "image/jpeg")

    assert [category.slug for category in live(bucket).categories] == ["cats"]


def test_dry_run_writes_nothing(bucket_url, samples):
    output = publish(samples, bucket_url, "--dry-run")

    assert "25 objects to be sent" in output
    assert contents(open_bucket(bucket_url)) == {}


def test_one_flat_folder_is_named_by_the_title(bucket_url, samples):
    publish(samples / "food", bucket_url, "--title", "This Pineapple Does Not Exist")

    (category,) = live(open_bucket(bucket_url)).categories
    assert (category.slug, category.name, category.article) == ("pineapple", "Pineapple", "a")


@pytest.mark.parametrize(
    ("folders", "title"),
    [
        (["faces"], "This Face Does Not Exist"),
        (["black_cats"], "This Black Cat Does Not Exist"),
        (["glass"], "This Glass Does Not Exist"),
        (["faces", "food"], "This Stuff Does Not Exist"),
    ],
)
def test_the_default_title_comes_from_the_folders(tmp_path, samples, folders, title):
    for folder in folders:
        shutil.copytree(samples / "food", tmp_path / "samples" / folder)
    (tmp_path / "bucket").mkdir()

    publish(tmp_path / "samples", str(tmp_path / "bucket"))

    assert live(open_bucket(str(tmp_path / "bucket"))).title == title


def test_cost_is_stated_for_the_cloud(cloud_url, samples):
    # opening, the pointer (B), folders, 25 objects, the check, the kept catalog, the swap
    assert "storage operations: 30 of class A, 1 of class B" in publish(samples, cloud_url)


# What can't be published: a sentence, and nothing is written


def test_folder_without_pictures(bucket_url, tmp_path):
    (tmp_path / "empty").mkdir()

    refused(run("publish", tmp_path / "empty", bucket_url), "holds no pictures")


def test_pictures_of_another_size_or_type_are_named(bucket_url, emoji):
    Image.new("RGB", (48, 32)).save(emoji / "food" / "wide.jpg")
    Image.new("RGB", (32, 32)).save(emoji / "food" / "other.png")

    result = run("publish", emoji, bucket_url)

    refused(result, "food/wide.jpg (image/jpeg of 48x32)", "food/other.png (image/png of 32x32)", "24 are image/jpeg")
    assert contents(open_bucket(bucket_url)) == {}


def test_photos_of_a_phone_with_a_gain_map_are_published(bucket_url, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(2):
        photo = Image.new("RGB", (64, 48), (90 * number, 80, 70))
        photo.save(tmp_path / "photos" / f"{number}.jpg", "MPO", save_all=True, append_images=[photo.resize((16, 12))])

    publish(tmp_path / "photos", bucket_url, "--title", TITLE)

    assert live(open_bucket(bucket_url)).type == "image/jpeg"


def test_truncated_picture_is_named(bucket_url, emoji):
    path = emoji / "food" / "0000003.jpg"
    path.write_bytes(path.read_bytes()[:400])

    refused(run("publish", emoji, bucket_url), "food/0000003.jpg", "damaged", "1 of 24")
    assert contents(open_bucket(bucket_url)) == {}


@pytest.mark.parametrize("row", ["{", "[]", "{}", '{"file": 7}'])
def test_damaged_table_of_samples(bucket_url, emoji, row):
    (emoji / "food" / "samples.jsonl").write_text(f'{{"file": "0000003.jpg"}}\n{row}\n')

    refused(run("publish", emoji, bucket_url), "samples.jsonl, line 2")
    assert contents(open_bucket(bucket_url)) == {}


@pytest.mark.parametrize(
    "name", [".pictures.jsonl", "notes.jsonl", "wandb.jsonl", "food/train.jsonl", "samples.jsonl/x"]
)
def test_tables_of_other_programs_are_not_read(bucket_url, emoji, name):
    (emoji / name).parent.mkdir(exist_ok=True)
    (emoji / name).write_bytes(b"[1]\n\xff no JSON")

    assert run("publish", emoji, bucket_url).exit_code == 0
    assert run("curate", emoji, emoji.parent / "chosen", "--device", "cpu").exit_code == 0


def test_a_table_that_is_not_utf_8_is_named(bucket_url, emoji):
    (emoji / "samples.jsonl").write_bytes(b'{"file": "\xff.jpg"}\n')

    refused(run("publish", emoji, bucket_url), "samples.jsonl, line 1", "correct that line")


def test_a_release_that_was_downloaded_keeps_its_seeds(tmp_path, emoji):
    for name in ("bucket", "other"):
        (tmp_path / name).mkdir()
    (emoji / "food" / "samples.jsonl").write_text('{"file": "0000003.jpg", "seed": 3}\n')
    publish(emoji, str(tmp_path / "bucket"))
    (release,) = (tmp_path / "bucket" / "releases").iterdir()

    publish(release, str(tmp_path / "other"))

    (table,) = (tmp_path / "other" / "releases").glob("*/images.jsonl")
    assert [json.loads(line).get("seed") for line in table.read_text().splitlines()].count(3) == 1


@pytest.fixture
def prepared(tmp_path) -> Path:
    """A folder that prepare made, beside others with the same pictures."""
    prepare(EMOJI, tmp_path / "prepared", size=32)
    return tmp_path / "prepared"


def test_training_pictures_are_published_only_if_told(bucket_url, prepared, tmp_path):
    assert run("curate", prepared, tmp_path / "chosen", "--device", "cpu").exit_code == 0
    shutil.copytree(prepared, tmp_path / "several" / "emoji" / "inside")
    for source, dest in (("prepared/food", "food"), ("food", "best"), ("several", "some")):
        assert run("curate", tmp_path / source, tmp_path / dest, "--device", "cpu").exit_code == 0
    (tmp_path / "photos").mkdir()
    shutil.copy(next(prepared.rglob("*.png")), tmp_path / "photos")
    write_table(tmp_path / "photos" / "sources.csv", [Row("cat.jpg")])

    for name, origin in (
        ("prepared", "prepare"),
        ("prepared/food", "prepare"),
        ("chosen", "prepare"),
        ("several", "prepare"),
        ("food", "prepare"),
        ("best", "prepare"),
        ("some", "prepare"),
        ("photos", "collect"),
    ):
        result = run("publish", tmp_path / name, bucket_url)
        refused(result, "holds training pictures", f"`{origin}`", "--yes")
    assert contents(open_bucket(bucket_url)) == {}

    assert "is live" in publish(prepared, bucket_url, "--yes")


def test_a_data_set_file_of_others_is_no_training_mark(bucket_url, emoji):
    (emoji / "dataset.json").write_text('{"labels": []}')
    (emoji / "sources.csv").write_text("a,b\n")

    assert run("publish", emoji, bucket_url).exit_code == 0


def test_publish_without_a_title_keeps_that_of_the_live_site(bucket_url, samples):
    publish(samples, bucket_url, "--title", TITLE, "--description", "Drawn by a machine.")
    for options, title, description in (
        ([], TITLE, "Drawn by a machine."),
        (["--title", "Other"], "Other", "Drawn by a machine."),
        (["--description", ""], "Other", ""),
    ):
        publish(samples, bucket_url, *options)
        catalog = live(open_bucket(bucket_url))
        assert (catalog.title, catalog.description) == (title, description)


def test_a_blank_title_is_none_and_an_endless_one_is_refused(bucket_url, samples):
    publish(samples, bucket_url, "--title", "Ann's “Toys” & <b>more</b>", "--description", "It's ours")

    publish(samples, bucket_url, "--title", " \t")
    result = run("publish", samples, bucket_url, "--title", "x" * 5000)

    live = read_pointer(open_bucket(bucket_url)).live
    assert (live.title, live.description) == ("Ann's “Toys” & <b>more</b>", "It's ours")
    refused(result, "5,000 characters", "write one of 200 or fewer")


@pytest.mark.parametrize("option", ["--title", "--description"])
@pytest.mark.parametrize("text", ["This S\udcfc\udcdf", "\ud800", "a\0b", "This \x1b[31mRed Cat", "\x7f"])
def test_words_that_are_no_text_are_a_sentence(bucket_url, samples, option, text):
    result = run("publish", samples, bucket_url, option, text)

    refused(result, f"The {option[2:]} ", "has a control character or is not UTF-8: write it as plain text")
    assert not open_bucket(bucket_url).folders("releases")


def test_words_of_several_lines_are_published_as_one(bucket_url, samples):
    publish(samples, bucket_url, "--title", "This Cook \n\tDoes\r\nNot Exist 👩‍🍳", "--description", "It's\nours")

    live = read_pointer(open_bucket(bucket_url)).live
    assert (live.title, live.description) == ("This Cook Does Not Exist 👩‍🍳", "It's ours")


def test_a_damaged_site_json_costs_no_title(bucket_url, samples):
    publish(samples, bucket_url, "--title", "Ann's “Toys”", "--description", "It's ours")
    bucket = open_bucket(bucket_url)
    bucket.swap(POINTER, b"{", "application/json", bucket.read_generation(POINTER)[1])

    refused(run("publish", samples / "food", bucket_url), "would get", "--yes")
    publish(samples, bucket_url)

    live = read_pointer(bucket).live
    assert (live.title, live.description) == ("Ann's “Toys”", "It's ours")


def test_publish_of_pictures_in_no_folder_keeps_the_category_of_the_title(bucket_url, samples):
    publish(samples / "food", bucket_url, "--title", "This Pineapple Does Not Exist")

    publish(samples / "animals", bucket_url)

    (category,) = live(open_bucket(bucket_url)).categories
    assert (category.slug, category.name) == ("pineapple", "Pineapple")


def test_publish_of_another_size_or_other_categories_is_done_only_if_told(bucket_url, samples, emoji):
    publish(samples, bucket_url)
    before = live(open_bucket(bucket_url))
    for path in emoji.rglob("*.jpg"):
        Image.open(path).resize((48, 48)).save(path)
    (emoji / "food").rename(emoji / "drinks")

    refused(run("publish", samples / "food", bucket_url), "the categories Stuff instead of Animal, Food", "--yes")
    words = ("48x48 px instead of 32x32", "the categories Animal, Drink instead of Animal, Food", before.title)
    refused(run("publish", emoji, bucket_url), *words)
    refused(run("publish", emoji, bucket_url, "--dry-run"), *words)
    assert live(open_bucket(bucket_url)) == before

    publish(emoji, bucket_url, "--yes")
    assert live(open_bucket(bucket_url)).width == 48


def test_folders_with_lossy_names_are_categories_of_their_own(bucket_url, emoji):
    for folder in ("Food!", "寿司", "ラーメン", "Picture"):
        shutil.copytree(emoji / "food", emoji / folder)
    shutil.copy(next((emoji / "food").iterdir()), emoji / "loose.jpg")
    (emoji / "categories.json").write_text('{"寿司": {"name": "Sushi", "article": "some"}}')

    result = run("publish", emoji, bucket_url)

    assert result.exit_code == 0, result.output
    catalog = live(open_bucket(bucket_url))
    assert {"food", "food-2", "shou-si", "ramen", "picture", "picture-2"} <= {c.slug for c in catalog.categories}
    assert (catalog.category("shou-si").name, catalog.category("shou-si").article) == ("Sushi", "some")


@pytest.mark.parametrize("url", ["no/such/folder", "gs://no-such-bucket-anywhere"])
def test_bucket_that_does_not_exist(emulator, samples, url):
    refused(run("publish", samples, url), "does not exist", "create")


def test_url_that_is_no_bucket(samples):
    refused(run("publish", samples, "s3://bucket"), "gs://bucket")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Within it file modes bind this process, even where the tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_folder_without_write_permission(samples):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        shutil.copytree(samples, folder / "samples")
        for bucket in ("open", "closed"):
            (folder / bucket).mkdir()
        publish(folder / "samples", str(folder / "open"))  # so that everything is imported
        for path in (folder, *(folder / "samples").rglob("*"), folder / "samples"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (folder / "closed").chmod(0o555)

        with unprivileged():
            result = run("publish", folder / "samples", folder / "closed")

        refused(result, "No permission", "change its owner or mode")
        assert list((folder / "closed").iterdir()) == []
        assert read_pointer(open_bucket(str(folder / "closed"))).live is None


def test_a_fixed_time_makes_the_same_bytes_again(samples, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    buckets = [tmp_path / "first", tmp_path / "second"]
    for bucket in buckets:
        bucket.mkdir()
        publish(samples, str(bucket), "--title", TITLE)

    first, second = (contents(open_bucket(str(bucket))) for bucket in buckets)
    assert first == second
    assert live(open_bucket(str(buckets[0]))).release.startswith("20260101T000000Z-")


@pytest.mark.parametrize("title", ["🍕", "👩‍🚀", "!!!", "寿司"])
def test_a_title_without_a_letter_of_ours_is_published_as_it_is(bucket_url, samples, title):
    publish(samples / "food", bucket_url, "--title", title)
    publish(samples / "animals", bucket_url)

    catalog = live(open_bucket(bucket_url))
    assert catalog.title == title
    assert [category.slug for category in catalog.categories if category.slug]


def test_publish_of_fewer_categories_is_done_only_if_told(bucket_url, samples, emoji):
    publish(samples, bucket_url)
    shutil.rmtree(emoji / "animals")

    refused(run("publish", emoji, bucket_url), "Food instead of Animal, Food", "--yes")
    publish(emoji, bucket_url, "--yes")

    assert [category.slug for category in live(open_bucket(bucket_url)).categories] == ["food"]
