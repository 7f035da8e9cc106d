"""The example of segmentation runs as a reader would run it."""

import re

import pytest

from tests.helpers.shown import EXAMPLES, run_example


def test_the_example_learns_the_discs_and_unlearns(capsys: pytest.CaptureFixture[str]) -> None:
    said = run_example("segmentation", capsys)
    right = dict(re.findall(r"^(\w+) +pixels right ([\d.]+)", said, flags=re.MULTILINE))
    assert right.keys() == {"original", "unlearned"}
    assert min(map(float, right.values())) > 0.87, "background alone would be 0.83"
    assert len((EXAMPLES / "segmentation.py").read_text().splitlines()) < 60
