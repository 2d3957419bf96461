"""A release that holds its generator: published, read back, rolled back and pruned like a picture."""

from __future__ import annotations

import hashlib
import json
import re

import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from gallery.bucket import open_bucket
from gallery.live import LiveModel, live_name, parse_live
from gallery.release import CatalogError, parse, read_live
from generate.__main__ import main
from generate.model.generator import save_generator
from generate.model.networks import NetworkOptions, build_generator

GOOD = LiveModel(
    bytes=10,
    sha256="0" * 64,
    size=32,
    channels=3,
    latent_dim=16,
    noises=(8, 16, 32),
    categories=({"slug": "cats", "name": "Cat"},),
    truncation=0.5,
    directions=(0.1,),
    card={"kimg": 1.5},
)


def generate(*arguments: object):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def run(tmp_path):
    """A run folder with a fresh generator of two categories."""
    torch.manual_seed(0)
    network = NetworkOptions(32, 16, 16, attention=(), categories=("black cats", "dogs"))
    generator = build_generator(network)
    torch.nn.init.normal_(generator.embed.weight)
    save_generator(tmp_path / "mine" / "generator.safetensors", generator, network, {"kimg": 1.5, "pictures": 36})
    return tmp_path / "mine"


def refill(run, url, *options):
    result = generate("refill", run, url, "--count", 4, "--no-curate", "--device", "cpu", *options)
    assert result.exit_code == 0, result.output
    return read_live(open_bucket(url))[0], result.output


def test_refill_publishes_the_generator_that_drew_the_pictures(run, bucket_url):
    catalog, output = refill(run, bucket_url, "--live", "--truncation", 0.7)

    bucket, live = open_bucket(bucket_url), catalog.live
    data = bucket.read(live_name(catalog.release))
    assert (live.bytes, live.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (live.size, live.channels, live.latent_dim, live.noises) == (32, 3, 16, (8, 16, 32))
    assert [(entry["slug"], entry["name"]) for entry in live.categories] == [
        (category.slug, category.name) for category in catalog.categories
    ]
    assert (live.truncation, len(live.directions), live.card["kimg"]) == (0.7, 8, 1.5)
    inputs = {i.name: i.shape for i in onnxruntime.InferenceSession(data).get_inputs()}
    assert inputs["noise_32"] == [1, 1, 32, 32]
    assert re.search(r"/live with a generator of .* kB", output)


def test_the_next_refill_does_the_same_until_told_not_to(run, bucket_url):
    refill(run, bucket_url, "--live")

    again, _ = refill(run, bucket_url)
    without, output = refill(run, bucket_url, "--no-live")

    assert again.live
    assert without.live is None
    assert "/live is gone" in output


def test_publish_takes_the_generator_of_a_run(run, samples, bucket_url):
    result = generate("publish", samples, bucket_url, "--live", run)

    assert result.exit_code == 0, result.output
    catalog = read_live(open_bucket(bucket_url))[0]
    assert catalog.live.truncation == 1.0
    assert "was live already" in generate("publish", samples, bucket_url, "--live", run).output


def test_publish_of_no_generator_changes_nothing(samples, bucket_url, tmp_path):
    result = generate("publish", samples, bucket_url, "--live", tmp_path / "nothing")

    assert result.exit_code == 1
    assert "has no generator.safetensors" in result.output
    assert list(open_bucket(bucket_url).names()) == []


def test_a_release_that_has_lost_its_generator_is_not_rolled_back_to(run, bucket_url):
    bucket = open_bucket(bucket_url)
    old, _ = refill(run, bucket_url, "--live")
    now, _ = refill(run, bucket_url)
    assert generate("releases", bucket_url, "--rollback", old.release).exit_code == 0
    assert generate("releases", bucket_url, "--rollback", now.release).exit_code == 0
    bucket.delete(live_name(old.release))

    result = generate("releases", bucket_url, "--rollback", old.release)

    assert result.exit_code == 1
    assert f"has lost 1 objects ({live_name(old.release)})" in result.output


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bytes", 0),
        ("bytes", 1 << 40),
        ("bytes", True),
        ("sha256", "../secret"),
        ("channels", 2),
        ("noises", [8, "16"]),
        ("categories", ["cats"]),
        ("categories", [{"slug": "cats"}]),
        ("truncation", "much"),
        ("directions", [float("nan")]),
        ("card", []),
        ("format", None),
    ],
)
def test_damage_is_refused_by_name(field, value):
    raw = json.loads(json.dumps(GOOD.to_json() | {field: value}))

    with pytest.raises(CatalogError, match=f"live.{field}"):
        parse_live(raw)


def test_what_is_written_is_read_back_and_what_is_new_is_ignored():
    assert parse_live(json.loads(json.dumps(GOOD.to_json() | {"new": 1}))) == GOOD


def test_a_later_format_does_not_take_the_site_down():
    later = parse_live({"format": 2, "everything": "else"})

    assert (later.format, later.is_readable) == (2, False)
    catalog = {
        "format": 1,
        "release": "20261122T121500Z-1f3a5b7c",
        "created": "2026-11-22T12:15:00Z",
        "title": "This Emoji Does Not Exist",
        "image": {"type": "image/jpeg"},
        "categories": [{"slug": "food", "name": "Food", "count": 64}],
        "live": {"format": 2},
    }
    parsed = parse(json.dumps(catalog).encode())
    assert parsed.live == later
    assert parse(parsed.to_json()) == parsed
