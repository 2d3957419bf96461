"""sample: the seed is the picture, whatever the order, the batch or an interruption."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from generate.__main__ import main
from generate.collecting.provenance import Row, write_table
from generate.model.drawing import categories_of, draw_each
from generate.model.generator import load_generator, save_generator
from generate.model.networks import NetworkOptions, build_generator
from generate.prepare import prepare
from generate.units import Seeds
from tests.conftest import EMOJI, ROOT, files

TORCHRUN = "-m torch.distributed.run --standalone --nproc-per-node 2 -m"


def sample(*arguments: object):
    return CliRunner().invoke(main, ["sample", "--device", "cpu", *map(str, arguments)])


def pictures(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("0*"))}


def test_count_draws_the_first_seeds_with_a_row_each(tiny_run, tmp_path):
    result = sample(tiny_run, tmp_path / "out", "--count", 5)

    assert result.exit_code == 0, result.output
    assert list(pictures(tmp_path / "out")) == [f"{seed:07d}.jpg" for seed in range(5)]
    rows = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    model = load_generator(tiny_run).sha256
    assert rows[3] == {"file": "0000003.jpg", "seed": 3, "truncation": 1.0, "model": model}


def test_the_same_bytes_in_any_order_and_after_an_interruption(tiny_run, tmp_path):
    sample(tiny_run, tmp_path / "all", "--seeds", "0-6")
    sample(tiny_run, tmp_path / "mixed", "--seeds", "5,2-3")
    sample(tiny_run, tmp_path / "mixed", "--seeds", "6,0-4")

    assert pictures(tmp_path / "mixed") == pictures(tmp_path / "all")
    assert (tmp_path / "mixed" / "samples.jsonl").read_bytes() == (tmp_path / "all" / "samples.jsonl").read_bytes()


def test_another_batch_size_is_within_one_level(tiny_run, tmp_path):
    sample(tiny_run, tmp_path / "a", "--count", 4, "--format", "png", "--precision", "fp32", "--batch-size", 1)
    sample(tiny_run, tmp_path / "b", "--count", 4, "--format", "png", "--precision", "fp32", "--batch-size", 4)

    for one, other in zip(sorted((tmp_path / "a").glob("*.png")), sorted((tmp_path / "b").glob("*.png")), strict=True):
        difference = np.asarray(Image.open(one), dtype=int) - np.asarray(Image.open(other), dtype=int)
        assert abs(difference).max() <= 1


def test_bf16_stays_close_and_is_not_mixed_with_fp32(tiny_run, tmp_path):
    for precision in ("fp32", "bf16"):
        sample(tiny_run, tmp_path / precision, "--count", 4, "--format", "png", "--precision", precision)

    one, other = (
        np.stack([np.asarray(Image.open(p), float) for p in sorted((tmp_path / d).glob("*.png"))])
        for d in ("fp32", "bf16")
    )
    assert 0 < abs(one - other).mean() < 1.5
    assert json.loads((tmp_path / "bf16" / "samples.json").read_text())["precision"] == "bf16"
    mixed = sample(tiny_run, tmp_path / "bf16", "--count", 5, "--format", "png", "--precision", "fp32")
    assert "holds samples drawn with precision bf16, not fp32" in mixed.output


def test_truncated_and_foreign_files_are_drawn_again(tiny_run, tmp_path):
    sample(tiny_run, tmp_path / "out", "--count", 5)
    whole = pictures(tmp_path / "out")
    first, second, third, *_ = sorted((tmp_path / "out").glob("*.jpg"))
    first.write_bytes(first.read_bytes()[:-300])
    second.write_bytes(b"")
    Image.new("RGB", (8, 8)).save(third)

    result = sample(tiny_run, tmp_path / "out", "--count", 5)

    assert result.exit_code == 0, result.output
    assert pictures(tmp_path / "out") == whole


def test_two_processes_under_torchrun_draw_the_same_bytes_as_one(tiny_run, tmp_path):
    sample(tiny_run, tmp_path / "one", "--count", 9)

    done = subprocess.run(
        [
            sys.executable,
            *TORCHRUN.split(),
            "generate",
            "sample",
            tiny_run,
            tmp_path / "two",
            *"--count 9 --device cpu".split(),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    assert pictures(tmp_path / "two") == pictures(tmp_path / "one")
    for name in ("samples.jsonl", "samples.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert "5 pictures of 32 px" in done.stdout
    assert "4 pictures of 32 px" in done.stdout


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """An untrained generator that tells two categories apart."""
    folder = tmp_path_factory.mktemp("conditional")
    torch.manual_seed(0)
    network = NetworkOptions(size=32, latent_dim=16, fmap_max=16, attention=(), categories=("cats", "dogs"))
    generator = build_generator(network)
    torch.nn.init.normal_(generator.embed.weight)  # which starts at zero
    save_generator(folder / "generator.safetensors", generator, network, {})
    return folder


def test_categories_are_folders_and_part_of_the_row(conditional, tmp_path):
    sample(conditional, tmp_path / "all", "--count", 3)
    sample(conditional, tmp_path / "dogs", "--count", 3, "--category", "dogs")

    assert sorted(pictures(tmp_path / "all" / "cats")) == sorted(pictures(tmp_path / "all" / "dogs"))
    assert pictures(tmp_path / "all" / "cats") != pictures(tmp_path / "all" / "dogs")
    assert pictures(tmp_path / "dogs" / "dogs") == pictures(tmp_path / "all" / "dogs")
    assert not (tmp_path / "dogs" / "cats").exists()
    rows = [json.loads(line) for line in (tmp_path / "all" / "samples.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == [f"{c}/{n:07d}.jpg" for c in ("cats", "dogs") for n in range(3)]
    assert rows[5]["category"] == "dogs"


def test_a_model_is_measured_on_categories_as_frequent_as_in_the_pictures_it_is_compared_with(conditional):
    model = load_generator(conditional)

    asked = categories_of(model, 10, [*["dogs"] * 40, *["cats"] * 10])

    assert (asked.count("cats"), asked.count("dogs")) == (2, 8)
    assert len(draw_each(model, asked, first_seed=0)) == 10
    for others in ([], [""], ["birds", "dogs"], ["dogs"]):
        assert categories_of(model, 4, others) == ["cats", "dogs", "cats", "dogs"]


def test_truncation_draws_towards_a_categorys_own_mean(conditional, tmp_path):
    """At next to no truncation all pictures of a category are alike, those of two categories are not."""
    sample(conditional, tmp_path, "--count", 5, "--truncation", 0.001, "--format", "png", "--precision", "fp32")

    cats, dogs = (
        np.stack([np.asarray(Image.open(path), int) for path in sorted((tmp_path / name).glob("*.png"))])
        for name in ("cats", "dogs")
    )
    apart = abs(cats.mean(axis=0) - dogs.mean(axis=0)).max()
    assert max(abs(some - some.mean(axis=0)).max() for some in (cats, dogs)) < apart / 2


def test_unknown_categories_are_a_sentence(conditional, tiny_run, tmp_path):
    for model, sentence in [(conditional, "can't draw 'eels': it knows cats, dogs"), (tiny_run, "has no categories")]:
        result = sample(model, tmp_path / "out", "--count", 1, "--category", "eels")
        assert result.exit_code == 1
        assert sentence in result.output
    assert not (tmp_path / "out").exists()


def test_different_seeds_are_different_pictures(tiny_run, tmp_path):
    sample(tiny_run, tmp_path / "out", "--count", 8)

    assert len(set(pictures(tmp_path / "out").values())) == 8


def test_a_smaller_truncation_gives_less_variety(tiny_run, tmp_path):
    for truncation in (1.0, 0.1):
        sample(tiny_run, tmp_path / str(truncation), "--count", 16, "--format", "png", "--truncation", truncation)

    def variety(folder) -> float:
        return float(
            np.stack([np.asarray(Image.open(p), dtype=float) for p in folder.glob("*.png")]).std(axis=0).mean()
        )

    assert variety(tmp_path / "0.1") < 0.5 * variety(tmp_path / "1.0")


def test_damaged_options_are_a_sentence(tiny_run, tmp_path):
    (tmp_path / "samples.json").write_text("[]")

    result = sample(tiny_run, tmp_path, "--count", 1)

    assert result.exit_code == 1
    assert "samples.json is damaged: choose another DEST" in result.output


def test_samples_of_another_model_or_truncation_are_not_mixed(tiny_run, tmp_path):
    sample(tiny_run, tmp_path / "out", "--count", 1)

    result = sample(tiny_run, tmp_path / "out", "--count", 2, "--truncation", 0.5)

    assert result.exit_code == 1
    assert "holds samples drawn with truncation 1.0, not 0.5" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "either --count or --seeds, as in --count 384 or --seeds 0-383"),
        (["--count", "3", "--seeds", "0-2"], "either --count or --seeds, as in --count 384 or --seeds 0-383"),
        (["--seeds", "1,x"], "'x' is not a seed or a range"),
        (["--seeds", "9-3"], "'9-3' is backwards: write 3-9"),
        (["--seeds", "0,9-5"], "'9-5' is backwards: write 5-9"),
        (["--seeds", "0-3, 7-6 ,9"], "'7-6' is backwards"),
        (["--seeds", "1,,2"], "'' is not a seed"),
        (["--seeds", "0-"], "'0-' is not a seed or a range"),
        (["--seeds", "1-2-3"], "'1-2-3' is not a seed or a range"),
        (["--seeds", "\u0663"], "is not a seed or a range"),
        (["--seeds", "0-99999999999"], "more than 10,000,000 seeds"),
        (["--seeds", f"5,{2**63}"], "is more than the largest seed"),
        (["--seeds", "9" * 5000], "is not a seed or a range"),
        (["--seeds", "0-" + "9" * 5000], "is not a seed or a range"),
        (["--seeds", "0\u20139"], "is not a seed or a range"),
        (["--seeds", "0..9"], "is not a seed or a range"),
        (["--seeds", "1e3"], "is not a seed or a range"),
        (["--count", "1", "--batch-size", "0"], "0 is not in the range x>=1"),
        (["--count", "1", "--batch-size", "many"], "'many' is not a valid"),
        (["--count", "1", "--device", "abacus"], "'abacus' can't be used here"),
    ],
)
def test_bad_options_are_a_sentence(tiny_run, tmp_path, arguments, sentence):
    result = CliRunner().invoke(main, ["sample", str(tiny_run), str(tmp_path / "out"), *arguments])

    assert result.exit_code == 2
    assert sentence in result.output
    assert not (tmp_path / "out").exists()


def test_seeds_may_have_spaces_and_repeat():
    assert Seeds().convert(" 3 - 5, 4,1 ", None, None) == [3, 4, 5, 1]


@pytest.mark.parametrize(
    "text", ["\u0663", "3-\u0665", "\u00b2", "\uff11-\uff13", "1_000", "+5", "0x10", "5-", "1,,2", "", f"7-{2**63}"]
)
def test_what_is_no_seed(text):
    with pytest.raises(click.BadParameter):
        Seeds().convert(text, None, None)


def test_seeds_beyond_32_bits_and_ranges_of_one():
    assert Seeds().convert("\t4294967296,\n7-7\n", None, None) == [2**32, 7]
    assert Seeds().convert(str(2**63 - 1), None, None) == [2**63 - 1]


def test_sample_into_a_folder_with_other_content_is_refused(tiny_run, tmp_path):
    home = tmp_path / "home"
    for name, content in (
        ("photos/cat.jpg", b""),
        ("nested/cats/1.png", b""),
        ("chosen/curate.json", b"{}"),
        ("notes/.hidden", b""),
    ):
        (home / name).parent.mkdir(parents=True)
        (home / name).write_bytes(content)
        before = files(home)

        result = sample(tiny_run, home / name.split("/")[0], "--count", 2)

        assert result.exit_code == 1
        assert "holds something that sample did not put there" in result.output
        assert files(home) == before


def test_sample_inside_a_folder_of_training_pictures_is_refused(tiny_run, tmp_path):
    prepare(EMOJI, tmp_path / "prepared", size=32)
    (tmp_path / "photos").mkdir()
    write_table(tmp_path / "photos" / "sources.csv", [Row("cat.jpg")])

    for dest in ("prepared/samples", "prepared/a/b", "photos/samples"):
        result = sample(tiny_run, tmp_path / dest, "--count", 2)
        assert result.exit_code == 1
        assert "holds training pictures" in result.output
        assert not (tmp_path / dest).exists()


def test_sample_into_an_empty_folder_and_into_its_own_again(tiny_run, tmp_path):
    (tmp_path / "out").mkdir()

    for count in (2, 3):
        assert sample(tiny_run, tmp_path / "out", "--count", count).exit_code == 0


def test_the_next_line_names_the_data_and_can_be_run(tiny_run, tmp_path):
    result = sample(tiny_run, tmp_path / "my samples", "--count", 5)

    line = next(line for line in result.output.splitlines() if line.startswith("Next: "))
    command = shlex.split(line.removeprefix("Next: python -m generate "))
    assert command[:3] == ["curate", str(tmp_path / "my samples"), "chosen"]
    assert command[-2:] == ["--train", str(tiny_run.parent / "prepared")]
    command[2] = str(tmp_path / "chosen")
    assert CliRunner().invoke(main, command).exit_code == 0


def test_the_next_line_names_no_data_that_is_unknown(tiny_run, tmp_path):
    shutil.copy(tiny_run / "generator.safetensors", tmp_path)

    assert "--train" not in sample(tmp_path / "generator.safetensors", tmp_path / "out", "--count", 2).output


def test_a_run_without_a_generator_and_damaged_files_are_a_sentence(tiny_run, tmp_path):
    empty, cut, foreign = tmp_path / "empty", tmp_path / "cut.safetensors", tmp_path / "foreign.safetensors"
    empty.mkdir()
    cut.write_bytes((tiny_run / "generator.safetensors").read_bytes()[:5000])
    shutil.copy(tiny_run / "snapshot-0000002.pt", foreign)  # a pickle, which would be code

    for path, sentence in [(empty, "train it first"), (cut, "can't be loaded"), (foreign, "can't be read")]:
        result = sample(path, tmp_path / "out", "--count", 1)
        assert result.exit_code == 1
        assert sentence in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda weight: weight * float("nan"), "numbers that are none (NaN or infinite)"),
        (lambda weight: weight / 0.0, "numbers that are none (NaN or infinite)"),
        (lambda weight: weight.to(torch.int8), "holds int8"),
    ],
    ids=["nan", "infinite", "int8"],
)
def test_weights_that_would_draw_garbage_are_refused(tiny_run, tmp_path, change, sentence):
    with safe_open(tiny_run / "generator.safetensors", "pt") as stored:
        metadata, weights = stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    name = next(name for name, weight in weights.items() if weight.ndim == 4)
    save_file(weights | {name: change(weights[name])}, tmp_path / "changed.safetensors", metadata)

    result = sample(tmp_path / "changed.safetensors", tmp_path / "out", "--count", 1)

    assert result.exit_code == 1
    assert sentence in result.output
    assert not (tmp_path / "out").exists()


def test_a_generator_with_options_of_a_later_version_is_refused(tiny_run, tmp_path):
    with safe_open(tiny_run / "generator.safetensors", "pt") as stored:
        metadata, weights = stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    metadata["network"] = json.dumps(json.loads(metadata["network"]) | {"future": 1})
    save_file(weights, tmp_path / "later.safetensors", metadata)

    result = sample(tmp_path / "later.safetensors", tmp_path / "out", "--count", 1)

    assert result.exit_code == 1
    assert "an option of another version, 'future'" in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, value) for name in ("network", "made") for value in ("[1]", '"x"', "3", "null", "{")],
        *[("network", value) for value in ('{"size": [32]}', '{"size": 32, "categories": {"a": 1}}')],
    ],
)
def test_descriptions_of_any_content_are_a_sentence(tiny_run, tmp_path, name, value):
    with safe_open(tiny_run / "generator.safetensors", "pt") as stored:
        metadata, weights = stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    save_file(weights, tmp_path / "odd.safetensors", metadata | {name: value})

    result = sample(tmp_path / "odd.safetensors", tmp_path / "out", "--count", 1)

    assert result.exit_code == 1
    assert "can't be loaded" in result.output
    assert isinstance(result.exception, SystemExit)
    assert not (tmp_path / "out").exists()


def test_a_generator_may_begin_with_the_byte_that_pickles_begin_with(tiny_run, tmp_path):
    with safe_open(tiny_run / "generator.safetensors", "pt") as stored:
        metadata, weights = stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    for length in range(256):  # of the header, in steps of 8
        save_file(weights, tmp_path / "some.safetensors", metadata | {"note": "x" * length})
        if (tmp_path / "some.safetensors").read_bytes().startswith(b"\x80"):
            break
    else:
        raise AssertionError("no header of such a length")

    assert sample(tmp_path / "some.safetensors", tmp_path / "out", "--count", 1).exit_code == 0


def test_a_generator_of_another_family_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "x.safetensors", {"family": "stylegan"})

    result = sample(tmp_path / "x.safetensors", tmp_path / "out", "--count", 1)

    assert result.exit_code == 1
    assert "family 'stylegan', expected 'lightweight-gan'" in result.output
