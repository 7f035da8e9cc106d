"""Device and precision of a call: what they set in the process ends with it. The GPUs are pretended."""

from collections.abc import Iterator

import pytest
import torch

import aru
from aru.core.errors import InputError
from aru.library.running import computing
from tests.helpers.toys import small_net
from tests.library.own import photos


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Two of them; the last number in the list is the current one."""
    current = [0]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[-1])
    monkeypatch.setattr(torch.cuda, "set_device", lambda given: current.append(getattr(given, "index", given)))
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    yield current
    # As PyTorch has them: monkeypatch cannot take these back, which are properties of modules.
    cublas.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = False, True, False
    cublas.fp32_precision = "none"


def settings() -> tuple[object, ...]:
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    formats = [part.fp32_precision for part in (cublas, cudnn.conv, cudnn.rnn)]
    return cudnn.benchmark, cudnn.allow_tf32, cublas.allow_tf32, *formats, torch.get_num_threads()


@pytest.mark.parametrize("tf32", [(False, True), (True, False)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_call_on_a_gpu_leaves_the_settings_of_the_process(gpus, tf32, precision):
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
    before = settings()
    with pytest.raises(KeyError), computing("cuda:1", precision) as compute:
        assert gpus[-1] == 1 and settings() != before and compute.precision == precision
        raise KeyError
    assert settings() == before and gpus[-1] == 0


def test_a_call_on_a_gpu_takes_formats_that_were_set_in_the_newer_way(gpus):
    formats = torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn
    for part in formats:
        part.fp32_precision = "tf32" if part is formats[0] else "ieee"  # the older flags say otherwise and cannot be read
    with computing("cuda", "fp32"):
        assert formats[0].fp32_precision == "ieee"
    assert [part.fp32_precision for part in formats] == ["tf32", "ieee", "ieee"]


def test_a_gpu_that_is_not_here_is_named(gpus):
    with pytest.raises(InputError, match="'cuda:2' but CUDA has 2 devices"), computing("cuda:2", "fp32"):
        pass


@pytest.mark.parametrize("method", ["finetune", "retrain", "kde", "aru"])
def test_a_call_on_the_cpu_leaves_the_generators_of_gpus_alone(method, monkeypatch):
    asked, model = [], small_net()
    monkeypatch.setattr(torch.cuda, "manual_seed_all", asked.append)
    aru.unlearn(model, forget=photos(3, 1), retain=photos(6, 2), method=method, device="cpu", precision="fp32")
    assert asked == []
