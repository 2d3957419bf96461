"""train: it learns, it resumes bit for bit, and it stops without losing anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
import torch._inductor.config
from click import BadParameter, ClickException
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from generate.__main__ import main
from generate.images import find_pictures, load_pictures
from generate.model.generator import draw_pictures, load_generator
from generate.prepare import prepare
from generate.training.choices import TrainOptions
from generate.training.dataset import Pictures, StreamedPictures
from generate.training.loop import train
from generate.training.snapshots import read_newest
from generate.training.stats import read_rows
from tests.conftest import EMOJI, ROOT, TINY

OPTIONS = TrainOptions(**TINY)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Four pictures of each category: every run measures itself against all of them."""
    folder = tmp_path_factory.mktemp("prepared")
    for category in sorted(EMOJI.iterdir()):
        (folder / "emoji" / category.name).mkdir(parents=True)
        for path in sorted(category.iterdir())[:4]:
            shutil.copy(path, folder / "emoji" / category.name)
    prepare(folder / "emoji", folder / "prepared", size=32)
    return folder / "prepared"


def test_a_run_leaves_what_people_look_at(tiny_run):
    names = {path.name for path in tiny_run.iterdir()}

    assert names == {
        "options.json", "real.jpg", "samples-0000002.jpg", "snapshot-0000002.pt", "generator.safetensors",
        "discriminator.safetensors", "stats.jsonl",
        "curves.png", "tensorboard",
    }  # fmt: skip
    assert json.loads((tiny_run / "options.json").read_text())["size"] == 32
    (row,) = map(json.loads, (tiny_run / "stats.jsonl").read_text().splitlines())
    assert row["kimg"] == 0.008
    with Image.open(tiny_run / "samples-0000002.jpg") as grid:
        assert grid.size == (256, 256)


