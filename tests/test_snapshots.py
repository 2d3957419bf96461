"""snapshots: what is in them besides weights; resuming from them is in test_train.py."""

from __future__ import annotations

import pytest
import torch

from generate.training import snapshots
from generate.training.snapshots import read_newest, restore, save_snapshot


class PretendedDevice:
    """Where torch.cuda or torch.mps would hold a device's random numbers."""

    def __init__(self) -> None:
        self.state = torch.tensor([1, 2, 3], dtype=torch.uint8)

    def get_rng_state(self, *which: torch.device) -> torch.Tensor:
        self.which = which
        return self.state

    def set_rng_state(self, state: torch.Tensor, *which: torch.device) -> None:
        self.state, self.which = state, which


@pytest.mark.parametrize(("name", "restored_on"), [("cuda:1", "cuda:0"), ("mps", "mps")])
def test_a_devices_random_numbers_come_back_on_whatever_device_goes_on(tmp_path, monkeypatch, name, restored_on):
    """Every rank draws the same numbers, so one state serves all, however many devices there are now."""
    device = PretendedDevice()
    monkeypatch.setattr(snapshots, "_rng_module", lambda _: device)
    counters = {"step": 5, "order": torch.arange(3), "probability": 0.25}
    save_snapshot(tmp_path, {}, counters, keep=1, best=5, device=torch.device(name))
    device.state = torch.zeros(3, dtype=torch.uint8)

    step, order, probability = restore(read_newest(tmp_path), {}, torch.device(restored_on))

    assert (step, order.tolist(), probability) == (5, [0, 1, 2], 0.25)
    assert device.state.tolist() == [1, 2, 3]
    assert device.which == ((torch.device(restored_on),) if restored_on != "mps" else ())


def test_on_a_cpu_there_is_none(tmp_path):
    save_snapshot(tmp_path, {}, {"step": 1}, keep=1, best=1, device=torch.device("cpu"))

    assert "device_rng" not in read_newest(tmp_path)
