"""What is freed is used again instead of asked for anew."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys, torch
from aru.memory import keep
if sys.argv[1] == "keep":
    assert keep()
def use():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(2**24).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
use()
print(use())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_a_second_tensor_of_64_mib_costs_no_page_faults():
    faults = {how: int(subprocess.run([sys.executable, "-c", _FAULTS, how], check=True, capture_output=True, text=True).stdout)
              for how in ("default", "keep")}
    assert faults["keep"] < 200 < faults["default"]
