"""The program's end: quick, with the exit code and all output of the command line."""

import subprocess
import sys

import pytest

SCRIPT = """
import atexit, sys
from flows.cli import app, program

class Remains:
    def __del__(self):
        print("taken apart")

remains = Remains()

def command():
    atexit.register(print, "handler", end="")
    print("said", end="")
    {ending}

app.main = command
program.main()
"""


@pytest.mark.parametrize(
    "ending, code, apart, error",
    [
        ("return", 0, False, ""),
        ("sys.exit(2)", 2, False, ""),
        ("sys.exit()", 0, False, ""),
        ("sys.exit('why')", 1, True, "why\n"),
        ("raise ValueError('a fault')", 1, True, "ValueError: a fault\n"),
    ],
)
def test_output_exit_handlers_and_code_are_kept_and_modules_are_not_taken_apart(ending, code, apart, error):
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(ending=ending)], capture_output=True, text=True, check=False)
    assert done.returncode == code and done.stderr.endswith(error)
    assert done.stdout == "saidhandler" + "taken apart\n" * apart
