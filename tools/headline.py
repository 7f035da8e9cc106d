"""The headline of `docs/results.md`: a table of some rows of the published comparisons, and a figure of one of them.

python -m tools.headline      # draws docs/results/headline.png; tools/page_tables.py writes the table into the page
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from aru.comparison.conclusions import Comparison, Row, compare
from aru.core.files import read_json
from aru.reporting.comparison.cells import bounds, number, row_name
from aru.reporting.comparison.label_placement import Label, place_labels
from aru.reporting.comparison.plots import colour
from aru.reporting.figure_style import FAINT, INK, MODEL_COLOURS, STYLE

DOCS = Path(__file__).parents[1] / "docs"
FIGURE = DOCS / "results" / "headline.png"
COLUMNS = {
    "test/accuracy": "accuracy",
    "nomus": "NoMUS",
    "gap/mia_matched/auc": "gap in AUC",
    "share": "cost, % of retraining",
}
_BEST = "aru (best)"
_PLAIN_BEST = "aru (best:finetune.distillation=0.0)"
_ADAMW = "finetune.optimiser=adamw,finetune.lr=0.001,finetune.weight_decay=0.02"
RECOMMENDED = {
    f"aru (best:{_ADAMW})": "ARU (recommended)",
    f"aru (best:mask.select=random,{_ADAMW})": "ARU (recommended:mask.select=random)",
}
"""Rows that were computed before the preset had its name."""
_PARTS = (_BEST, "aru (best:attack.noise=none)", "aru (best:mask.select=random)", _PLAIN_BEST)


@dataclass(frozen=True)
class Study:
    """Rows of one table of a published comparison: `rows` by label, in the order in which they are shown."""

    title: str
    page: str
    records: str
    protocol: str
    variant: str
    rows: tuple[str, ...]


_EQUALLY_TUNED = Study(
    "the same, equal tuning",
    "clean-32px.md",
    "mufac-32px-clean",
    "clean",
    "tuned",
    ("finetune", "random-mask", "ct", "salun", "amun", "aru", "msg"),
)
STUDIES = (
    Study(
        "clean, 64 px, three draws",
        "clean-64px.md",
        "mufac-64px-clean/draws",
        "clean",
        "other",
        ("nothing", "retrain", *RECOMMENDED, _BEST, "finetune (starting-kit)"),
    ),
    Study("the same, tuned", "clean-64px.md", "mufac-64px-clean/draws", "clean", "tuned", ("aru", "random-mask")),
    Study(
        "clean, 64 px, five seeds",
        "clean-64px.md",
        "mufac-64px-clean",
        "clean",
        "default",
        ("nothing", "retrain", "aru", "random-mask", "finetune"),
    ),
    Study(
        "the same, presets",
        "clean-64px.md",
        "mufac-64px-clean",
        "clean",
        "other",
        (*RECOMMENDED, *_PARTS, "finetune (starting-kit)"),
    ),
    Study("the same, tuned", "clean-64px.md", "mufac-64px-clean", "clean", "tuned", ("aru", "random-mask")),
    Study(
        "clean, 32 px, defaults",
        "clean-32px.md",
        "mufac-32px-clean",
        "clean",
        "default",
        ("nothing", "retrain", "aru", "random-mask", "kde", "ct", "msg", "salun", "finetune", "ssd"),
    ),
    Study("the same, presets", "clean-32px.md", "mufac-32px-clean", "clean", "other", (_BEST, _PLAIN_BEST)),
    _EQUALLY_TUNED,
    Study(
        "official, 32 px, defaults",
        "official-32px.md",
        "mufac-32px-official",
        "official",
        "default",
        ("nothing", "retrain", "msg", "eu-k", "kde", "random-mask", "aru", "finetune"),
    ),
    Study("the same, presets", "official-32px.md", "mufac-32px-official", "official", "other", (_BEST, _PLAIN_BEST)),
    Study(
        "clean, ResNet50, 32 px, untuned",
        "clean-resnet50.md",
        "mufac-32px-resnet50",
        "clean",
        "default",
        ("nothing", "retrain", "aru", "random-mask", "msg", "finetune"),
    ),
)
DRAWN = _EQUALLY_TUNED
"""The study of the figure, which shows all of its rows."""


def headline_table() -> str:
    """Every row of `STUDIES` with its figures and 95 % intervals, in Markdown."""
    lines = [
        f"| study | method | {' | '.join(COLUMNS.values())} |",
        f"|---|---|{'---|' * (len(COLUMNS) - 1)}---:|",
    ]
    for study in STUDIES:
        comparison = _comparison(study, every=False)
        for place, label in enumerate(study.rows):
            row = comparison.row(label)
            assert row is not None, f"{study.records} has no row {label}"
            title = f"[{study.title}](results/{study.page})" if place == 0 else ""
            lines.append(
                f"| {title} | {RECOMMENDED.get(label) or row_name(label)} | "
                + " | ".join(_cell(row, name) for name in COLUMNS)
                + " |"
            )
    return "\n".join(lines)


def headline_figure() -> Figure:
    """Gap in AUC (across) against test accuracy (up) of every method of `DRAWN`; a disc's area is its cost."""
    comparison = _comparison(DRAWN, every=True)
    figure = Figure(figsize=(7.8, 5.4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel="gap in AUC to the retrained model (0: forgets as retraining does)", ylabel="test accuracy")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}".removeprefix("0")))
    retrained = comparison.row("retrain")
    assert retrained is not None
    utility = retrained.figures["test/accuracy"]
    assert utility is not None
    axes.axhline(utility.mean, color=MODEL_COLOURS["retrained"], linewidth=1, linestyle=(0, (1.2, 1.6)), zorder=1)
    axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
    labels = []
    for row in comparison.rows:
        gap, up, share = (row.figures[name] for name in ("gap/mia_matched/auc", "test/accuracy", "share"))
        across = 0.0 if row is retrained else gap.mean if gap else None
        if across is None or up is None or share is None:
            continue
        axes.scatter(across, up.mean, s=20 + 400 * share.mean, color=colour(row), alpha=0.75, edgecolors="white", zorder=3)
        labels.append(Label(across, up.mean, row_name(row.label), row.label == "aru"))
    place_labels(figure, axes, labels, ink=INK, line=FAINT)
    return figure


def _comparison(study: Study, *, every: bool) -> Comparison:
    """The table of a study; without `every`, of its own rows and the retrained models alone, which is all that they need."""
    records: Sequence[Mapping[str, Any]] = read_json(DOCS / study.records / "records.json")
    methods = {label.partition(" ")[0] for label in study.rows} | {"nothing", "retrain"}
    kept = [record for record in records if every or record["method"] in methods]
    found = (
        one for one in compare(kept) if (one.setting["protocol"], one.setting["variant"]) == (study.protocol, study.variant)
    )
    return next(found)


def _cell(row: Row, name: str) -> str:
    found = row.figures[name]
    if found is None:
        return "–"
    text = number(found.mean, name)
    return text.removesuffix("%").strip() if name == "share" else f"{text} {bounds(found, name)}".strip()


if __name__ == "__main__":
    with matplotlib.rc_context(STYLE):
        headline_figure().savefig(FIGURE, format="png", metadata={"Software": None})
