"""Train a Lightweight GAN on a folder of prepared pictures, on CUDA, Apple's MPS or the CPU.

    python -m generate train prepared runs/mine --kimg 800

Liu et al., "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis"
(FastGAN), ICLR 2021, as the lightweight-gan package trains it. RUN gets options.json, snapshot-*.pt
(everything: a rerun continues where it stopped), generator.safetensors (the averaged generator),
samples-*.jpg and stats.jsonl.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torchvision.transforms.functional import to_pil_image
from tqdm import tqdm

from generate.augment import augment
from generate.checkpoints import read_checkpoint
from generate.generator import choose_device, draw_pictures, save_generator
from generate.images import atomic_path, contact_sheet, load_pictures, write_text
from generate.losses import discriminator_loss, generator_loss, gradient_penalty
from generate.networks import NetworkOptions, build_discriminator, build_generator
from generate.snapshots import collect_signals, read_newest, restore, save_snapshot

PENALTY_EVERY, PENALTY_WEIGHT = 4, 10.0  # the package's lazy gradient penalty
STATISTICS_BATCHES, STATISTICS_BATCH = 16, 16
GRID = 8  # samples-*.jpg show GRID x GRID pictures from fixed seeds
MAY_CHANGE = {"kimg", "snapshot_kimg", "keep"}  # on resuming; anything else would make another run


@dataclass(frozen=True)
class TrainOptions:
    """What a run is made with; written to RUN/options.json before it starts."""

    kimg: float = 800.0  # thousands of real pictures shown to the discriminator
    batch_size: int = 16
    accumulate: int = 4  # batches a step
    learning_rate: float = 2e-4
    augment_probability: float = -1.0  # -1: by the number of pictures, as the package does
    ema_kimg: float = 10.0  # half-life of the generator's average
    latent_dim: int = 256
    fmap_max: int = 512
    attention: tuple[int, ...] = (32,)
    disc_output_size: int = 1
    precision: str = "auto"
    seed: int = 0
    snapshot_kimg: float = 20.0
    keep: int = 3
    start_from: str = ""  # a checkpoint of the lightweight_gan command


DEFAULT = TrainOptions()


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--kimg",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULT.kimg,
    show_default=True,
    help="Length of the run, in thousands of real pictures shown.",
)
@click.option("--batch-size", type=click.IntRange(1), default=DEFAULT.batch_size, show_default=True)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=DEFAULT.accumulate,
    show_default=True,
    help="Batches whose gradients make one step.",
)
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), default=DEFAULT.learning_rate, show_default=True
)
@click.option(
    "--augment-probability",
    type=click.FloatRange(0, 1),
    help="How often the discriminator sees a moved or mirrored picture.  [default: by the number of pictures]",
)
@click.option(
    "--ema-kimg",
    type=click.FloatRange(0),
    default=DEFAULT.ema_kimg,
    show_default=True,
    help="Half-life of the averaged generator.",
)
@click.option("--latent-dim", type=click.IntRange(1), default=DEFAULT.latent_dim, show_default=True)
@click.option(
    "--fmap-max",
    type=click.IntRange(4),
    default=DEFAULT.fmap_max,
    show_default=True,
    help="Most feature maps in a layer.",
)
@click.option(
    "--attention",
    type=int,
    multiple=True,
    default=DEFAULT.attention,
    show_default=True,
    help="Resolution that gets an attention layer; repeat it for more, 0 for none.",
)
@click.option("--disc-output-size", type=click.Choice([1, 5]), default=DEFAULT.disc_output_size, show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    default=DEFAULT.precision,
    show_default=True,
    help="auto: bf16 where the hardware computes it.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cuda, cuda:1, mps or cpu.")
@click.option("--seed", type=int, default=DEFAULT.seed, show_default=True)
@click.option(
    "--snapshot-kimg",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULT.snapshot_kimg,
    show_default=True,
    help="How often to save, in thousands of pictures.",
)
@click.option("--keep", type=click.IntRange(1), default=DEFAULT.keep, show_default=True, help="Newest snapshots kept.")
@click.option("--start-from", default="", help="Begin with the weights of a model_N.pt of the lightweight_gan command.")
def command(data: Path, run: Path, device: str, augment_probability: float | None, **options: Any) -> None:
    """Train a Lightweight GAN on the pictures that `prepare` made.

    Run again, it continues from RUN's newest snapshot; Ctrl-C saves one first. Watch RUN/samples-*.jpg.

    \b
    Example:
      python -m generate train prepared runs/mine --kimg 800
    """
    options["attention"] = tuple(resolution for resolution in options["attention"] if resolution)
    if augment_probability is not None:
        options["augment_probability"] = augment_probability
    train(data, run, TrainOptions(**options), device=device)
    click.echo(f"The generator is in {run / 'generator.safetensors'}; samples are in {run}.")
    click.echo(f"Next: python -m generate refill {run} bucket --count 384")


def train(data: Path, run: Path, options: TrainOptions = DEFAULT, device: str = "auto") -> None:
    """Train on `data` until `options.kimg` and leave the result in `run`; continues a run found there.

    Raises click.ClickException for data or a run that doesn't fit, SystemExit(128 + signal) after saving when
    interrupted.
    """
    pictures = load_pictures(data)  # (N, 3, H, W) uint8
    where = choose_device(device)
    options = _resolve(options, pictures, where)
    _check_run(run, options, pictures)
    torch.manual_seed(options.seed)
    random.seed(options.seed)

    network = NetworkOptions(
        pictures.shape[-1], options.latent_dim, options.fmap_max, options.attention, options.disc_output_size
    )
    generator, discriminator, ema = build_generator(network), build_discriminator(network), build_generator(network)
    ema.load_state_dict(generator.state_dict())
    ema.eval().requires_grad_(False)
    for module in (generator, discriminator, ema):
        module.to(where)
    betas = (0.5, 0.9)
    optimizer_g = torch.optim.Adam(generator.parameters(), options.learning_rate, betas, fused=where.type != "mps")
    optimizer_d = torch.optim.Adam(discriminator.parameters(), options.learning_rate, betas, fused=where.type != "mps")
    parts = {
        "generator": generator, "discriminator": discriminator, "ema": ema,
        "optimizer_g": optimizer_g, "optimizer_d": optimizer_d,
    }  # fmt: skip
    batches = Batches(pictures.to(where), options.batch_size)
    step = 0
    if state := read_newest(run):
        restore(state, parts)
        step, batches.order = state["step"], state["order"]
    elif options.start_from:
        _start_from(Path(options.start_from), network, parts)

    batch, per_step = options.batch_size, options.batch_size * options.accumulate
    steps, snapshot_steps = _steps(options.kimg, per_step), _steps(options.snapshot_kimg, per_step)
    probability = options.augment_probability

    click.echo(
        f"{len(pictures)} pictures of {network.size} px on {where} in {options.precision}, {steps:,} steps of {per_step}"
    )
    if step:
        click.echo(f"continuing after step {step:,} ({step * per_step / 1000:g} kimg)")
    else:
        _save_grid(run / "real.jpg", pictures[torch.randperm(len(pictures))[: GRID**2]])

    def compute() -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(where.type, torch.bfloat16, enabled=options.precision == "bf16")

    def latents() -> Tensor:
        return torch.randn(batch, options.latent_dim).to(where)

    generator.train()
    discriminator.train()
    losses = torch.zeros(3, device=where)  # discriminator, generator, r_t; summed on the device since the last report
    last_report, started = step, time.monotonic()
    with collect_signals() as stop, tqdm(total=steps, initial=step, unit="step", disable=None) as bar:
        while step < steps and not stop:
            # discriminator
            penalised = step % PENALTY_EVERY == 0
            for _ in range(options.accumulate):
                real = batches.draw().requires_grad_(penalised)
                with compute():
                    with torch.no_grad():
                        fake = generator(latents())
                    fake = augment(fake, probability).float().requires_grad_(penalised)
                    on_fake = discriminator(fake)[:2]
                    *on_real, reconstruction = discriminator(augment(real, probability), calc_aux_loss=True)
                    hinge = discriminator_loss(on_real, on_fake)
                loss = hinge + reconstruction
                if penalised:
                    loss = loss + PENALTY_WEIGHT * gradient_penalty([(on_real, real), (on_fake, fake)])
                (loss / options.accumulate).backward()
                losses[0] += hinge.detach() / options.accumulate
                losses[2] += on_real[0].detach().float().neg().sign().mean() / options.accumulate
            optimizer_d.step()
            optimizer_d.zero_grad(set_to_none=True)

            # generator
            discriminator.requires_grad_(False)
            for _ in range(options.accumulate):
                with compute():
                    loss = generator_loss(discriminator(augment(generator(latents()), probability))[:2])
                (loss / options.accumulate).backward()  # type: ignore[no-untyped-call]
                losses[1] += loss.detach() / options.accumulate
            optimizer_g.step()
            optimizer_g.zero_grad(set_to_none=True)
            discriminator.requires_grad_(True)
            step += 1
            update_average(ema, generator, ema_beta(step * per_step, per_step, options.ema_kimg))
            bar.update()
            if step % snapshot_steps == 0 or step == steps or stop:
                kimg = step * per_step / 1000
                means = (losses / (step - last_report)).tolist()
                _check_finite(means, kimg, run)
                rate = (step - last_report) * per_step / (time.monotonic() - started)
                report = dict(zip(("kimg", "loss_d", "loss_g", "r_t", "pictures_s"), (kimg, *means, rate), strict=True))
                bar.write(" ".join(f"{name} {value:.4g}" for name, value in report.items()))
                estimate_statistics(ema, options.latent_dim, where)
                _save_grid(run / f"samples-{step:07d}.jpg", draw_pictures(ema, range(GRID**2), batch_size=16))
                save_snapshot(run, parts, batches.order, step, options.keep)
                made = {"kimg": kimg, "pictures": len(pictures), "data": data.name, "train": asdict(options)}
                save_generator(run / "generator.safetensors", ema, network, made)
                with (run / "stats.jsonl").open("a") as log:
                    log.write(json.dumps({name: round(value, 5) for name, value in report.items()}) + "\n")
                losses.zero_()
                last_report, started = step, time.monotonic()
    if stop:
        click.echo(
            f"Stopped and saved at {step * per_step / 1000:g} of {options.kimg:g} kimg; the same command continues."
        )
        raise SystemExit(128 + stop[0])


def ema_beta(shown: int, per_step: int, ema_kimg: float) -> float:
    """What the average keeps of itself in a step of `per_step` pictures, for a half-life of `ema_kimg`.

    The half-life is never over a twentieth of the pictures shown so far, so that an average of an early
    generator isn't one of its random start (Karras et al., "Training GANs with Limited Data", 2020: EMA ramp-up).
    """
    half_life = min(1000 * ema_kimg, shown / 20)
    return float(0.5 ** (per_step / half_life)) if half_life else 0.0


@torch.no_grad()
def update_average(ema: nn.Module, generator: nn.Module, beta: float) -> None:
    """ema = beta ema + (1 - beta) generator, over the weights."""
    for averaged, current in zip(ema.parameters(), generator.parameters(), strict=True):
        averaged.lerp_(current, 1 - beta)


def estimate_statistics(ema: nn.Module, latent_dim: int, device: torch.device) -> None:
    """Measure the batch norm statistics of the averaged weights, which those of no single generator fit.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018, section 3.2.
    Its random numbers are its own, so that looking at the average does not change the training.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        latents = [torch.randn(STATISTICS_BATCH, latent_dim) for _ in range(STATISTICS_BATCHES)]
        update_bn(latents, ema, device)


