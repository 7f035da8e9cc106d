"""What a training step frees, the next one uses again instead of asking the system for it."""

import platform
import subprocess
import sys

import pytest

_STEPS = """
import resource, sys, torch
from torch import nn
from aru.compute.kernels.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
model = nn.Sequential(nn.Conv2d(3, 96, 1), nn.ReLU(), nn.Conv2d(96, 1, 1))
images = torch.rand(64, 3, 42, 42)  # maps of 43 MB: glibc hands back what is beyond 32
def faults(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        model.zero_grad()
        model(images).square().mean().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(4)
print(faults(4))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_after_some_steps_large_maps_cost_hardly_any_page_faults():
    faults = {
        how: int(subprocess.run([sys.executable, "-c", _STEPS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("default", "keep")
    }
    assert faults["keep"] < faults["default"] / 4, faults
