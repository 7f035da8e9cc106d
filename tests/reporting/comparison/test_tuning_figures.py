"""Figures of budget against score."""

from pathlib import Path

from aru.comparison.trials import (
    Outcome,
)
from aru.comparison.tuning import Trial, curve
from aru.reporting.comparison.tuning_figures import write_tuning_figures

pytest_plugins = ["tests.helpers.tuning_fixtures"]


DONE = Outcome("done", 0.6, 2.0)


TRIALS = {
    "aru": [
        Trial({}, DONE),
        Trial({"mask.ratio": 0.3, "finetune.lr": 0.02}, Outcome("done", 0.7, 3.0)),
        Trial({"mask.ratio": 0.1, "finetune.lr": 0.05}, Outcome("over the cap", None, 1.0)),
    ],
    "ssd": [Trial({}, DONE)] + [Trial({"alpha": 3.0, "lam": 1.0}, Outcome("failed", None, 1.0))] * 2,
    "amun": [Trial({}, Outcome("over the cap", None, 9.0))] * 3,
}


def test_budget_curves_are_drawn_alike_and_without_any_score(tmp_path: Path) -> None:
    curves = {name: curve(TRIALS[name]) for name in ("aru", "amun")}
    first, second = (write_tuning_figures(tmp_path / name, curves) for name in ("first", "second"))
    assert set(first) == {"trials", "seconds"}
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)
    assert first["trials"].read_bytes() != first["seconds"].read_bytes()
    assert write_tuning_figures(tmp_path / "bare", {"amun": curves["amun"]})["trials"].is_file()
    assert write_tuning_figures(tmp_path / "none", {}) == {}
