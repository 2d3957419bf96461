"""The training loop: a generator against a discriminator, the generator's average, and snapshots.

    train(Path("prepared"), Path("runs/mine"), TrainOptions(kimg=300))

The generator is FastGAN's as the lightweight-gan package builds it (Liu et al., "Towards Faster and Stabilized GAN Training
for High-fidelity Few-shot Image Synthesis", ICLR 2021). steps.py computes the gradients of a batch.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from generate.devices import choose_device
from generate.measuring.extractors import load_extractor
from generate.ranks import anyone, average_gradients, mean_over_ranks, rank, together, world
from generate.training.augment import adapt
from generate.training.averaging import ema_beta, estimate_statistics, update_average
from generate.training.choices import DOWNLOAD, TrainOptions
from generate.training.dataset import Batches, open_pictures, read_categories
from generate.training.imle import Nearest
from generate.training.options import DEFAULT, network_of, record, resolve
from generate.training.players import Players, build
from generate.training.pretrained import read_pretrained
from generate.training.reporting import print_ending, print_introduction, progress_bar, progress_values, report
from generate.training.schedule import schedule
from generate.training.snapshots import collect_signals, read_newest, restore
from generate.training.stats import Row, has_stopped_improving, is_out_of_time, overfitting_advice, read_rows
from generate.training.steps import discriminator_backward, generator_backward, r3gan_backward
from generate.training.yardstick import MIN_MEASURABLE, Yardstick

PENALTY_EVERY = 4  # steps; lazy regularization, as in the package
OPTIMIZERS = {"optimizer_g", "optimizer_d", "optimizer_c"}
BAD_STEPS = 10  # consecutive steps with NaN or infinite gradients before the newest snapshot is restored
FALLBACKS = 3  # restores before the run gives up


def train(data: Path, run: Path, options: TrainOptions = DEFAULT, device: str = "auto") -> None:
    """Train on `data` until `options.kimg` and write the result to `run`; continue a run found there.

    Under torchrun, the processes share each batch. Raises click.ClickException for unsuitable data or a run with other
    options, and SystemExit(128 + signal) when interrupted, after saving.
    """
    with together(choose_device(device)) as where:
        _train(data, run, options, where)


def _train(data: Path, run: Path, options: TrainOptions, where: torch.device) -> None:
    # ------------------------------------------------------------------ data and networks
    pictures = open_pictures(data, where, options.channels)
    categories, labels = read_categories(data) if options.conditional else ((), None)
    pretrained = read_pretrained(Path(options.start_from)) if options.start_from else None
    options = resolve(options, pictures, where, pretrained)
    network = network_of(options, pictures, categories)
    if pretrained:
        pretrained.check(network)
    if options.batch_size % world():
        raise click.BadParameter(
            f"{options.batch_size} is not a multiple of the number of processes, {world()}.", param_hint="--batch-size"
        )
    leads = rank() == 0
    weights = Path(options.fid) if options.fid not in ("", DOWNLOAD) else None
    inception = load_extractor("inception", weights, where) if leads and options.fid else None
    if leads:
        record(run, options, pictures, categories, data)

    # ------------------------------------------------------------------ build, or restore a snapshot
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    batches = Batches(pictures, labels, options.batch_size, where)
    parts = build(options, network, where)
    players = Players(
        parts["generator"],
        parts["discriminator"],
        options,
        where,
        labels,
        options.augment_probability,
        parts.get("critic"),
    )
    if options.imle:
        parts["nearest"] = Nearest(len(pictures), options.latent_dim)
    optimizer_g, optimizer_d, ema = parts["optimizer_g"], parts["optimizer_d"], parts["ema"]
    judging = [parameter for parameter in players.discriminator.parameters() if parameter.requires_grad]
    step = 0
    if state := read_newest(run):
        step, batches.order, players.probability = restore(state, parts, where)
    elif pretrained:
        pretrained.load_into(parts, network)
    per_step = options.batch_size * options.accumulate
    steps, snapshot_steps = steps_of(options.kimg, per_step), steps_of(options.snapshot_kimg, per_step)
    if leads:
        print_introduction(run, pictures, options, network, where, step, steps)
    rows = read_rows(run, step)
    yardstick = Yardstick(pictures, labels, where, inception) if leads and len(pictures) >= MIN_MEASURABLE else None

    losses, counted = torch.zeros(3, device=where), 0  # sums of (loss_d, loss_g, r_t) since the last report
    skipped, in_a_row, fallbacks, advised = 0, 0, 0, False
    last_report, started, last_shown = step, time.monotonic(), 0.0
    stopped, late = False, bool(options.hours) and anyone(is_out_of_time(rows, 0, options.hours), where)
    over = late or anyone(has_stopped_improving(rows, options.patience), where)
    with contextlib.ExitStack() as open_now:
        signals = open_now.enter_context(collect_signals(leads))
        board = open_now.enter_context(SummaryWriter(run / "tensorboard", purge_step=step)) if leads else None
        bar = open_now.enter_context(progress_bar(steps * per_step, step * per_step, leads))
        while step < steps and not stopped and not over:
            now = torch.zeros_like(losses)

            # ---------------------------------------------------------- gradients and steps of both networks
            if options.discriminator == "r3gan":
                aided = step * per_step >= 1000 * options.vision_kimg
                planned = schedule(step * per_step, options.burn_in_kimg, options.gamma)
                for optimizer in (optimizer_d, optimizer_g, parts["optimizer_c"]):
                    planned.apply(optimizer)
                pulled = options.imle > 0 and aided
                if pulled and step * per_step >= parts["nearest"].due:
                    parts["nearest"].assign(players, pictures, step * per_step)
                for _ in range(options.accumulate):
                    real, its_labels = batches.draw()
                    assigned = parts["nearest"].latents[batches.chosen] if pulled else None
                    now += (
                        r3gan_backward(players, real, its_labels, planned.gamma, aided, assigned) / options.accumulate
                    )
                    bar.update(options.batch_size)
                finite = step_if_finite(optimizer_d)  # waits for the device
                finite = step_if_finite(optimizer_g) and finite  # waits for the device
                finite = (not aided or step_if_finite(parts["optimizer_c"])) and finite
            else:
                penalised = options.gradient_penalty and step % PENALTY_EVERY == 0
                for _ in range(options.accumulate):
                    now += discriminator_backward(players, *batches.draw(), penalised) / options.accumulate
                    bar.update(options.batch_size / 2)
                finite = step_if_finite(optimizer_d)  # waits for the device
                _require_gradients(judging, False)
                for _ in range(options.accumulate):
                    now += generator_backward(players) / options.accumulate
                    bar.update(options.batch_size / 2)
                finite = step_if_finite(optimizer_g) and finite  # waits for the device
                _require_gradients(judging, True)
            step += 1

            # ---------------------------------------------------------- average; NaN recovery
            mean_over_ranks(now)
            if finite:
                update_average(ema, players.generator, ema_beta(step * per_step, per_step, options.ema_kimg))
                losses, counted, in_a_row = losses + now, counted + 1, 0
                if options.adaptive:
                    players.probability = adapt(players.probability, float(now[2]), per_step)
            else:
                skipped, in_a_row = skipped + 1, in_a_row + 1
            if in_a_row == BAD_STEPS:
                fallbacks += 1
                step, batches.order, players.probability = _fall_back(run, parts, where, fallbacks)
                bar.write(
                    f"{BAD_STEPS} steps in a row had NaN or infinite gradients: restored step {step:,} with half the learning rate"
                )
                bar.update(step * per_step - bar.n)
                losses, counted, in_a_row, last_report = torch.zeros_like(losses), 0, 0, step
                rows = read_rows(run, step)
                continue

            # ---------------------------------------------------------- snapshot and report
            stopped = anyone(bool(signals), where)
            seconds = time.monotonic() - started
            if options.hours:
                late = anyone(is_out_of_time(rows, seconds, options.hours), where)
            if step % snapshot_steps == 0 or step == steps or stopped or late:
                loss_d, loss_g, r_t = (losses / max(counted, 1)).tolist()
                row: Row = {
                    "step": step, "kimg": step * per_step / 1000, "loss_d": loss_d, "loss_g": loss_g, "r_t": r_t,
                    "augment": players.probability, "pictures_s": (step - last_report) * per_step / seconds,
                    "skipped": skipped, "seconds": seconds + (rows[-1].get("seconds", 0) if rows else 0),
                }  # fmt: skip
                if board:
                    estimate_statistics(ema, labels, where)
                    rows.append(row | (yardstick.measure(ema) if yardstick else {}))
                    made = {"pictures": len(pictures), "data": data.name, "train": asdict(options)}
                    counters = {"step": step, "order": batches.order, "probability": players.probability}
                    report(run, rows, parts, counters, network, made, options.keep, where)
                    for name, value in rows[-1].items():
                        board.add_scalar(name, value, step)
                    bar.write(" ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()))
                    if not advised and (advice := overfitting_advice(rows, options.discriminator)):
                        bar.write(advice)
                        advised = True
                over = late or anyone(has_stopped_improving(rows, options.patience), where)
                losses, counted, fallbacks = torch.zeros_like(losses), 0, fallbacks if in_a_row else 0
                last_report, started = step, time.monotonic()
            elif leads and time.monotonic() - last_shown > bar.mininterval:
                bar.set_postfix(progress_values((losses / max(counted, 1)).tolist(), where), refresh=False)
                last_shown = time.monotonic()
    print_ending(options, step * per_step / 1000, leads and over, leads and late, stopped and leads)
    if stopped:
        raise SystemExit(128 + (signals or [signal.SIGTERM])[0])


def steps_of(kimg: float, per_step: int) -> int:
    """Return the number of steps nearest to that many kimg."""
    return max(1, round(kimg * 1000 / per_step))


def step_if_finite(optimizer: torch.optim.Optimizer) -> bool:
    """Step and clear the gradients. If one of them is NaN or infinite, skip the step and return False."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    average_gradients(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    finite = bool(torch.nn.utils.get_total_norm(gradients).isfinite())
    if finite:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return finite


def _require_gradients(parameters: list[nn.Parameter], required: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(required)


def _fall_back(run: Path, parts: dict[str, Any], where: torch.device, times: int) -> tuple[int, Tensor, float]:
    """Restore the newest snapshot and halve the learning rate; return its step, order of pictures and probability."""
    state = read_newest(run)
    if state is None or times > FALLBACKS:
        raise click.ClickException(
            f"The gradients became NaN or infinite {'before the first snapshot' if state is None else 'again after three restarts'}: "
            "start another RUN with --precision fp32 or a lower --learning-rate."
        )
    rates = {name: parts["optimizer_g"].param_groups[0][name] / 2 for name in ("lr", "initial_lr")}
    restored = restore(state, parts, where)
    for name in OPTIMIZERS & parts.keys():
        for group in parts[name].param_groups:
            group.update(rates)
    return restored
