"""The training loop: two networks against each other, an average of one of them, and snapshots of everything.

    train(Path("prepared"), Path("runs/mine"), TrainOptions(kimg=800))

Liu et al., "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis"
(FastGAN), ICLR 2021, as the lightweight-gan package trains it.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from generate.devices import choose_device
from generate.figures import contact_sheet
from generate.images import atomic_path, to_picture
from generate.measuring.extractors import load_extractor
from generate.model.checkpoints import Checkpoint, read_checkpoint
from generate.model.generator import as_rgb, draw_pictures, save_generator
from generate.model.networks import Generator, NetworkOptions, build_discriminator, build_generator, share_noise
from generate.model.projected import build_projected, clamp_to_colours
from generate.ranks import anyone, average_gradients, mean_over_ranks, own_rows, rank, share_norms, together, world
from generate.training.augment import R_T_TARGET, adapt, augment
from generate.training.averaging import ema_beta, estimate_statistics, update_average
from generate.training.curves import draw_curves
from generate.training.dataset import Batches, open_pictures, read_categories
from generate.training.losses import discriminator_loss, generator_loss, gradient_penalty
from generate.training.options import DEFAULT, TrainOptions, network_of, record, resolve
from generate.training.snapshots import collect_signals, read_newest, restore, save_snapshot
from generate.training.stats import Row, best_row, is_over, read_rows, write_rows
from generate.training.yardstick import FEWEST, Yardstick

PENALTY_EVERY, PENALTY_WEIGHT = 4, 10.0  # the package's lazy gradient penalty
PATIENCE, FALLBACKS = 10, 3  # steps without finite gradients until a snapshot is put back, and how often that is tried
SHOW_EVERY_S, LOG_EVERY_S = 1.0, 60.0  # how often progress is shown on a terminal, and written where it goes to a file
DOWNLOAD = "download"  # of --fid without a file
GRID = 8  # samples-*.jpg show GRID x GRID pictures from fixed seeds


def train(data: Path, run: Path, options: TrainOptions = DEFAULT, device: str = "auto") -> None:
    """Train on `data` until `options.kimg` and leave the result in `run`; continues a run found there.

    Under torchrun all its processes share each batch. Raises click.ClickException for data or a run that doesn't fit,
    SystemExit(128 + signal) after saving when interrupted.
    """
    with together(choose_device(device)) as where:
        _train(data, run, options, where)


def _train(data: Path, run: Path, options: TrainOptions, where: torch.device) -> None:
    pictures = open_pictures(data, where, options.channels)
    categories, labels = read_categories(data) if options.conditional else ((), None)
    options = resolve(options, pictures, where)
    network = network_of(options, pictures, categories)
    projected = options.discriminator == "projected"
    beginning = _beginning(options, network)
    if options.batch_size % world():
        raise click.BadParameter(
            f"{options.batch_size} pictures can't be shared evenly by {world()} processes.", param_hint="--batch-size"
        )
    leads = rank() == 0
    weights = Path(options.fid) if options.fid not in ("", DOWNLOAD) else None
    inception = load_extractor("inception", weights, where) if leads and options.fid else None
    if leads:
        record(run, options, pictures, categories)
    torch.manual_seed(options.seed)
    random.seed(options.seed)

    generator, ema = build_generator(network), build_generator(network)
    discriminator = build_projected(len(categories)) if projected else build_discriminator(network)
    ema.load_state_dict(generator.state_dict())
    ema.eval().requires_grad_(False)
    share_norms(generator)
    share_norms(discriminator)
    share_noise(generator)
    for module in (generator, discriminator, ema):
        module.to(where)
    if options.compile:
        generator.compile()
        discriminator.compile()
    drawing = list(generator.parameters())
    judging = [parameter for parameter in discriminator.parameters() if parameter.requires_grad]
    betas, fused = (0.0, 0.99) if projected else (0.5, 0.9), where.type != "mps"
    optimizer_g = torch.optim.Adam(drawing, options.learning_rate, betas, fused=fused)
    optimizer_d = torch.optim.Adam(judging, options.learning_rate, betas, fused=fused)
    parts: dict[str, Any] = {
        "generator": generator, "discriminator": discriminator, "ema": ema,
        "optimizer_g": optimizer_g, "optimizer_d": optimizer_d,
    }  # fmt: skip
    batches = Batches(pictures, labels, options.batch_size, where)
    step, probability = 0, options.augment_probability
    if state := read_newest(run):
        restore(state, parts)
        step, batches.order, probability = state["step"], state["order"], state["probability"]
    elif beginning:
        for name in ("generator", "ema", "discriminator"):
            parts[name].load_state_dict(getattr(beginning, name))
    rows = read_rows(run, step)

    batch, per_step = options.batch_size, options.batch_size * options.accumulate
    steps, snapshot_steps = steps_of(options.kimg, per_step), steps_of(options.snapshot_kimg, per_step)

    if leads:
        click.echo(
            f"{len(pictures)} pictures of {network.size} px {pictures.where}; {steps:,} steps of {per_step} on {where} "
            f"in {options.precision}" + (f", shared by {world()} processes" if world() > 1 else "")
        )
        if step:
            click.echo(f"continuing after step {step:,} ({step * per_step / 1000:g} kimg)")
        else:
            shown = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[: GRID**2]
            _save_grid(run / "real.jpg", pictures[shown])
    yardstick = Yardstick(pictures, labels, where, inception) if leads and len(pictures) >= FEWEST else None

    def compute() -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(where.type, torch.bfloat16, enabled=options.precision == "bf16")

    def draw() -> tuple[Tensor, Tensor | None]:
        """A batch of fresh pictures, and their categories, which are as frequent as among the real ones."""
        told = None if labels is None else own_rows(labels[torch.randint(len(labels), (batch,))]).to(where)
        fresh = generator(own_rows(torch.randn(batch, options.latent_dim)).to(where), told)
        return clamp_to_colours(fresh) if projected else fresh, told

    def augmented(shown: Tensor) -> Tensor:
        return augment(shown, probability, options.augment)

    generator.train()
    discriminator.train()
    losses, counted = torch.zeros(3, device=where), 0  # of discriminator and generator, r_t: sums since the last report
    skipped, in_a_row, fallbacks = 0, 0, 0
    last_report, started, last_shown = step, time.monotonic(), 0.0
    stopped, over = False, anyone(is_over(rows, options.patience), where)
    with contextlib.ExitStack() as open_now:
        signals = open_now.enter_context(collect_signals())
        board = open_now.enter_context(SummaryWriter(run / "tensorboard", purge_step=step)) if leads else None
        show_every_s = SHOW_EVERY_S if sys.stderr.isatty() else LOG_EVERY_S
        bar = open_now.enter_context(
            tqdm(
                total=steps * per_step,
                initial=step * per_step,
                unit="img",
                unit_scale=True,
                mininterval=show_every_s,
                miniters=1,
                disable=not leads,
            )
        )
        while step < steps and not stopped and not over:
            now = torch.zeros_like(losses)

            # discriminator
            penalised = options.gradient_penalty and step % PENALTY_EVERY == 0
            judge: Callable[..., Any] = (
                discriminator.forward if penalised else discriminator
            )  # compiled code has no second derivative
            for _ in range(options.accumulate):
                real, told_real = batches.draw()
                real.requires_grad_(penalised)
                with compute():
                    with torch.no_grad():
                        fake, told_fake = draw()
                    fake = augmented(fake).float().requires_grad_(penalised)
                    *on_fake, _ = judge(fake, categories=told_fake)
                    *on_real, reconstruction = judge(augmented(real), True, told_real)
                    hinge = discriminator_loss(on_real, on_fake)
                loss = hinge + reconstruction
                if penalised:
                    loss = loss + PENALTY_WEIGHT * gradient_penalty([(on_real, real), (on_fake, fake)])
                (loss / options.accumulate).backward()
                now[0] += hinge.detach() / options.accumulate
                now[2] += on_real[0].detach().float().neg().sign().mean() / options.accumulate
            finite = step_if_finite(optimizer_d)

            # generator
            _require_gradients(judging, False)
            for _ in range(options.accumulate):
                with compute():
                    fake, told_fake = draw()
                    *on_fake, _ = discriminator(augmented(fake).float(), categories=told_fake)
                    loss = generator_loss(on_fake)
                (loss / options.accumulate).backward()  # type: ignore[no-untyped-call]
                now[1] += loss.detach() / options.accumulate
            finite = step_if_finite(optimizer_g) and finite
            _require_gradients(judging, True)

            step += 1
            mean_over_ranks(now)
            if finite:
                update_average(ema, generator, ema_beta(step * per_step, per_step, options.ema_kimg))
                losses, counted, in_a_row = losses + now, counted + 1, 0
                if options.adaptive:
                    probability = adapt(probability, float(now[2]), per_step)
            else:
                skipped, in_a_row = skipped + 1, in_a_row + 1
            if in_a_row == PATIENCE:
                fallbacks += 1
                step, batches.order = _fall_back(run, parts, fallbacks)
                bar.write(f"{PATIENCE} steps in a row were not finite: back to step {step:,} at half the learning rate")
                bar.update(step * per_step - bar.n)
                losses, counted, in_a_row, last_report = torch.zeros_like(losses), 0, 0, step
                rows = read_rows(run, step)
                continue
            stopped = anyone(bool(signals), where)
            if step % snapshot_steps == 0 or step == steps or stopped:
                loss_d, loss_g, r_t = (losses / max(counted, 1)).tolist()
                seconds = time.monotonic() - started
                row: Row = {
                    "step": step, "kimg": step * per_step / 1000, "loss_d": loss_d, "loss_g": loss_g, "r_t": r_t,
                    "augment": probability, "pictures_s": (step - last_report) * per_step / seconds, "skipped": skipped,
                    "seconds": seconds + (rows[-1].get("seconds", 0) if rows else 0),
                }  # fmt: skip
                if board:
                    estimate_statistics(ema, labels, where)
                    rows.append(row | (yardstick.measure(ema) if yardstick else {}))
                    best = best_row(rows)
                    _save_grid(run / f"samples-{step:07d}.jpg", draw_grid(ema, network))
                    if best is rows[-1]:
                        made = {"pictures": len(pictures), "data": data.name, "train": asdict(options)}
                        save_generator(run / "generator.safetensors", ema, network, best | made)
                    write_rows(run, rows)
                    counters = {"step": step, "order": batches.order, "probability": probability}
                    # the last: a run that was killed before it does all of this again
                    save_snapshot(run, parts, counters, options.keep, int(best["step"]))
                    draw_curves(run)
                    for name, value in rows[-1].items():
                        board.add_scalar(name, value, step)
                    bar.write(" ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()))
                    if r_t > R_T_TARGET:
                        bar.write(
                            f"r_t is above {R_T_TARGET}: if it stays there, the discriminator learns these by heart"
                        )
                over = anyone(is_over(rows, options.patience), where)
                losses, counted, fallbacks = torch.zeros_like(losses), 0, fallbacks if in_a_row else 0
                last_report, started = step, time.monotonic()
            elif leads and time.monotonic() - last_shown > show_every_s:
                bar.set_postfix(_shown((losses / max(counted, 1)).tolist(), where), refresh=False)
                last_shown = time.monotonic()
            bar.update(per_step)
    if leads and over:
        click.echo(f"Stopped early: {options.patience} snapshots in a row were no better. --patience lets it go on.")
    if stopped:
        if leads:
            at = f"{step * per_step / 1000:g} of {options.kimg:g} kimg"
            click.echo(f"Stopped and saved at {at}; the same command continues.")
        raise SystemExit(128 + (signals or [signal.SIGTERM])[0])


def draw_grid(ema: Generator, network: NetworkOptions) -> Tensor:
    """The same GRID x GRID seeds each time, (GRID^2, 3, H, W) uint8; the categories take turns by row."""
    seeds = range(GRID**2)
    rows = [i // GRID % len(network.categories) for i in seeds] if network.categories else None
    return draw_pictures(ema, seeds, batch_size=16, categories=rows)


def _shown(means: list[float], device: torch.device) -> dict[str, str]:
    """What stands beside the progress bar."""
    values = {"D": f"{means[0]:.2f}", "G": f"{means[1]:.2f}", "r_t": f"{means[2]:.2f}"}
    if device.type == "cuda":
        values["GPU"] = f"{torch.cuda.max_memory_reserved(device) / 2**30:.1f} GiB"
    return values


def _require_gradients(parameters: Sequence[nn.Parameter], required: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(required)


def _beginning(options: TrainOptions, network: NetworkOptions) -> Checkpoint | None:
    """The weights to start from, but no optimizer, for lightweight_gan saves none; None to start afresh."""
    if not options.start_from:
        return None
    checkpoint = read_checkpoint(Path(options.start_from))
    if options.discriminator == "projected":
        raise click.BadParameter(
            "A checkpoint of lightweight_gan holds its own discriminator: leave out --discriminator projected.",
            param_hint="--from",
        )
    if checkpoint.network != network:
        wanted = " ".join(f"{name}={value}" for name, value in asdict(checkpoint.network).items())
        raise click.ClickException(
            f"{options.start_from} is of other networks; give the options and pictures of its own: {wanted}."
        )
    return checkpoint


def steps_of(kimg: float, per_step: int) -> int:
    """How many steps of that many pictures come nearest to so many thousands."""
    return max(1, round(kimg * 1000 / per_step))


def step_if_finite(optimizer: torch.optim.Optimizer) -> bool:
    """Step and clear the gradients; without the step, and False, where one of them is NaN or infinite."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    average_gradients(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    finite = bool(torch.nn.utils.get_total_norm(gradients).isfinite())
    if finite:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return finite


def _fall_back(run: Path, parts: dict[str, Any], times: int) -> tuple[int, Tensor]:
    """Put the newest snapshot back with half the learning rate; returns its step and order of pictures."""
    state = read_newest(run)
    if state is None or times > FALLBACKS:
        raise click.ClickException(
            f"The gradients are not finite any more, {'and there is no snapshot yet' if state is None else 'again and again'}: "
            "start another RUN with --precision fp32 or a lower --learning-rate."
        )
    rate = parts["optimizer_g"].param_groups[0]["lr"] / 2
    restore(state, parts)
    for name in ("optimizer_g", "optimizer_d"):
        for group in parts[name].param_groups:
            group["lr"] = rate
    return state["step"], state["order"]


def _save_grid(path: Path, pictures: Tensor) -> None:
    with atomic_path(path) as temporary:
        contact_sheet([to_picture(p) for p in as_rgb(pictures.cpu())], GRID).save(temporary, "JPEG", quality=92)
