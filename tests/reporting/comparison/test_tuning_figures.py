"""Figures of budget against score."""

from pathlib import Path

from aru.comparison.tuning import curve
from aru.reporting.comparison.tuning_figures import write_tuning_figures
from tests.helpers.tuned import TRIALS


def test_budget_curves_are_drawn_alike_and_without_any_score(tmp_path: Path) -> None:
    curves = {name: curve(TRIALS[name]) for name in ("aru", "amun")}
    first, second = (write_tuning_figures(tmp_path / name, curves) for name in ("first", "second"))
    assert set(first) == {"trials", "seconds"}
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)
    assert first["trials"].read_bytes() != first["seconds"].read_bytes()
    assert write_tuning_figures(tmp_path / "bare", {"amun": curves["amun"]})["trials"].is_file()
    assert write_tuning_figures(tmp_path / "none", {}) == {}
