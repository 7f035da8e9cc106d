"""The report of a run: one self-contained page, the results as Markdown and the figures, from files alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aru.core.files import atomic_path, file_md5, load_tensors, read_json
from aru.core.names import MODELS
from aru.metrics.predictions import read_predictions
from aru.reporting.markup import Html, join, page, picture, table, tag
from aru.reporting.run.figures import write_figures
from aru.reporting.run.findings import Finding, findings, signed
from aru.reporting.run.nested import nested
from aru.reporting.run.results import STAGES_OF_MODEL, escape_markdown, markdown_table, results_table, seconds
from aru.reporting.run.texts import (
    ALL_METRICS,
    AUDIT,
    COLUMNS,
    COSTS,
    DIGESTS,
    FIGURES,
    NOT_CLAIMED,
    RESULTS,
    SECONDS,
    SETTINGS,
)

COST_FOLDERS = ("original", "noise", "mask", "unlearned", "retrained", "evaluation")
INPUTS = (
    "evaluation/metrics.json",
    "evaluation/predictions.safetensors",
    "mask/mask.safetensors",
    "prepared/audit.json",
    *(f"{model}/history.json" for model in MODELS),
    *(f"{folder}/cost.json" for folder in COST_FOLDERS),
)
"""All that the report reads, relative to work/BENCHMARK/."""
COST_HEAD = ("", "Seconds", "Of retraining", "Images", "Images a second", "Peak memory, MiB", "Device, precision, threads")


@dataclass(frozen=True)
class Run:
    """What the files of a run hold, apart from tensors."""

    metrics: dict[str, Any]
    costs: dict[str, dict[str, Any]]
    histories: dict[str, dict[str, Any]]
    audit: dict[str, Any]
    digests: dict[str, str]


def write_report(work: Path, out: Path, *, settings: Mapping[str, Any] | None = None) -> None:
    """Write report.html, results.md and figures/ into `out`, from the files of work/BENCHMARK/ named in `INPUTS`.

    `settings`, the parameters by section, are shown where they are given. Nothing is fetched when the page is
    opened, and no image of a person is in it. Raises InputError where an input is missing or unreadable.
    """
    work, out = Path(work), Path(out)
    predictions = read_predictions(work / "evaluation" / "predictions.safetensors")
    mask, _ = load_tensors(work / "mask" / "mask.safetensors")
    run = read_run(work)
    with atomic_path(out / "figures") as folder:
        folder.mkdir()
        write_figures(folder, predictions, run.metrics, mask, run.histories)
    with atomic_path(out / "results.md") as path:
        path.write_text(results_markdown(run.metrics, run.costs), encoding="utf-8")
    with atomic_path(out / "report.html") as path:
        path.write_text(report_page(run, out / "figures", settings), encoding="utf-8")


def read_run(work: Path) -> Run:
    """Read every JSON file that the report is made of."""
    costs = [read_json(work / folder / "cost.json") for folder in COST_FOLDERS]
    return Run(
        read_json(work / "evaluation" / "metrics.json"),
        {cost["stage"]: cost for cost in costs},
        {model: read_json(work / model / "history.json") for model in MODELS},
        read_json(work / "prepared" / "audit.json"),
        {name: file_md5(work / name) for name in INPUTS if not name.endswith("cost.json")},
    )


def results_markdown(metrics: Mapping[str, Any], costs: Mapping[str, Mapping[str, Any]]) -> str:
    """The results table and the findings as Markdown."""
    lines = [f"- **{finding.mark}.** {finding.text}" for finding in findings(metrics, costs)]
    title = ", ".join(f"{key} {metrics[key]}" for key in ("benchmark", "protocol", "task", "seed"))
    return f"{escape_markdown(title)}\n\n{markdown_table(results_table(metrics, costs))}\n" + "\n".join(lines) + "\n"


def report_page(run: Run, figures: Path, settings: Mapping[str, Any] | None) -> str:
    """The page, with the PNG files of the folder `figures` inside it."""
    metrics = run.metrics
    return page(
        f"Unlearning report: {metrics['benchmark']}",
        _head(metrics),
        _section("Result", _results(run), tag("p", RESULTS, class_="note")),
        _section("What it says", _findings(findings(metrics, run.costs))),
        _section("Figures", *(_figure(figures, name) for name in FIGURES)),
        _section("All figures in numbers", tag("p", ALL_METRICS, class_="note"), _all_metrics(metrics)),
        _section("The data", tag("p", AUDIT, class_="note"), nested(run.audit)),
        _section("What it cost", tag("p", COSTS, class_="note"), _costs(run.costs)),
        _section("Settings", tag("p", SETTINGS, class_="note"), nested(_settings(run, settings))),
        _section("What is not claimed", tag("ul", *(tag("li", line) for line in NOT_CLAIMED))),
        _section("Made from", tag("p", DIGESTS, class_="note"), _digests(run.digests)),
    )


def _head(metrics: Mapping[str, Any]) -> Html:
    counts = ", ".join(f"{count:,} {name}" for name, count in metrics["counts"].items())
    line = f"Protocol {metrics['protocol']}, task {metrics['task']}, seed {metrics['seed']}. Images: {counts}."
    return tag("header", tag("h1", f"Unlearning report: {metrics['benchmark']}"), tag("p", line, class_="lead"))


def _section(title: str, *children: object) -> Html:
    return tag("section", tag("h2", title), *children)


def _results(run: Run) -> Html:
    """The three models beside each other: figure, interval, gap to the retrained model."""
    head = ["", *(join((title, tag("span", hint, class_="small"))) for title, hint in (*COLUMNS.values(), SECONDS))]
    rows = []
    for model in STAGES_OF_MODEL:
        if model in run.metrics["models"]:
            spent = seconds(model, run.costs)
            cells = [_cell(run.metrics, model, key) for key in COLUMNS]
            rows.append([model, *cells, tag("span", "–" if spent is None else f"{spent:,.1f}", class_="figure")])
    return table(head, rows)


def _cell(metrics: Mapping[str, Any], model: str, key: str) -> Html:
    bounds, gap = metrics["intervals"][model].get(key), metrics["gaps"].get(model, {}).get(f"gap/{key}")
    lines = [tag("span", _figure_text(metrics["models"][model][key]), class_="figure")]
    if bounds is not None:
        lines.append(tag("span", _bounds(bounds), class_="small"))
    if gap is not None:
        lines.append(tag("span", f"gap {signed(gap)}", class_="small"))
    return join(lines)


def _findings(found: list[Finding]) -> Html:
    return tag(
        "ul",
        *(
            tag("li", tag("span", finding.mark, class_=f"state {finding.state}"), tag("span", finding.text))
            for finding in found
        ),
        class_="findings",
    )


def _figure(folder: Path, name: str) -> Html:
    title, text = FIGURES[name]
    return picture(folder / f"{name}.png", title=title, text=text, alt=title)


def _all_metrics(metrics: Mapping[str, Any]) -> Html:
    models = [model for model in STAGES_OF_MODEL if model in metrics["models"]]
    keys = list(dict.fromkeys(key for model in models for key in metrics["models"][model]))
    rows = [[tag("code", key), *(_plain_cell(metrics, model, key) for model in models)] for key in keys]
    return tag("details", tag("summary", f"{len(keys)} figures of {len(models)} models"), table(["", *models], rows))


def _plain_cell(metrics: Mapping[str, Any], model: str, key: str) -> Html:
    bounds = metrics["intervals"][model].get(key)
    figure = _figure_text(metrics["models"][model][key])
    return join((figure, tag("span", _bounds(bounds), class_="small"))) if bounds else join((figure,))


def _costs(costs: Mapping[str, Mapping[str, Any]]) -> Html:
    whole = costs["retrain"]["seconds"]
    rows = [
        [
            stage,
            f"{cost['seconds']:,.1f}",
            f"{cost['seconds'] / whole:.1%}",
            f"{cost['images']:,}",
            f"{cost['images_per_second']:,.1f}",
            f"{cost['peak_memory_mib']:,}",
            f"{cost['device']}, {cost['precision']}, {cost['threads']}",
        ]
        for stage, cost in costs.items()
    ]
    ours = seconds("unlearned", costs)
    if ours is not None:
        rows.append([" + ".join(STAGES_OF_MODEL["unlearned"]), f"{ours:,.1f}", f"{ours / whole:.1%}", "", "", "", ""])
    return table(COST_HEAD, rows)


def _settings(run: Run, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the files themselves tell of the settings, and the parameters where they were given."""
    metrics, reference = run.metrics, run.metrics.get("reference", {})
    told = {key: metrics[key] for key in ("benchmark", "protocol", "task", "seed")}
    told |= {key: reference[key] for key in ("resamples", "mia_resamples") if key in reference}
    told |= {f"{model} epochs": len(history["epochs"]) for model, history in run.histories.items()}
    versions = sorted({str(cost["torch"]) for cost in run.costs.values()})
    return told | {"torch": ", ".join(versions)} | dict(settings or {})


def _digests(digests: Mapping[str, str]) -> Html:
    rows = [[tag("code", name), tag("code", digest)] for name, digest in digests.items()]
    return tag("details", tag("summary", f"MD5 of {len(rows)} files"), table(["File", "MD5"], rows, numbers=False))


def _figure_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _bounds(bounds: list[float]) -> str:
    return f"[{bounds[0]:.4f}, {bounds[1]:.4f}]"