def test_a_log_shows_how_far_it_is(prepared, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("generate.training.reporting.LOG_EVERY_S", 0)

    train(prepared, tmp_path / "run", replace(OPTIONS, kimg=0.012, snapshot_kimg=0.012), device="cpu")

    assert re.search(r"8.00/12.0 .*, D=\d.*, r_t=", capsys.readouterr().err)


@pytest.mark.parametrize("imle", [0.0, 1.0])
def test_resumed_is_bit_for_bit_uninterrupted(prepared, tmp_path, imle):
    three = replace(OPTIONS, kimg=0.012, snapshot_kimg=0.004, imle=imle)
    train(prepared, tmp_path / "whole", three, device="cpu")
    train(prepared, tmp_path / "parts", replace(three, kimg=0.004), device="cpu")
    train(prepared, tmp_path / "parts", three, device="cpu")

    whole, parts = (load_file(tmp_path / run / "generator.safetensors") for run in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    whole, parts = (torch.load(tmp_path / run / "snapshot-0000003.pt", weights_only=True) for run in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 3
    assert torch.equal(whole["rng"], parts["rng"])
    for name in ("generator", "discriminator", "ema", "critic"):
        assert all(torch.equal(whole[name][key], parts[name][key]) for key in whole[name])


def test_the_pull_towards_pictures_can_begin_and_end_in_a_run(prepared, tmp_path):
    for kimg, imle in ((0.004, 0.0), (0.008, 1.0), (0.012, 0.0)):
        train(prepared, tmp_path / "run", replace(OPTIONS, kimg=kimg, imle=imle), device="cpu")

    without, pulled, again = (
        torch.load(path, weights_only=True) for path in sorted((tmp_path / "run").glob("snapshot-*"))
    )
    assert "nearest" not in without
    assert "nearest" not in again
    assert pulled["nearest"]["latents"].shape == (12, 16)
    assert pulled["nearest"]["due"] == 4 + 5 * 12
    with pytest.raises(BadParameter, match="for the r3gan discriminator"):
        train(prepared, tmp_path / "other", replace(OPTIONS, discriminator="lightweight", imle=1.0), device="cpu")
    with pytest.raises(BadParameter, match="begins at --vision-kimg 30, after the run's 20 kimg"):
        train(prepared, tmp_path / "other", replace(OPTIONS, kimg=20, vision_kimg=30.0, imle=1.0), device="cpu")
    assert not (tmp_path / "other").exists()


def test_pictures_are_pulled_from_the_second_discriminators_beginning_on(prepared, tmp_path):
    two = replace(OPTIONS, kimg=0.008, snapshot_kimg=0.004, vision_kimg=0.004, imle=1.0)
    train(prepared, tmp_path / "run", two, device="cpu")

    before, after = (
        torch.load(path, weights_only=True)["nearest"] for path in sorted((tmp_path / "run").glob("snapshot-*"))
    )
    assert not before["latents"].any()
    assert after["latents"].any(dim=1).all()


def test_the_second_discriminator_begins_at_vision_kimg(prepared, tmp_path):
    three = replace(OPTIONS, kimg=0.012, snapshot_kimg=0.004, vision_kimg=0.008)
    train(prepared, tmp_path / "run", three, device="cpu")

    snapshots = sorted((tmp_path / "run").glob("snapshot-*"))
    before, at, after = (torch.load(path, weights_only=True)["critic"] for path in snapshots)
    assert all(torch.equal(before[name], at[name]) for name in before)
    assert not torch.equal(at["heads.0.mix.weight"], after["heads.0.mix.weight"])


def test_a_run_of_an_earlier_version_continues_with_the_second_discriminator(prepared, tmp_path):
    train(prepared, tmp_path / "run", replace(OPTIONS, kimg=0.004), device="cpu")
    (snapshot,) = (tmp_path / "run").glob("snapshot-*")
    state = torch.load(snapshot, weights_only=True)
    torch.save({name: part for name, part in state.items() if name not in ("critic", "optimizer_c")}, snapshot)
    record = tmp_path / "run" / "options.json"
    record.write_text(json.dumps({k: v for k, v in json.loads(record.read_text()).items() if k != "vision_kimg"}))

    train(prepared, tmp_path / "run", OPTIONS, device="cpu")

    assert read_rows(tmp_path / "run")[-1]["step"] == 2


@pytest.mark.parametrize("discriminator", ["lightweight", "r3gan"])
def test_a_conditional_run_resumes_bit_for_bit_and_knows_its_categories(prepared, tmp_path, discriminator):
    two = replace(OPTIONS, conditional=True, discriminator=discriminator, snapshot_kimg=0.004)
    train(prepared, tmp_path / "whole", two, device="cpu")
    train(prepared, tmp_path / "parts", replace(two, kimg=0.004), device="cpu")
    train(prepared, tmp_path / "parts", two, device="cpu")

    whole, parts = (read_newest(tmp_path / run) for run in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 2
    for name in ("generator", "discriminator", "ema"):
        assert all(torch.equal(whole[name][key], parts[name][key]) for key in whole[name])
    model = load_generator(tmp_path / "whole")
    assert model.categories == ("animals", "faces", "food")
    animal, face, first = draw_pictures(model.generator, [0, 0, 0], batch_size=3, categories=[0, 1, 0])
    assert not torch.equal(animal, face)
    assert torch.equal(animal, first)


def test_one_kind_of_thing_has_no_categories(prepared, tmp_path):
    result = CliRunner().invoke(main, ["train", str(prepared / "food"), str(tmp_path / "run"), "--conditional"])

    assert result.exit_code == 2
    assert "pictures outside a category" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("kind", "mode"), [("--greyscale", "L"), ("--transparent", "RGBA")])
def test_grey_and_transparent_pictures_are_trained_sampled_and_handed_over(tmp_path, kind, mode):
    run, samples = tmp_path / "run", tmp_path / "samples"
    options = "--discriminator lightweight --kimg 0.004 --batch-size 4 --accumulate 1 --fmap-max 16 --attention 0 --device cpu"
    commands = (
        ["prepare", EMOJI, tmp_path / "prepared", "--size", "32", "--background", "transparent"],
        ["train", tmp_path / "prepared", run, kind, *options.split()],
        ["sample", run, samples / "png", "--count", "1", "--format", "png"],
        ["sample", run, samples / "jpg", "--count", "1"],
        ["export", run, tmp_path / "models" / "mine"],
        ["sample", tmp_path / "models" / "mine" / "model_1.pt", samples / "theirs", "--count", "1", "--format", "png"],
    )
    for command in commands:
        result = CliRunner().invoke(main, [*map(str, command)])
        assert result.exit_code == 0, result.output

    modes = {}
    for path in samples.rglob("0000000.*"):
        with Image.open(path) as picture:
            modes[path.parent.name] = picture.mode
    assert modes == {"png": mode, "theirs": mode, "jpg": "L" if mode == "L" else "RGB"}
    config = json.loads((tmp_path / "models" / "mine" / ".config.json").read_text())
    assert (config["greyscale"], config["transparent"]) == (mode == "L", mode == "RGBA")


def test_only_the_newest_snapshots_are_kept(prepared, tmp_path):
    train(prepared, tmp_path / "run", replace(OPTIONS, kimg=0.012, snapshot_kimg=0.004, keep=2), device="cpu")

    assert [path.name for path in sorted((tmp_path / "run").glob("*.pt"))] == [
        "snapshot-0000002.pt",
        "snapshot-0000003.pt",
    ]


@pytest.mark.parametrize("length", [0, 10, 1000, 100_000])
def test_a_snapshot_cut_anywhere_is_a_sentence(tiny_run, tmp_path, length):
    shutil.copytree(tiny_run, tmp_path / "run")
    os.truncate(tmp_path / "run" / "snapshot-0000002.pt", length)

    with pytest.raises(ClickException, match="delete it"):
        read_newest(tmp_path / "run")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_same_command_continues(prepared, tmp_path, signum):
    options = "--batch-size 4 --accumulate 1 --latent-dim 16 --fmap-max 16 --attention 0 --precision fp32".split()
    command = [sys.executable, "-m", "generate", "train", prepared, tmp_path / "run", "--kimg", "1000", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert "12 pictures of 32 px held in memory" in process.stdout.readline()
    while not (tmp_path / "run" / "tensorboard").exists():  # opened just before the first step
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signum)
    output, _ = process.communicate(timeout=300)

    assert process.returncode == 128 + signum, output
    assert "Stopping after this step; again to stop now." in output
    assert "the same command continues" in output
    (snapshot,) = (tmp_path / "run").glob("snapshot-*.pt")
    step = torch.load(snapshot, weights_only=True)["step"]
    assert step >= 1
    command[command.index("1000")] = str((step + 1) * 4 / 1000)
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True).stdout
    assert f"continuing after step {step:,}" in output


def test_other_options_on_resuming_are_refused(tiny_run):
    with pytest.raises(ClickException, match=r"started with learning_rate 0\.0003, not 0\.1"):
        train(tiny_run.parent / "prepared", tiny_run, replace(OPTIONS, learning_rate=0.1), device="cpu")


def test_unprepared_pictures_are_refused_with_the_cure(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (640, 480)).save(tmp_path / "photos" / name)

    result = CliRunner().invoke(main, ["train", str(tmp_path / "photos"), str(tmp_path / "run")])

    assert result.exit_code == 1
    assert "python -m generate prepare" in result.output
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_started_over_something_else(prepared, tmp_path):
    (tmp_path / "notes.md").write_text("mine")
    for run, reason in ((tmp_path / "notes.md", "is a file"), (tmp_path, "holds files that are not a training run")):
        result = CliRunner().invoke(main, ["train", str(prepared), str(run)])

        assert result.exit_code == 1
        assert reason in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]


@pytest.mark.parametrize("content", ["", '{"size": 3', "[]"])
def test_damaged_options_of_a_run_are_a_sentence(tiny_run, tmp_path, content):
    shutil.copytree(tiny_run, tmp_path / "run")
    (tmp_path / "run" / "options.json").write_text(content)

    with pytest.raises(ClickException, match=r"options\.json is damaged: delete that file"):
        train(tiny_run.parent / "prepared", tmp_path / "run", OPTIONS, device="cpu")


def test_too_few_pictures_are_refused(prepared, tmp_path):
    (tmp_path / "one").mkdir()
    shutil.copy(find_pictures(prepared)[0], tmp_path / "one")

    with pytest.raises(ClickException, match="1 picture is too few to train on: collect a few hundred"):
        train(tmp_path / "one", tmp_path / "run", OPTIONS, device="cpu")
    assert not (tmp_path / "run").exists()


def test_opaque_pictures_have_no_transparency_to_learn(prepared, tmp_path):
    result = CliRunner().invoke(main, ["train", str(prepared), str(tmp_path / "run"), "--transparent"])

    assert result.exit_code == 1
    assert "has no transparent picture" in result.output
    assert "--background transparent" in result.output


def test_attention_must_fit_the_pictures(prepared, tmp_path):
    result = CliRunner().invoke(main, ["train", str(prepared), str(tmp_path / "run"), "--attention", "48"])

    assert result.exit_code == 2
    assert "48 is not a power of two below" in result.output
    assert not (tmp_path / "run").exists()


def test_steps_that_are_not_finite_are_skipped_and_counted(prepared, tmp_path, monkeypatch):
    _poison(monkeypatch, steps={1})

    train(prepared, tmp_path / "run", replace(OPTIONS, kimg=0.012, snapshot_kimg=0.012), device="cpu")

    (row,) = map(json.loads, (tmp_path / "run" / "stats.jsonl").read_text().splitlines())
    assert row["skipped"] == 1
    weights = load_file(tmp_path / "run" / "generator.safetensors")
    assert all(weight.isfinite().all() for weight in weights.values())


def test_a_last_step_that_is_not_finite_is_still_saved(prepared, tmp_path, monkeypatch):
    _poison(monkeypatch, steps={1})

    train(prepared, tmp_path / "run", OPTIONS, device="cpu")

    assert (tmp_path / "run" / "snapshot-0000002.pt").exists()


def test_fid_is_measured_with_inception_where_its_weights_can_be_had(prepared, inception, tmp_path):
    train(prepared, tmp_path / "run", replace(OPTIONS, fid=str(inception)), device="cpu")

    (row,) = read_rows(tmp_path / "run")
    assert row["fid"] == pytest.approx(0, abs=1e-3)  # these weights are random, and see little
    with pytest.raises(ClickException, match="The weights of inception can't be loaded"):
        train(prepared, tmp_path / "other", replace(OPTIONS, fid=str(tmp_path / "missing.pth")), device="cpu")
    assert not (tmp_path / "other").exists()


def test_the_best_snapshot_stays_and_a_run_without_progress_ends(prepared, tmp_path, monkeypatch, capsys):
    distances = iter([3.0, 2.0, 5.0, 5.0, 5.0, 5.0])
    monkeypatch.setattr("generate.training.yardstick.frechet_distance", lambda real, fake: next(distances))
    options = replace(OPTIONS, kimg=0.02, snapshot_kimg=0.004, keep=1, patience=2)

    train(prepared, tmp_path / "run", options, device="cpu")

    assert "Stopped early: the last 2 snapshots were no better" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "run").glob("*.pt")} == {"snapshot-0000002.pt", "snapshot-0000004.pt"}
    assert load_generator(tmp_path / "run").made["step"] == 2


