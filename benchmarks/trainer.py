"""The lightweight-gan package's own Trainer, as the peer that training is measured against, on a GPU and on a CPU.

trainer = open_trainer(Path("prepared"), Path("home"), options, torch.device("cpu"), amp=False)
with on_its_device(torch.device("cpu")):
    trainer.train()  # one step
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from generate.model.networks import package
from generate.training.choices import TrainOptions

NEVER = 10**9  # steps


class TorchOn:
    """torch as the package sees it where there is no CUDA: every device it names is this one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device(self, _: str) -> torch.device:
        return self._device


@contextlib.contextmanager
def on_its_device(device: torch.device) -> Iterator[None]:
    """Within this context the package works there, though it was made for CUDA alone."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(package, "Blur", package.Blur))  # the Trainer replaces it for good
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of the package's own use of torch
        if device.type != "cuda":
            stack.enter_context(mock.patch.object(package, "torch", TorchOn(device)))
            for owner in (torch.Tensor, nn.Module):
                stack.enter_context(mock.patch.object(owner, "cuda", lambda self, *_: self.to(device)))
        yield


def open_trainer(data: Path, home: Path, size: int, options: TrainOptions, device: torch.device, amp: bool) -> Any:
    """A Trainer with the same options as a run of ours, its networks built and its loader started.

    Its checkpoints and pictures are written every 1,000 steps and more often early on; here they never are.
    """
    with on_its_device(device):
        trainer = package.Trainer(
            "theirs",
            base_dir=home,
            use_aim=False,
            image_size=size,
            latent_dim=options.latent_dim,
            fmap_max=options.fmap_max,
            attn_res_layers=list(options.attention),
            disc_output_size=options.disc_output_size,
            batch_size=options.batch_size,
            gradient_accumulate_every=options.accumulate,
            lr=options.learning_rate,
            aug_types=["translation"],
            save_every=NEVER,
            evaluate_every=NEVER,
            amp=amp,
        )
        trainer.evaluate = lambda *_, **__: None
        trainer.save = lambda *_: None
        trainer.set_data_src(data)
        trainer.init_GAN()
    return trainer
