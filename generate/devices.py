"""Choose the device that networks run on, and their precision, as --device and --precision say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # torch is slow to import
    import torch

PRECISIONS = ("auto", "bf16", "fp32")


def choose_device(name: str) -> torch.device:
    """ "auto" is CUDA, else Apple's MPS, else the CPU. Raises click.BadParameter if the device is unavailable."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise click.BadParameter(
            f"{name!r} can't be used here ({reason}); use auto or cpu.", param_hint="--device"
        ) from None
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """ "auto" is bf16 if the processor supports it in hardware, else fp32."""
    import torch

    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return "bf16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "fp32"