class Batches:
    """Endless shuffled batches of pictures (N, 3, H, W), 0..1, from uint8 ones kept on the device."""

    def __init__(self, pictures: Tensor, size: int) -> None:
        self.pictures, self.size = pictures, size
        self.order = torch.empty(0, dtype=torch.long)

    def draw(self) -> Tensor:
        while len(self.order) < self.size:
            self.order = torch.cat((self.order, torch.randperm(len(self.pictures))))
        chosen, self.order = self.order[: self.size], self.order[self.size :]
        batch = self.pictures[chosen.to(self.pictures.device)].float() / 255
        return batch.contiguous(memory_format=torch.channels_last)


def _start_from(path: Path, network: NetworkOptions, parts: dict[str, Any]) -> None:
    """Take the weights, but no optimizer, for lightweight_gan saves none."""
    checkpoint = read_checkpoint(path)
    if checkpoint.network != network:
        wanted = " ".join(f"{name}={value}" for name, value in asdict(checkpoint.network).items())
        raise click.ClickException(f"{path} is of other networks; give the options and pictures of its own: {wanted}.")
    for name in ("generator", "ema", "discriminator"):
        parts[name].load_state_dict(getattr(checkpoint, name))


def _resolve(options: TrainOptions, pictures: Tensor, device: torch.device) -> TrainOptions:
    """Fill in what the defaults stand for with these pictures, so that options.json says what was done."""
    if options.precision == "auto":
        options = replace(options, precision="bf16" if _computes_bf16(device) else "fp32")
    if options.augment_probability < 0:
        options = replace(options, augment_probability=min(0.5, max(0.0, (1e5 - len(pictures)) * 3e-6)))
    if options.attention == DEFAULT.attention:  # small pictures have no layer of that resolution
        options = replace(options, attention=tuple(r for r in options.attention if r < pictures.shape[-1]))
    return options


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def _check_run(run: Path, options: TrainOptions, pictures: Tensor) -> None:
    """Write RUN/options.json, or see that an existing run was started with the same."""
    size = pictures.shape[-1]
    for resolution in options.attention:
        if resolution >= size or resolution & (resolution - 1):
            raise click.BadParameter(
                f"{resolution} is not a power of two below the pictures' {size}.", param_hint="--attention"
            )
    now = json.loads(json.dumps({"size": size, "pictures": len(pictures)} | asdict(options)))
    if (run / "options.json").exists():
        before = json.loads((run / "options.json").read_text())
        for name, value in now.items():
            if name not in MAY_CHANGE and before.get(name) != value:
                raise click.ClickException(
                    f"{run} was started with {name} {before.get(name)}, not {value}: "
                    f"give it the same to continue, or choose another RUN. Only {', '.join(sorted(MAY_CHANGE))} may change."
                )
    write_text(run / "options.json", json.dumps(now, indent=2) + "\n")


def _steps(kimg: float, per_step: int) -> int:
    return max(1, round(kimg * 1000 / per_step))


def _check_finite(means: list[float], kimg: float, run: Path) -> None:
    if not all(torch.isfinite(torch.tensor(means))):
        raise click.ClickException(
            f"The losses are no longer numbers at {kimg:g} kimg. The snapshots in {run} are from before; "
            "start another run with a lower --learning-rate or --precision fp32."
        )


def _save_grid(path: Path, pictures: Tensor) -> None:
    with atomic_path(path) as temporary:
        contact_sheet([to_pil_image(p) for p in pictures], GRID).save(temporary, "JPEG", quality=92)
