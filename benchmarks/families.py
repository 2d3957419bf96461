"""Drawing with other families' generators: pictures a second, ours against the original's way of computing it.

    python -m benchmarks.families --count 8

StyleGAN2 at 256 px and BigGAN-deep at 128 px, random weights. The originals, in full precision, the best of three batch
sizes: StyleGAN2 with a modulated kernel for each picture and a grouped convolution, BigGAN-deep as pytorch-pretrained-biggan
computes it. Ours as `sample` draws. Both take turns, medians of the rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import click
import torch
import torch.nn.functional as F
from pytorch_pretrained_biggan import BigGAN as Published
from pytorch_pretrained_biggan import BigGANConfig
from torch import Tensor

from generate.devices import choose_device, choose_precision
from generate.model.biggan.model import BigGAN
from generate.model.biggan.network import Generator as BigGANGenerator
from generate.model.biggan.network import Options as BigGANOptions
from generate.model.biggan.weights import fold_spectral_norms
from generate.model.imagenet import imagenet_kinds
from generate.model.stylegan2.model import StyleGAN2
from generate.model.stylegan2.network import EPSILON, GAIN, SLOPE, Convolution, Generator, Options, ToRGB

BATCHES = (1, 4, 8)
STYLEGAN2_256 = Options(  # the published configuration: base 16384, at most 512
    latent_dim=512,
    w_dim=512,
    categories=0,
    embedding_dim=0,
    mapping=(512,) * 8,
    widths=(512, 512, 512, 512, 256, 128, 64),
    channels=3,
    clamp=256.0,
)


@click.command()
@click.option("--count", type=int, default=8, show_default=True, help="Pictures in a turn.")
@click.option("--rounds", type=int, default=3, show_default=True)
@click.option("--device", default="auto", show_default=True)
def main(count: int, rounds: int, device: str) -> None:
    """Measure drawing with other families against the originals' way of computing it."""
    where = choose_device(device)
    precision = choose_precision("auto", where)
    print(f"{count} pictures, on {where}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    model = random_stylegan2(STYLEGAN2_256, where)
    compare("StyleGAN2, 256 px", model, partial(original_stylegan2, model.generator), 512, precision, count, rounds)
    theirs, ours = random_biggan(where)
    compare("BigGAN-deep, 128 px", ours, partial(original_biggan, theirs), 128, precision, count, rounds)


def compare(
    name: str,
    model: StyleGAN2 | BigGAN,
    original: Callable[[Tensor], Tensor],
    latent_dim: int,
    precision: str,
    count: int,
    rounds: int,
) -> None:
    """Print the rates of both, and how much their pictures differ."""
    latents = torch.randn(max(BATCHES), latent_dim, device=model.device)
    rates: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for batch in BATCHES:
            work = [latents[:batch]] * max(1, count // batch)
            rates.setdefault(f"original, fp32, {batch}", []).append(per_s(original, work))
        for kind in dict.fromkeys(("fp32", precision)):
            seeds = [[seed] for seed in range(count)]
            rates.setdefault(f"ours, {kind}", []).append(
                per_s(
                    lambda some, k=kind: (
                        model.draw(some, [0], precision=k) if model.categories else model.draw(some, precision=k)
                    ),
                    seeds,
                )
            )
    medians = {key: median(values[1:]) for key, values in rates.items()}  # the first turn warms up
    best = max(rate for key, rate in medians.items() if key.startswith("original"))
    print(name)
    for key, rate in medians.items():
        print(f"  {key:22} {rate:8.2f} pictures/s  {rate / best:6.2f} x the original")
    told = [0] * 4 if model.categories else None
    exact, fast = (model.draw(range(4), told, precision=kind).float() for kind in ("fp32", precision))
    print(f"  {precision} differs by {(exact - fast).abs().mean():.2f} of 255 levels in the mean")


@torch.inference_mode()
def per_s(draw: Callable[..., Tensor], work: list) -> float:
    """Pictures a second."""
    started = time.perf_counter()
    for some in work:
        drawn = draw(some)
    drawn[0, 0, 0, 0].item()  # a GPU is waited for here
    return sum(map(len, work)) / (time.perf_counter() - started)


def random_stylegan2(options: Options, device: torch.device) -> StyleGAN2:
    """As training begins: weights of deviation 1, styles about 1."""
    generator = Generator(options).eval()
    source = torch.Generator().manual_seed(0)
    for name, buffer in generator.named_buffers():
        if name.endswith("taps"):
            continue
        buffer.normal_(generator=source)
        if name.endswith(("affine.weight", "layers.weight")) or ".layers." in name:
            buffer.mul_(buffer.shape[-1] ** -0.5)
        elif name.endswith("affine.bias"):
            buffer.mul_(0.1).add_(1)
        elif name.endswith(("bias", "noise")):
            buffer.mul_(0.1)
    for module in generator.modules():
        if isinstance(module, Convolution):
            kernel = module.weight.transpose(0, 1) if module.up else module.weight
            module.squares.copy_(kernel.square().sum(dim=(2, 3)))
        elif isinstance(module, ToRGB):
            module.weight.mul_(0.3 * module.weight.shape[1] ** -0.5)
    return StyleGAN2(generator.to(device), "StyleGAN2-ADA", (), "0" * 32)


def random_biggan(device: torch.device) -> tuple[Published, BigGAN]:
    """The package's network as it is initialized, and ours with the same weights."""
    torch.manual_seed(0)
    config = BigGANConfig()
    theirs = Published(config).eval()
    torch.nn.init.ones_(theirs.generator.bn.weight)  # the package leaves these two as memory was
    torch.nn.init.zeros_(theirs.generator.bn.bias)
    weights = fold_spectral_norms(theirs.state_dict())
    embeddings = weights.pop("embeddings.weight").T.contiguous().to(device)
    layers = tuple((doubles, dim, dim_out) for doubles, dim, dim_out in config.layers)
    generator = BigGANGenerator(BigGANOptions(layers=layers)).eval()
    generator.load_state_dict({name.removeprefix("generator."): weight for name, weight in weights.items()})
    names = tuple(kind.name for kind in imagenet_kinds())
    generator = generator.to(device, memory_format=torch.channels_last)
    return theirs.to(device), BigGAN(generator, embeddings, names, "0" * 32)


def original_biggan(theirs: Published, latents: Tensor) -> Tensor:
    """Latents (N, 128) to pictures (N, 3, 128, 128) of the first category."""
    labels = torch.zeros(len(latents), 1000, device=latents.device)
    labels[:, 0] = 1
    return theirs(latents, labels, 1.0)


# StyleGAN2's original way: one kernel a picture


def original_stylegan2(generator: Generator, latents: Tensor) -> Tensor:
    """Latents (N, latent_dim) to pictures (N, 3, size, size)."""
    w = generator.mapping(latents)
    x = generator.synthesis.const.expand(len(w), -1, -1, -1)
    picture = None
    for block in generator.synthesis.blocks:
        if block.conv0 is not None:
            x = original_convolution(block.conv0, x, w)
        x = original_convolution(block.conv1, x, w)
        kernel = block.torgb.weight * block.torgb.affine(w)[:, None]
        seen = (grouped(x, kernel[..., None, None]) + block.torgb.bias).clamp(-256, 256)
        picture = seen if picture is None else original_doubled(picture, block.taps) + seen
    return picture


def original_convolution(layer: Convolution, x: Tensor, w: Tensor) -> Tensor:
    weight = layer.weight.transpose(0, 1) if layer.up else layer.weight
    kernel = weight * layer.affine(w)[:, None, :, None, None]  # (N, O, I, 3, 3)
    kernel = kernel * torch.rsqrt(kernel.square().sum(dim=(2, 3, 4), keepdim=True) + EPSILON)
    if layer.up:
        count, outputs = kernel.shape[:2]
        joined = kernel.transpose(1, 2).reshape(-1, outputs, 3, 3)
        x = F.conv_transpose2d(x.reshape(1, -1, *x.shape[2:]), joined, stride=2, groups=count)
        x = x.reshape(count, outputs, *x.shape[2:])
        x = F.conv2d(x, layer.taps, padding=1, groups=outputs)
    else:
        x = grouped(x, kernel)
    x = F.leaky_relu(x + layer.noise + layer.bias, SLOPE) * GAIN
    return x.clamp(-256, 256)


def grouped(x: Tensor, kernel: Tensor) -> Tensor:
    """Every picture's maps with its own kernel, (N, O, I, k, k)."""
    joined = x.reshape(1, -1, *x.shape[2:])
    drawn = F.conv2d(joined, kernel.flatten(0, 1), padding=kernel.shape[-1] // 2, groups=len(kernel))
    return drawn.reshape(*kernel.shape[:2], *x.shape[2:])


def original_doubled(picture: Tensor, taps: Tensor) -> Tensor:
    """Zeros between, a border of 2 and 1, the filter."""
    count, channels, height, width = picture.shape
    spread = picture.new_zeros(count, channels, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = picture
    return F.conv2d(F.pad(spread, (2, 1, 2, 1)), taps, groups=channels)


if __name__ == "__main__":
    main()
