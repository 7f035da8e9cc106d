"""What a training step frees, the next one uses again instead of asking the system for it."""

import platform
import subprocess
import sys

import pytest

_STEPS = """
import resource, torch
from torch import nn
from aru.compute.kernels.memory import keep_freed_memory
model = nn.Sequential(nn.Conv2d(3, 96, 1), nn.ReLU(), nn.Conv2d(96, 1, 1))
images = torch.rand(64, 3, 37, 37)  # maps of 34 MB: glibc hands back what is beyond 32
def faults():
    for counted in range(2):  # the first steps ask for what the others use
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(2):
            model.zero_grad()
            model(images).square().mean().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
default = faults()
assert keep_freed_memory()
print(default, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_after_some_steps_large_maps_cost_hardly_any_page_faults():
    done = subprocess.run([sys.executable, "-c", _STEPS], check=True, capture_output=True, text=True)
    default, kept = map(int, done.stdout.split())
    assert kept < default / 4, (default, kept)


_BLOCKS = """
import sys
from pathlib import Path
from aru.compute.kernels.memory import keep_freed_memory, return_freed_memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) // 256  # MiB, of pages of 4 KiB
for setting in (keep_freed_memory, return_freed_memory):
    assert setting()
    kept = []
    before = resident()
    large = [(b"." * 2**20, kept.append(b"." * 1000))[0] for _ in range(64)]  # a small object behind each large one
    del large
    print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_what_lies_behind_a_large_block_does_not_keep_its_room_where_memory_is_returned():
    done = subprocess.run([sys.executable, "-c", _BLOCKS], check=True, capture_output=True, text=True)
    kept, returned = map(int, done.stdout.split())
    assert kept > 48 and returned < 8, (kept, returned)
