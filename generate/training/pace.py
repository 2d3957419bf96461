"""Predict how long a run will take, by timing a few steps of throwaway networks."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from generate.model.networks import NetworkOptions, build_discriminator, build_generator
from generate.model.r3gan import build_r3gan
from generate.ranks import world
from generate.training.choices import TrainOptions
from generate.training.dataset import Pictures
from generate.training.players import Players, build
from generate.training.steps import discriminator_backward, generator_backward, r3gan_backward
from generate.units import plural

TIMED_BATCHES = 3  # after a warm-up
LONG_H = 12.0  # longer runs get advice


def announce(
    options: TrainOptions, network: NetworkOptions, pictures: Pictures, device: torch.device, count: int
) -> list[str]:
    """Return lines that say how long `count` pictures will take and, if that is long, how to shorten it.

    Empty if several processes share the work: then the progress bar tells.
    """
    if world() > 1 or not count:
        return []
    pictures_s = measure_pace(options, network, pictures, device)
    hours = count / pictures_s / 3600
    lines = [f"about {hours_text(hours)} at {pictures_s:.3g} pictures/s, reports not counted"]
    if 0 < options.hours < hours:
        kimg = options.hours * 3.6 * pictures_s
        lines.append(f"--hours ends it after {hours_text(options.hours)}, at about {kimg:.2g} kimg")
    elif hours > LONG_H:
        if network.size > 32:
            smaller = hours * flop(options, replace(network, size=network.size // 2)) / flop(options, network)
            lines.append(f"pictures of {network.size // 2} px would take about {hours_text(smaller)}")
        if options.discriminator == "lightweight" and device.type == "cpu":
            lines.append("leave out --discriminator lightweight: on a CPU the default learns several times as fast")
    return lines


def measure_pace(options: TrainOptions, network: NetworkOptions, pictures: Pictures, device: torch.device) -> float:
    """Measure the pictures/s of training on a few batches of fresh networks, without touching the run's random state."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        parts = build(replace(options, compile=False), network, device)
        known = len(network.categories)
        labels = torch.arange(max(known, 1)) if known else None
        players = Players(parts["generator"], parts["discriminator"], options, device, labels, 1.0, parts.get("critic"))
        seconds = []
        for _ in range(1 + TIMED_BATCHES):
            chosen = torch.randint(len(pictures), (options.batch_size,))
            real = pictures[chosen].to(device).float().div(255).contiguous(memory_format=torch.channels_last)
            real_labels = labels[torch.randint(known, (options.batch_size,))].to(device) if labels is not None else None
            started = time.perf_counter()
            _train_on(players, real, real_labels)
            _wait_for(device)
            seconds.append(time.perf_counter() - started)
    return options.batch_size * TIMED_BATCHES / sum(seconds[1:])


def _train_on(players: Players, real: torch.Tensor, labels: torch.Tensor | None) -> None:
    if players.options.discriminator == "r3gan":
        options = players.options
        aided = options.vision_kimg < options.kimg
        assigned = torch.randn(options.batch_size, options.latent_dim) if options.imle and aided else None
        r3gan_backward(players, real, labels, options.gamma, aided, assigned)
    else:  # without the penalty, which doubles the time of every fourth step
        discriminator_backward(players, real, labels, False)
        generator_backward(players)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def flop(options: TrainOptions, network: NetworkOptions) -> int:
    """Count the floating point operations of a forward pass through both networks, per picture."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        r3gan = options.discriminator == "r3gan"
        discriminator = build_r3gan(network, options.width) if r3gan else build_discriminator(network)
        labels = torch.zeros(2, dtype=torch.long) if network.categories else None
        drawn = build_generator(network)(torch.randn(2, network.latent_dim), labels)
        discriminator(drawn, categories=labels)
    return int(counter.get_total_flops() // 2)


def hours_text(hours: float) -> str:
    """Format a time as minutes, hours or days."""
    if hours < 2:
        return plural(max(1, round(60 * hours)), "minute")
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.1f} days"
