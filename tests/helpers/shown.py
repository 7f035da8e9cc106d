"""The examples as programs in this process, where the packages that they import are there: that is most of their time."""

import runpy
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_example(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the program prints; the generator that it seeds and the number of threads are as before."""
    threads = torch.get_num_threads()
    capsys.readouterr()
    try:
        with torch.random.fork_rng():
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    finally:
        torch.set_num_threads(threads)
    return capsys.readouterr().out
