"""The page of a run: what its template shows, prepared from the JSON of the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aru.core.cost_record import Cost
from aru.core.names import FORGET, MODELS, ORIGINAL, RETRAINED, TEST, UNLEARNED
from aru.data.census import Census
from aru.methods.chosen import title
from aru.metrics.metrics_file import Metrics
from aru.reporting.rendering import render
from aru.reporting.run.class_names import CLASS_NAMES, class_legend
from aru.reporting.run.figures import FIGURES
from aru.reporting.run.findings import Finding, findings, of_people, signed
from aru.reporting.run.nested import Groups, nested
from aru.reporting.run.results import seconds, stages_of_model
from aru.reporting.view import Cell, Picture, Row, read_picture, text_rows
from aru.train.history import ImportedModel, ModelHistory

_DASH = "–"


@dataclass(frozen=True)
class Run:
    """What the files of a run hold, apart from tensors."""

    metrics: Metrics
    costs: dict[str, Cost]
    histories: dict[str, ModelHistory]
    audit: Census
    digests: dict[str, str]

    @property
    def imported(self) -> ImportedModel | None:
        """File and MD5 of an original that was imported."""
        return self.histories[ORIGINAL].get("imported") if ORIGINAL in self.histories else None


@dataclass(frozen=True)
class ModelFigures:
    """One model: its metrics by key, the same with the gap to the retrained model, and the seconds that it cost."""

    name: str
    metrics: Mapping[str, Cell]
    results: Mapping[str, Cell]
    seconds: str


@dataclass(frozen=True)
class RunPage:
    """All that run/page.html.j2 shows."""

    benchmark: str
    protocol: str
    task: str
    seed: str
    counts: str
    method: str
    training: str
    unlearning: str
    models: tuple[ModelFigures, ...]
    findings: tuple[Finding, ...]
    figures: Mapping[str, Picture]
    class_legends: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    metrics: tuple[str, ...]
    data: Groups
    costs: tuple[Row, ...]
    settings: Groups
    digests: tuple[tuple[str, str], ...]


def report_page(run: Run, figures: Path, settings: Mapping[str, Any] | None) -> str:
    """The page, with the PNG files of the folder `figures` inside it."""
    return render("run/page.html.j2", _view(run, figures, settings))


def _view(run: Run, figures: Path, settings: Mapping[str, Any] | None) -> RunPage:
    metrics = run.metrics
    models = [model for model in MODELS if model in metrics["models"]]
    return RunPage(
        benchmark=metrics["benchmark"],
        protocol=metrics["protocol"],
        task=metrics["task"],
        seed=str(metrics["seed"]),
        counts=", ".join(f"{count:,} {name}" for name, count in metrics["counts"].items()),
        method=method_of(run.histories),
        training="not trained here" if run.imported else "its training",
        unlearning=", ".join(stages_of_model(UNLEARNED, run.costs)),
        models=tuple(_model(run, model) for model in models),
        findings=(*findings(metrics, run.costs, run.imported), *of_people(run.audit)),
        figures={name: read_picture(path) for name in FIGURES if (path := figures / f"{name}.png").is_file()},
        class_legends=tuple(
            (name, legend) for name in (TEST, FORGET) if (legend := class_legend(metrics, name, run.audit.get("classes")))
        ),
        metrics=tuple(dict.fromkeys(key for model in models for key in metrics["models"][model])),
        data=nested(_without_names(run.audit), run.audit.get("classes", CLASS_NAMES)),
        costs=_costs(run.costs),
        settings=nested(_settings(run, settings)),
        digests=tuple(run.digests.items()),
    )


def method_of(histories: Mapping[str, ModelHistory]) -> str:
    """What made the unlearned model, as its history records it: not of weights that a user brought."""
    made = histories[UNLEARNED].get("method")
    return "a method that is not recorded" if made is None else title(made)


def _without_names(audit: Census) -> dict[str, object]:
    """The audit of the data without the list of its class names, which title the columns."""
    return {key: value for key, value in audit.items() if key != "classes"}


def _model(run: Run, model: str) -> ModelFigures:
    figures, spent = run.metrics["models"][model], seconds(model, run.costs)
    intervals, gaps = run.metrics["intervals"][model], run.metrics["gaps"].get(model, {})
    metrics, results = {}, {}
    for key, value in figures.items():
        bounds, gap = intervals.get(key), gaps.get(f"gap/{key}")
        text, small = _DASH if value is None else f"{value:.4f}", () if bounds is None else (_bounds(bounds),)
        metrics[key] = Cell(text, small)
        results[key] = Cell(text, small if gap is None else (*small, f"gap {signed(gap)}"))
    return ModelFigures(model, metrics, results, _DASH if spent is None else f"{spent:,.1f}")


def _costs(costs: Mapping[str, Cost]) -> tuple[Row, ...]:
    """A row a stage, and one for all stages of unlearning together."""
    whole = seconds(RETRAINED, costs)

    def share(spent: float) -> str:
        return f"{spent / whole:.1%}" if whole else _DASH

    rows = [
        [
            stage,
            f"{cost['seconds']:,.1f}",
            share(cost["seconds"]),
            _DASH if cost["images"] is None else f"{cost['images']:,}",
            _DASH if cost["images"] is None else f"{cost['images_per_second']:,.1f}",
            f"{cost['peak_memory_mib']:,}",
            f"{_device(cost)}, {cost['precision']}, {cost['threads']}",
        ]
        for stage, cost in costs.items()
    ]
    ours, stages = seconds(UNLEARNED, costs), stages_of_model(UNLEARNED, costs)
    if ours is not None and len(stages) > 1:
        rows.append([" + ".join(stages), f"{ours:,.1f}", share(ours), "", "", "", ""])
    return text_rows(rows)


def _device(cost: Cost) -> str:
    """The device of a stage, or of each of the processes that shared it."""
    count = cost.get("processes", 1)
    return cost["device"] if count == 1 else f"{count} x {cost['device'].partition(':')[0]}"


def _settings(run: Run, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings that the files themselves record, and the parameters where they are given."""
    metrics, reference = run.metrics, run.metrics.get("reference", {})
    recorded: dict[str, Any] = {
        "benchmark": metrics["benchmark"],
        "protocol": metrics["protocol"],
        "task": metrics["task"],
        "seed": metrics["seed"],
    }
    recorded |= {key: reference[key] for key in ("resamples", "mia_resamples") if key in reference}
    trained = {model: len(history["epochs"]) for model, history in run.histories.items()}
    recorded |= {f"{model} epochs": count for model, count in trained.items() if count}  # 0 of a method that records none
    versions = sorted({str(cost["torch"]) for cost in run.costs.values()})
    return recorded | {"torch": ", ".join(versions)} | dict(settings or {})


def _bounds(bounds: list[float]) -> str:
    return f"[{bounds[0]:.4f}, {bounds[1]:.4f}]"