def test_a_run_ends_after_its_hours_and_more_let_it_go_on(prepared, tmp_path, capsys):
    run = tmp_path / "run"
    options = replace(OPTIONS, kimg=0.02, hours=1e-6)  # 3.6 ms, less than a step takes

    train(prepared, run, options, device="cpu")
    train(prepared, run, options, device="cpu")

    assert (
        capsys.readouterr().out.count("Ended at 0.004 of 0.02 kimg: --hours 1e-06 are over. Raise --hours to continue.")
        == 2
    )
    assert [row["step"] for row in read_rows(run)] == [1]

    train(prepared, run, replace(options, hours=1), device="cpu")
    assert read_rows(run)[-1]["step"] == 5


def test_adaptive_augmentation_is_steered_and_resumed(prepared, tmp_path):
    options = replace(OPTIONS, discriminator="lightweight", adaptive=True, augment_probability=0.5)
    train(prepared, tmp_path / "run", replace(options, kimg=0.004), device="cpu")
    first = torch.load(tmp_path / "run" / "snapshot-0000001.pt", weights_only=True)["probability"]
    train(prepared, tmp_path / "run", options, device="cpu")
    second = torch.load(tmp_path / "run" / "snapshot-0000002.pt", weights_only=True)["probability"]

    step = 4 / 500_000  # four pictures of the 500,000 from never to always
    assert abs(first - 0.5) == pytest.approx(step)
    assert abs(second - first) == pytest.approx(step)


