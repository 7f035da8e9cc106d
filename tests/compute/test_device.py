"""Which device a process takes, where there are several GPUs: pretended here, as there are none."""

from types import SimpleNamespace

import pytest
import torch

from aru.compute import device
from aru.compute.device import device_of, make_compute, worker_number
from aru.core.config import RuntimeConfig
from aru.core.errors import InputError


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(device.multiprocessing, "current_process", lambda: SimpleNamespace(name=name))


@pytest.mark.parametrize(
    "name, number",
    [
        ("MainProcess", None),
        ("ForkServerProcess-1", 0),
        ("SpawnProcess-12", 11),
        ("ForkServerProcess-3:2", 1),
        ("Process-1:4:3", 2),
        ("a process of somebody else's", None),
    ],
)
def test_workers_are_counted_by_the_names_that_multiprocessing_gives(name: str, number: int | None) -> None:
    assert worker_number(name) == number


def test_workers_take_the_gpus_in_turn(gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    for number in range(1, 7):
        named(monkeypatch, f"ForkServerProcess-{number}")
        taken.append(str(device_of(RuntimeConfig())))
    assert taken == ["cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:0", "cuda:1"]
    assert str(device_of(RuntimeConfig(device="cuda:3"))) == "cuda:3" and str(device_of(RuntimeConfig(device="cpu"))) == "cpu"
    named(monkeypatch, "MainProcess")
    assert str(device_of(RuntimeConfig())) == "cuda"
    named(monkeypatch, "ForkServerProcess-2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert str(device_of(RuntimeConfig())) == "cuda"


def test_a_process_computes_on_the_gpu_that_it_takes(gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    current: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda given: current.append(str(given)))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert str(make_compute(RuntimeConfig(processes=4), local_rank=2).device) == "cuda:2"
    make_compute(RuntimeConfig())
    assert current == ["cuda:2"]


def test_more_processes_than_gpus_are_refused(gpus: None) -> None:
    with pytest.raises(InputError, match="runtime.processes is 5, one a GPU, but CUDA has 4 devices here: set it to 4"):
        device_of(RuntimeConfig(processes=5), local_rank=4)
    assert str(device_of(RuntimeConfig(processes=5, device="cpu"), local_rank=4)) == "cpu"
    with pytest.raises(ValueError, match="'cuda:1' is one GPU, and each of runtime.processes = 2"):
        RuntimeConfig(device="cuda:1", processes=2)
