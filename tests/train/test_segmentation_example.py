"""The example of segmentation runs as a reader would run it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_learns_the_discs_and_unlearns() -> None:
    program = ROOT / "examples" / "segmentation.py"
    done = subprocess.run([sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True, timeout=180, check=True)
    right = dict(re.findall(r"^(\w+) +pixels right ([\d.]+)", done.stdout, flags=re.MULTILINE))
    assert right.keys() == {"original", "unlearned"}
    assert min(map(float, right.values())) > 0.87, "background alone would be 0.83"
    assert len(program.read_text().splitlines()) < 60