def test_many_in_a_row_put_the_snapshot_back_at_half_the_rate(prepared, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("generate.training.loop.BAD_STEPS", 2)
    _poison(monkeypatch, steps={2, 3})

    train(prepared, tmp_path / "run", replace(OPTIONS, kimg=0.016, snapshot_kimg=0.008), device="cpu")

    assert "restored step 2 with half the learning rate" in capsys.readouterr().out
    state = torch.load(tmp_path / "run" / "snapshot-0000004.pt", weights_only=True)
    for optimizer in ("optimizer_g", "optimizer_d"):
        assert state[optimizer]["param_groups"][0]["initial_lr"] == 3e-4 / 2
    assert state["generator"]["out_conv.weight"].isfinite().all()


def test_a_snapshot_that_is_put_back_brings_its_probability(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("generate.training.loop.BAD_STEPS", 1)
    monkeypatch.setattr("generate.training.loop.adapt", lambda probability, *_: probability / 2)
    _poison(monkeypatch, steps={3}, function="generator_backward")
    options = replace(OPTIONS, discriminator="lightweight", adaptive=True, augment_probability=0.5)

    train(prepared, tmp_path / "run", replace(options, kimg=0.016, snapshot_kimg=0.008), device="cpu")

    assert read_newest(tmp_path / "run")["probability"] == 0.5 / 2**4  # of four steps, not of five


def test_gradients_that_stay_broken_end_with_advice(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("generate.training.loop.BAD_STEPS", 1)
    _poison(monkeypatch, steps=set(range(1, 100)))

    with pytest.raises(ClickException, match="again after three restarts: start another RUN with --precision fp32"):
        train(prepared, tmp_path / "run", replace(OPTIONS, kimg=0.1, snapshot_kimg=0.004), device="cpu")


def _poison(monkeypatch, steps: set[int], function: str = "r3gan_backward") -> None:
    """Let a gradient of the generator be NaN in these steps."""
    from generate.training import loop

    sound, calls = getattr(loop, function), iter(range(1000))

    def poisoned(players, *arguments):
        losses = sound(players, *arguments)
        if next(calls) in steps:
            players.generator.out_conv.weight.grad.fill_(torch.nan)
        return losses

    monkeypatch.setattr(loop, function, poisoned)


def test_dry_run_says_what_it_takes_and_writes_nothing(prepared, tmp_path):
    result = CliRunner().invoke(main, ["train", str(prepared), str(tmp_path / "run"), "--dry-run", "--device", "cpu"])

    assert result.exit_code == 0, result.output
    assert "18,750 steps of 16 pictures" in result.output
    assert re.search(r"generator \d+\.\d M parameters", result.output)
    assert re.search(r"about \d+ (minutes|hours) at [\d.]+ pictures/s", result.output)
    assert "memory at least" in result.output
    assert not (tmp_path / "run").exists()


def test_streamed_pictures_are_the_held_ones(prepared):
    paths = find_pictures(prepared)
    held, streamed = Pictures(load_pictures(prepared)), StreamedPictures(paths, 3, 32)
    indices = torch.tensor([3, 1, 10])

    streamed.expect(indices)

    assert len(streamed) == len(held) == 12
    assert torch.equal(streamed[indices], held[indices])
    assert torch.equal(streamed[indices], held[indices]), "asked for again, they are decoded again"


def test_a_picture_may_come_twice_in_a_batch(prepared):
    """At the end of an epoch the next one begins in the same batch."""
    paths = find_pictures(prepared)

    drawn = StreamedPictures(paths, 3, 32)[torch.tensor([3, 1, 3])]

    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn, load_pictures(prepared)[torch.tensor([3, 1, 3])])


def test_pictures_that_do_not_fit_are_streamed_and_train_alike(prepared, tmp_path, monkeypatch, capsys):
    train(prepared, tmp_path / "held", OPTIONS, device="cpu")
    monkeypatch.setattr("generate.training.dataset.FITS", 0.0)
    train(prepared, tmp_path / "streamed", OPTIONS, device="cpu")

    assert "read from their files as they are needed" in capsys.readouterr().out
    held, streamed = (load_file(tmp_path / run / "generator.safetensors") for run in ("held", "streamed"))
    assert all(torch.equal(held[name], streamed[name]) for name in held)


@pytest.mark.parametrize("discriminator", ["lightweight", "r3gan"])
def test_two_processes_train_as_one_does(prepared, tmp_path, discriminator):
    """Random numbers are drawn for the whole batch, so the losses agree but for the order of sums."""
    command = ["train", prepared, *f"--discriminator {discriminator} --conditional --kimg 0.016".split()]
    command += "--batch-size 8 --accumulate 1 --snapshot-kimg 0.008 --augment flip --augment translation".split()
    command += "--latent-dim 16 --fmap-max 16 --attention 0 --precision fp32 --device cpu --vision-kimg 0".split()
    command += ["--imle", "0.1"] if discriminator == "r3gan" else []
    one = [sys.executable, "-m", "generate", *command, tmp_path / "one"]
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    two += ["-m", "generate", *command, tmp_path / "two"]

    for started in (one, two):
        done = subprocess.run(started, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr

    assert "shared by 2 processes" in done.stdout
    assert done.stdout.count("The generator is ") == 1
    assert {p.name for p in (tmp_path / "one").iterdir()} == {p.name for p in (tmp_path / "two").iterdir()}
    rows = [read_rows(tmp_path / run, step=2) for run in ("one", "two")]
    for alone, shared, tolerance in zip(*rows, (1e-3, 5e-2), strict=True):  # Adam's first step is made of signs
        assert shared["loss_d"] == pytest.approx(alone["loss_d"], rel=tolerance)
        assert shared["loss_g"] == pytest.approx(alone["loss_g"], rel=tolerance, abs=tolerance)
        assert shared["frechet"] == pytest.approx(alone["frechet"], rel=tolerance)


@pytest.mark.slow
def test_it_learns(tmp_path):
    """From sixteen pictures, in some hundred steps, the Frechet distance falls by a seventh and more."""
    prepare(EMOJI, tmp_path / "prepared", size=32)
    sixteen = tmp_path / "sixteen"
    sixteen.mkdir()
    for path in find_pictures(tmp_path / "prepared")[:16]:
        shutil.copy(path, sixteen / f"{path.parent.name}-{path.name}")
    options = replace(
        OPTIONS, kimg=0.8, precision="auto", latent_dim=32, fmap_max=64, learning_rate=1e-3, snapshot_kimg=0.8
    )
    train(sixteen, tmp_path / "start", replace(options, kimg=0.004), device="cpu")
    train(sixteen, tmp_path / "run", options, device="cpu")

    (start,) = read_rows(tmp_path / "start", step=1)
    (end,) = read_rows(tmp_path / "run", step=200)
    assert end["frechet"] < 6 / 7 * start["frechet"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of its own doings
@pytest.mark.parametrize("kind", ["r3gan", "lightweight"])
def test_compiled_steps_compute_what_eager_ones_do(prepared, tmp_path, kind):
    for compiled in (False, True):  # of lightweight the first step is penalised, and so is never compiled
        options = replace(OPTIONS, discriminator=kind, snapshot_kimg=0.004, compile=compiled, conditional=True)
        with torch._inductor.config.patch(fallback_random=True):  # the same random numbers as eager ones
            train(prepared, tmp_path / str(compiled), options, device="cpu")

    eager, compiled = (read_rows(tmp_path / run, step=2)[1] for run in ("False", "True"))
    assert compiled["loss_d"] == pytest.approx(eager["loss_d"], rel=1e-3)
    assert compiled["loss_g"] == pytest.approx(eager["loss_g"], rel=1e-2, abs=1e-2)
