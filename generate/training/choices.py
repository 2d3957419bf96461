"""The choices of a training run: what `train`'s options, options.json and the loop share, without torch."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = -1  # stands for what options.defaults_of says
AUGMENTATIONS = ("flip", "translation", "cutout", "colour")
DOWNLOAD = "download"  # of --fid without a file


@dataclass(frozen=True)
class TrainOptions:
    """What a run is made with; written to RUN/options.json before it starts. AUTO stands for what `options.defaults_of` says."""

    kimg: float = 300.0  # thousands of real pictures shown to the discriminator
    discriminator: str = "auto"  # "r3gan" or "lightweight"; auto: r3gan, or what start_from was trained with
    conditional: bool = False  # one model for all categories, told which
    batch_size: int = AUTO
    accumulate: int = AUTO  # batches a step
    learning_rate: float = AUTO
    gamma: float = AUTO  # R3GAN's: weight of the gradient penalty, at first
    burn_in_kimg: float = AUTO  # R3GAN's: until the schedule has reached its end
    width: int = AUTO  # R3GAN's: feature maps of the discriminator's first layer
    gradient_penalty: bool = True  # lightweight's: with or without
    augment: tuple[str, ...] = ("auto",)
    augment_probability: float = AUTO
    adaptive: bool = False  # lightweight's: steer that probability by r_t
    ema_kimg: float = AUTO  # half-life of the generator's average
    latent_dim: int = AUTO
    fmap_max: int = AUTO
    fmap_inverse_coef: int = AUTO
    attention: tuple[int, ...] = (AUTO,)
    disc_output_size: int = 1  # lightweight's
    channels: int = 3  # 1: grey, 4: RGBA
    precision: str = "auto"
    compile: bool = False
    seed: int = 0
    snapshot_kimg: float = 10.0
    keep: int = 3
    patience: int = 10  # snapshots without a better one until the run ends
    fid: str = ""  # Inception's weights, or "download"
    start_from: str = ""  # a run, a generator.safetensors, or a checkpoint of the lightweight_gan command
