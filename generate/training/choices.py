"""Options of a training run, shared by `train`, options.json and the loop. Does not import torch."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = -1  # replaced by the value from options.defaults_of
AUGMENTATIONS = ("flip", "translation", "cutout", "colour")
DOWNLOAD = "download"  # of --fid without a file


@dataclass(frozen=True)
class TrainOptions:
    """A run's options, written to RUN/options.json before it starts. `options.defaults_of` replaces AUTO."""

    kimg: float = 300.0  # thousands of real pictures shown to the discriminator
    hours: float = 0.0  # limit on the training time of all starts together; 0: none
    discriminator: str = "auto"  # "r3gan" or "lightweight"; auto: r3gan, or what start_from was trained with
    conditional: bool = False  # one class-conditional model for all categories
    batch_size: int = AUTO
    accumulate: int = AUTO  # batches per step
    learning_rate: float = AUTO
    gamma: float = AUTO  # R3GAN's: initial weight of the gradient penalty
    burn_in_kimg: float = AUTO  # R3GAN's: length of its schedule
    width: int = AUTO  # R3GAN's: feature maps of the discriminator's first layer
    vision_kimg: float = AUTO  # R3GAN's: when a second discriminator begins, on features of a frozen EfficientNet-lite0
    imle: float = 0.0  # R3GAN's: weight of a loss that pulls a sample towards each training picture
    gradient_penalty: bool = True  # lightweight's
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
    patience: int = 10  # snapshots without improvement before the run ends
    fid: str = ""  # Inception's weights, or "download"
    start_from: str = ""  # a run, a generator.safetensors, or a checkpoint of the lightweight_gan command
