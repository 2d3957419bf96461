"""Refilling as a site owner's cron does it, with a real though untrained generator of 32 px."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from gallery.bucket import Bucket, open_bucket
from gallery.history import list_releases, prune, roll_back
from gallery.release import Catalog, read_live
from generate.__main__ import main
from generate.model.generator import load_generator, save_generator
from generate.model.networks import NetworkOptions, build_generator
from generate.prepare import prepare
from generate.units import Duration
from tests.conftest import EMOJI, ROOT

SIZE = NetworkOptions(size=32, latent_dim=16, fmap_max=16, attention=())


def make_run(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    save_generator(folder / "generator.safetensors", build_generator(SIZE), SIZE, {"kimg": 1.5})
    return folder


@pytest.fixture
def trained(tmp_path) -> Path:
    return make_run(tmp_path / "mine")


def refill(run: Path, bucket_url: str, *options: str) -> Result:
    arguments = ["refill", str(run), bucket_url, "--count", "4", "--device", "cpu", "--no-curate", *options]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def live(bucket: Bucket) -> Catalog:
    return read_live(bucket)[0]


def seeds(bucket: Bucket) -> list[int]:
    table = bucket.read(f"releases/{live(bucket).release}/images.jsonl")
    return [row.get("seed") for row in map(json.loads, table.splitlines())]


def pictures(bucket: Bucket) -> list[str]:
    catalog = live(bucket)
    names = (catalog.object_name(*catalog.picture(index)) for index in range(catalog.count))
    return [sha256(bucket.read(name)).hexdigest() for name in names]


def test_refill_fills_an_empty_bucket_and_then_replaces_the_pictures(trained, bucket_url):
    result = refill(trained, bucket_url, "--title", "This Cat Does Not Exist", "--description", "Meow.")

    assert result.exit_code == 0, result.output
    bucket = open_bucket(bucket_url)
    first, before = live(bucket), pictures(bucket)
    assert (first.title, first.description, first.count) == ("This Cat Does Not Exist", "Meow.", 4)
    assert (first.model["family"], first.model["run"], first.model["kimg"]) == ("lightweight-gan", "mine", 1.5)
    assert seeds(bucket) == [0, 1, 2, 3]

    assert refill(trained, bucket_url).exit_code == 0
    second = live(bucket)
    assert (second.title, second.description, second.count) == ("This Cat Does Not Exist", "Meow.", 4)
    assert seeds(bucket) == [4, 5, 6, 7]
    assert not set(before) & set(pictures(bucket))
    assert not list(trained.glob("refill-*"))


def test_add_keeps_what_is_live_and_numbers_the_new_after_it(trained, bucket_url):
    refill(trained, bucket_url, "--title", "This Cat Does Not Exist")
    bucket = open_bucket(bucket_url)
    before = pictures(bucket)

    assert refill(trained, bucket_url, "--add").exit_code == 0

    assert live(bucket).count == 8
    assert pictures(bucket)[:4] == before
    assert len(set(pictures(bucket))) == 8
    assert seeds(bucket) == list(range(8))


def test_add_to_pictures_that_were_published_by_hand(trained, bucket_url, samples):
    assert CliRunner().invoke(main, ["publish", str(samples), bucket_url]).exit_code == 0

    assert refill(trained, bucket_url, "--add", "--title", "This Cat Does Not Exist").exit_code == 0

    catalog = live(open_bucket(bucket_url))
    assert [(c.slug, c.count) for c in catalog.categories] == [("animals", 12), ("food", 12), ("cat", 4)]


def test_refill_after_a_rollback_draws_new_pictures_not_the_rejected_ones(trained, bucket_url):
    bucket = open_bucket(bucket_url)
    refill(trained, bucket_url)
    refill(trained, bucket_url)
    rejected = pictures(bucket)
    roll_back(bucket)

    assert refill(trained, bucket_url).exit_code == 0

    assert seeds(bucket) == [8, 9, 10, 11]
    assert not set(rejected) & set(pictures(bucket))


def test_seeds_go_on_after_every_kept_release_of_the_generator(trained, bucket_url, samples, tmp_path):
    bucket, other = open_bucket(bucket_url), make_run(tmp_path / "other", seed=1)
    refill(trained, bucket_url, "--title", "This Cat Does Not Exist")
    oldest = live(bucket).release
    CliRunner().invoke(main, ["publish", str(samples), bucket_url, "--yes"])  # without seeds
    refill(other, bucket_url, "--title", "This Cat Does Not Exist", "--yes")
    assert seeds(bucket) == [0, 1, 2, 3], "another generator begins at its own first seed"

    refill(trained, bucket_url)
    assert seeds(bucket) == [4, 5, 6, 7]

    roll_back(bucket, oldest)
    refill(trained, bucket_url, "--add")
    assert seeds(bucket) == [0, 1, 2, 3, 8, 9, 10, 11]


def test_seeds_go_on_after_releases_that_were_pruned(trained, bucket_url, samples):
    bucket = open_bucket(bucket_url)
    refill(trained, bucket_url)
    refill(trained, bucket_url)
    rejected = pictures(bucket)
    roll_back(bucket)
    CliRunner().invoke(main, ["publish", str(samples), bucket_url, "--yes"])
    assert len(prune(bucket, keep=1, grace_s=0)) == 2

    assert refill(trained, bucket_url, "--yes").exit_code == 0

    assert seeds(bucket) == [8, 9, 10, 11]
    assert not set(rejected) & set(pictures(bucket))


def test_a_damaged_table_of_an_older_release_stops_no_refill(trained, tmp_path):
    (tmp_path / "bucket").mkdir()
    refill(trained, str(tmp_path / "bucket"))
    refill(trained, str(tmp_path / "bucket"))
    first = min((tmp_path / "bucket" / "releases").iterdir()) / "images.jsonl"
    first.write_bytes(b'\xff{\n[1]\n{"seed": "x"}\n' + first.read_bytes()[:-20])

    assert refill(trained, str(tmp_path / "bucket")).exit_code == 0

    assert seeds(open_bucket(str(tmp_path / "bucket"))) == [8, 9, 10, 11]


def test_pictures_of_an_interrupted_refill_are_not_drawn_again(trained, bucket_url, tmp_path):
    bucket = tmp_path / "not-yet"
    refill(trained, bucket_url)
    whole = pictures(open_bucket(bucket_url))

    result = refill(trained, str(bucket))  # fails before anything is drawn
    assert result.exit_code == 1
    assert "does not exist" in result.output
    assert not list(trained.glob("refill-*"))

    bucket.mkdir()
    assert refill(trained, str(bucket)).exit_code == 0
    assert pictures(open_bucket(str(bucket))) == whole


@pytest.fixture
def demo(tmp_path) -> Path:
    """A generator that has learned something, and a bucket beside it."""
    (tmp_path / "faces").mkdir()
    (tmp_path / "bucket").mkdir()
    shutil.copy(ROOT / "demo" / "generator.safetensors", tmp_path / "faces")
    return tmp_path / "faces"


def test_the_best_of_more_are_published_with_their_scores(demo, tmp_path):
    prepare(ROOT / "demo" / "real", tmp_path / "prepared", size=128)

    result = refill(demo, str(tmp_path / "bucket"), "--curate", "--count", "8", "--train", str(tmp_path / "prepared"))

    assert result.exit_code == 0, result.output
    assert "8 of 12 kept" in result.output
    assert "Warning" not in result.output
    (rows,) = (tmp_path / "bucket").glob("releases/*/images.jsonl")
    found = [json.loads(line) for line in rows.read_text().splitlines()]
    assert all(set(row["scores"]) == {"realism", "difference"} for row in found)
    assert len({row["file"] for row in found}) == 8
    assert {row["seed"] for row in found} <= set(range(4)), "four of each of the three categories were drawn"
    assert not list(demo.glob("refill-*"))


def test_noise_does_not_go_live_unless_told(trained, tmp_path):
    """Pictures of an untrained generator that differ from each other, unlike those of `trained`."""
    torch.manual_seed(0)
    options = replace(SIZE, size=64, latent_dim=128, fmap_max=64)
    generator = build_generator(options)
    for name, weight in generator.named_parameters():
        if "initial_conv" not in name:
            weight.data *= 1.2
    save_generator(trained / "generator.safetensors", generator, options, {"kimg": 0})
    prepare(EMOJI, tmp_path / "prepared", size=64)
    (tmp_path / "bucket").mkdir()
    told = ("--curate", "--train", str(tmp_path / "prepared"))

    result = refill(trained, str(tmp_path / "bucket"), *told)

    assert result.exit_code == 1
    assert "Nothing was published, since the pictures barely resemble the training pictures" in result.output
    assert "publish all the same with --yes" in result.output
    assert not list((tmp_path / "bucket").iterdir())


def test_a_category_of_noise_does_not_go_live_unless_told(demo, tmp_path):
    learned = load_generator(demo / "generator.safetensors")
    torch.manual_seed(2)  # a direction in which flags dissolve; in many they turn into people
    with torch.no_grad():
        learned.generator.embed.weight[1] += 20 * torch.randn(128)
    save_generator(demo / "generator.safetensors", learned.generator, learned.network, {"kimg": 57})
    prepare(ROOT / "demo" / "real", tmp_path / "prepared", size=128)
    told = ("--curate", "--count", "8", "--train", str(tmp_path / "prepared"))

    result = refill(demo, str(tmp_path / "bucket"), *told)

    assert result.exit_code == 1
    assert "Nothing was published, since 4 of 12 pictures look like noise" in result.output
    assert "none of them is kept; nothing is left of flags" in result.output
    assert "publish all the same with --yes" in result.output
    assert not list((tmp_path / "bucket").iterdir())
    assert refill(demo, str(tmp_path / "bucket"), *told, "--yes").exit_code == 0
    assert [category.slug for category in live(open_bucket(str(tmp_path / "bucket"))).categories] == ["faces", "people"]


def test_without_training_pictures_refill_says_what_it_did_not_look_for(demo, tmp_path):
    result = refill(demo, str(tmp_path / "bucket"), "--curate")

    assert result.exit_code == 0, result.output
    assert "Not compared with training pictures" in result.output
    assert len(seeds(open_bucket(str(tmp_path / "bucket")))) == 4


def test_training_pictures_that_are_missing_are_said_before_anything_is_drawn(trained, bucket_url, tmp_path):
    result = refill(trained, bucket_url, "--curate", "--train", str(tmp_path / "nowhere"))

    assert result.exit_code == 1
    assert "nowhere is not a folder" in result.output
    assert not list(trained.glob("refill-*"))


def test_pictures_that_are_all_the_same_are_not_published(trained, tmp_path):
    (tmp_path / "bucket").mkdir()
    prepare(EMOJI, tmp_path / "prepared", size=32)

    result = refill(trained, str(tmp_path / "bucket"), "--curate", "--train", str(tmp_path / "prepared"), "--yes")

    assert result.exit_code == 1
    assert "are good enough, and 4 were asked for, so nothing was published" in result.output
    assert not list((tmp_path / "bucket").iterdir())


def test_a_model_of_categories_fills_each_alike(tmp_path):
    options = replace(SIZE, categories=("cats", "dogs"))
    torch.manual_seed(0)
    save_generator(tmp_path / "generator.safetensors", build_generator(options), options, {"kimg": 1.5})
    (tmp_path / "bucket").mkdir()

    assert refill(tmp_path, str(tmp_path / "bucket")).exit_code == 0

    assert [(c.slug, c.count) for c in live(open_bucket(str(tmp_path / "bucket"))).categories] == [
        ("cats", 2),
        ("dogs", 2),
    ]


def test_so_many_are_published_whatever_the_number_of_categories(tmp_path):
    options = replace(SIZE, categories=("birds", "cats", "dogs"))
    torch.manual_seed(0)
    save_generator(tmp_path / "generator.safetensors", build_generator(options), options, {"kimg": 1.5})
    (tmp_path / "bucket").mkdir()

    assert refill(tmp_path, str(tmp_path / "bucket")).exit_code == 0

    assert [c.count for c in live(open_bucket(str(tmp_path / "bucket"))).categories] == [2, 1, 1]


def test_refill_of_another_size_or_other_categories_than_are_live_is_refused_before_drawing(tmp_path):
    (tmp_path / "bucket").mkdir()
    bucket, url = open_bucket(str(tmp_path / "bucket")), str(tmp_path / "bucket")
    refill(make_run(tmp_path / "mine"), url, "--title", "This Cat Does Not Exist", "--description", "Meow.")
    before = live(bucket)
    for name, changed, words in (
        ("large", {"size": 64}, "pictures of 64x64 px instead of 32x32"),
        ("many", {"categories": ("cats", "dogs")}, "the categories Cat, Dog instead of Cat"),
        ("other", {"categories": ("dogs",)}, "the categories Dog instead of Cat"),
    ):
        options = replace(SIZE, **changed)
        save_generator(tmp_path / name / "generator.safetensors", build_generator(options), options, {"kimg": 1})

        result = refill(tmp_path / name, url)

        assert result.exit_code == 1
        assert words in result.output
        assert "--yes" in result.output
        assert live(bucket) == before
        assert not list((tmp_path / name).glob("refill-*"))

    assert refill(tmp_path / "many", url, "--yes").exit_code == 0
    now = live(bucket)
    assert (now.title, now.description, len(now.categories)) == (before.title, before.description, 2)


def test_what_lies_beside_the_generator_stays(trained, monkeypatch):
    (trained / "refill-bucket").mkdir()
    (trained / "refill-log.txt").write_text("Monday")
    monkeypatch.chdir(trained)

    result = refill(Path(), "refill-bucket")

    assert result.exit_code == 0
    assert live(open_bucket(str(trained / "refill-bucket"))).model["run"] == "mine"
    assert sorted(path.name for path in trained.glob("refill-*")) == ["refill-bucket", "refill-log.txt"]


def test_second_refill_at_the_same_time_stops_with_a_sentence(trained, bucket_url):
    holder = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, trained / ".refill.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        result = refill(trained, bucket_url)
        assert result.exit_code == 1
        assert "still running" in result.output
        process.kill()

    assert refill(trained, bucket_url).exit_code == 0  # a lock does not outlive its holder


def test_every_goes_on_until_it_is_stopped(trained, bucket_url):
    arguments = ["refill", trained, bucket_url, "--count", "2", "--device", "cpu", "--no-curate", "--every", "1s"]
    bucket = open_bucket(bucket_url)
    with subprocess.Popen([sys.executable, "-m", "generate", *arguments], stdout=subprocess.PIPE, cwd=ROOT) as process:
        for line in process.stdout:  # three a refill, from the second on with the command that undoes it
            if b"Undo" in line:
                break
        process.kill()

    assert len([kept for kept in list_releases(bucket) if kept.catalog]) >= 2


def test_run_without_a_generator(tmp_path, bucket_url):
    result = refill(tmp_path, bucket_url)

    assert result.exit_code == 1
    assert "train it first" in result.output


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86400), ("7d", 604800)])
def test_durations(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["24", "h", "", "-1h", "1.5h", "0s", "1w", "9" * 5000 + "d", "99999999999d"])
def test_what_is_no_duration(trained, bucket_url, text):
    result = refill(trained, bucket_url, f"--every={text}")

    assert result.exit_code == 2
    assert "write it as in 30m" in result.output or "longer than 3650 days" in result.output


def test_refill_after_going_back_and_forth_draws_new_pictures(trained, bucket_url):
    bucket = open_bucket(bucket_url)
    for _ in range(3):
        refill(trained, bucket_url)
    newest = live(bucket).release
    for release in (None, None, newest, None):
        roll_back(bucket, release)

    assert refill(trained, bucket_url).exit_code == 0

    assert seeds(bucket) == [12, 13, 14, 15]


def test_seeds_go_on_after_all_releases_but_the_live_one_were_deleted_by_hand(trained, tmp_path):
    (tmp_path / "bucket").mkdir()
    bucket = open_bucket(str(tmp_path / "bucket"))
    oldest = None
    for _ in range(3):
        refill(trained, str(tmp_path / "bucket"))
        oldest = oldest or live(bucket).release
    roll_back(bucket, oldest)
    for folder in (tmp_path / "bucket" / "releases").iterdir():
        if folder.name != oldest:
            shutil.rmtree(folder)

    assert refill(trained, str(tmp_path / "bucket")).exit_code == 0

    assert seeds(bucket) == [12, 13, 14, 15]
