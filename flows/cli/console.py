"""What the command `aru` says in the terminal of what was done."""

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from aru.core.names import ARU

if TYPE_CHECKING:
    from aru.core.parameter_table import Parameter
    from aru.data.evidence import DataAudit
    from flows.experiments.audit import Audited
    from flows.experiments.benchmark import Comparison
    from flows.experiments.shadows import Pool
    from flows.experiments.tuning import Tuned
    from flows.pipeline.state import StageState
    from flows.pipeline.unlearn import Outcome
    from flows.project.data_import import Imported
    from flows.project.params import Change
    from flows.servers.doctor import Finding

_SHOWN = 20  # members of a list that is shown
_NARROWEST = 40  # columns that a text is wrapped into at the least


def show_changes(changes: "list[Change]") -> None:
    """What was set in params.yaml, on standard error."""
    for change in changes:
        print(f"params.yaml: {change.name}: {_value(change.old)} -> {_value(change.new)}", file=sys.stderr)


def _value(value: object) -> str:
    """A parameter's value; of a long list its first members and how many more."""
    if isinstance(value, list) and len(value) > _SHOWN:
        return f"[{', '.join(map(repr, value[:_SHOWN]))} and {len(value) - _SHOWN} more]"
    return str(value)


def show_absent(absent: dict[str, str]) -> None:
    """The active benchmarks that cannot run here because their data is elsewhere, on standard error."""
    for benchmark, why in absent.items():
        print(f"benchmark {benchmark} is active, but {why}", file=sys.stderr)


def show_parameters(benchmark: str, rows: "list[Parameter]") -> None:
    """Each parameter in a line that can be searched for, with its limits, and below it what it means."""
    print(f"{benchmark}: * is not the default")
    for row in rows:
        notes = [f"default {_text(row.default)}"] if row.differs else []
        about = "; ".join([*notes, row.limits])
        print(f"{'*' if row.differs else ' '} {row.name} = {_text(row.value)}   ({about})")
        _print_below(row.meaning)


def _print_below(text: str) -> None:
    """A text in the lines below what it is about, as wide as the terminal."""
    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    print(textwrap.fill(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6))


def show_findings(found: "list[Finding]") -> None:
    """What was checked, with what to do."""
    for finding in found:
        print(f"{finding.state:4}  {finding.what}: {finding.found}")
        if finding.remedy:
            print(f"      -> {finding.remedy}")


def _text(value: object) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')


def show_data(content: "DataAudit") -> None:
    """The audit of an archive: its counts, and by name who was merged and who may be one person."""
    from aru.data.census import format_census
    from aru.data.evidence import format_copies, format_evidence

    print(format_census(content))
    print(format_evidence(content["people"]))
    print(format_copies(content["same_photo"]))
    if "cut" in content:
        print(content["cut"])


def show_import(layout: str, done: "Imported") -> None:
    """What an import set in params.yaml, the audit of its archive, and how to go on."""
    show_changes(done.changes)
    show_data(done.audit)
    print(
        f"\n{layout} is in {done.archive}, tracked by {done.tracked_by}, and active in params.yaml. Next:\n"
        f"  aru run --benchmark {layout}\n"
        "Photos of people are personal data: they and all that is made of them stay here until you give the remote `store` a\n"
        f"place (docs/operation.md). Commit {done.tracked_by} and params.yaml only where others may know of them."
    )


def show_outcome(root: Path, outcome: "Outcome") -> None:
    """The main flow's figures, and where its report, run, audit and model are."""
    from aru.core.files import read_json
    from aru.reporting.run.results import HEADINGS, format_row, read_costs, results_table
    from flows.tracking.publishing import release_status

    work = root / "work" / outcome.benchmark
    table = Table(title=f"{outcome.benchmark}", title_justify="left")
    for position, heading in enumerate(HEADINGS.values()):
        table.add_column(heading, justify="right" if position else "left")
    for row in results_table(read_json(work / "evaluation" / "metrics.json"), read_costs(work)):
        table.add_row(*format_row(row))
    console = Console()
    console.print(table)
    if not outcome.computed:
        console.print("Nothing to compute: all stages are cached.")
    published = outcome.published
    console.print(f"Method:  {method_line(root, outcome.benchmark)}", highlight=False)
    console.print(f"Report:  {work.relative_to(root)}/report/report.html", highlight=False)
    console.print(f"MLflow:  run {published.run_id} (`aru ui` shows the pages)", highlight=False)
    console.print(f"Audit:   {work.relative_to(root)}/audit/audit.html", highlight=False)
    console.print(
        f"Model:   {published.model} version {published.version}, {release_status(root, outcome.benchmark, published)}",
        highlight=False,
    )


def show_methods() -> None:
    """All methods: what they read, their presets, and why some cannot be a benchmark's method."""
    from aru.library.method_table import methods
    from aru.methods.catalogue import not_runnable

    for row in methods():
        print(f"{row.name}   (presets: {', '.join(row.presets)}; reads {', '.join(row.needs)})")
        reason = not_runnable(row.name).partition(",")[0]
        cannot = [f"cannot: {row.cannot}"] if row.cannot else []
        _print_below("; ".join([row.source, *cannot, *([f"not with aru run: {reason}"] if reason else [])]))


def show_method(name: str) -> None:
    """The parameters of a method with their values in each preset."""
    from aru.methods.chosen import flat
    from aru.methods.registry import find

    presets = find(name).presets
    values = {preset: dict(flat(section.model_dump(mode="json"))) for preset, section in presets.items()}
    table = Table("Parameter", *presets, title=name, title_justify="left")
    for parameter in next(iter(values.values())):
        table.add_row(parameter, *(str(found[parameter]) for found in values.values()))
    Console().print(table)


def method_line(root: Path, benchmark: str) -> str:
    """What unlearned, with its parameters where it is not ARU, whose sections params.yaml shows."""
    from aru.core.config import load_config
    from aru.methods.chosen import parameters, text_of, title

    config = load_config(root / "params.yaml", benchmark)
    values = "" if config.method == ARU else f" ({text_of(parameters(config))})"
    return f"{title(config.method)}{values}"


def show_audit(root: Path, done: "Audited") -> None:
    """The criteria of an audit with their verdicts, and where its page is."""
    from aru.audit.texts import relative_line
    from aru.reporting.audit.page import criterion_cells

    record = done.record
    table = Table(title=f"{record['model']}, level {record['level']}", title_justify="left")
    for heading in ("Criterion", "Figure", "95 % interval", "Limit", "Verdict"):
        table.add_column(heading, justify="right" if heading in ("Figure", "95 % interval") else "left")
    for row in record["criteria"]:
        cells = criterion_cells(row) if row["verdict"] else ("–", "–", row["not_run"])
        informs = "" if row["required"] else " (informs)"
        table.add_row(row["name"], *cells, (row["verdict"] or "not tested") + informs)
    console = Console()
    if first := relative_line(record):
        console.print(first, highlight=False)
    console.print(table)
    console.print(f"Verdict: {record['verdict'].upper()}", highlight=False)
    console.print(f"Page:    {done.folder.relative_to(root)}/audit.html", highlight=False)
    console.print(f"MLflow:  run {done.run_id} (`aru ui` shows the pages)", highlight=False)


def show_comparison(root: Path, benchmark: str, done: "Comparison") -> None:
    """A comparison's tables, and where its page is."""
    from aru.comparison.conclusions import compare
    from aru.core.files import read_json
    from aru.reporting.comparison.cells import COLUMNS, lines
    from aru.reporting.comparison.texts import heading

    page, console = done.files[0], Console()
    for comparison in compare(read_json(page.with_name("records.json"))):
        table = Table("Method", "Runs", title=heading(comparison.setting), title_justify="left")
        for name, _ in COLUMNS.values():
            table.add_column(name, justify="right")
        for line in lines(comparison):
            table.add_row(line.name, *(cell.text for cell in line.cells[: len(COLUMNS) + 1]))
        console.print(table)
    console.print(
        f"{done.computed} models computed, {done.cached} were cached"
        + (f", {done.left} left: the budget was over; run the same command again" if done.left else ".")
    )
    console.print(f"Page:    {page.relative_to(root)}", highlight=False)
    console.print(f"MLflow:  run {done.run_id} (`aru ui` shows the pages)", highlight=False)


def show_tuning(root: Path, benchmark: str, done: "Tuned") -> None:
    """Methods that have trials left, and where the curves and the frozen parameters are."""
    if done.unfinished:
        print(f"Not all trials are done, run the same again: {', '.join(done.unfinished)}")
    print(f"Curves:  work/{benchmark}/comparison/tuning.json, figures/\nMLflow:  run {done.run_id}")
    if done.target.is_file():
        print(f"Frozen:  {done.target.relative_to(root)} (`aru benchmark --protocol clean --parameters tuned` reads it)")


def show_pool(done: "Pool") -> None:
    """How many shadow models a run trained, found, unlearned, and left for the next."""
    print(
        f"{done.trained} trained, {done.cached} were there, {done.unlearned} unlearned"
        + (f", {done.left} left: the budget was over; run the same again" if done.left else ".")
    )


def show_states(benchmark: str, items: "list[StageState]") -> None:
    """The stages with their states and outputs."""
    table = Table("Stage", "Key", "State", "Because", "Outputs", title=f"{benchmark}", title_justify="left")
    for item in items:
        table.add_row(item.name, (item.key or "–")[:12], item.state, _because(item), _short_outs(item))
    Console().print(table)


def show_shadows(benchmark: str, protocol: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The models of a shadow pool with their states."""
    table = Table(*columns, title=f"{benchmark}, {protocol}", title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _because(item: "StageState") -> str:
    shown = ", ".join(item.because[:3])
    return f"{shown} and {len(item.because) - 3} more" if len(item.because) > 3 else shown


def _short_outs(item: "StageState") -> str:
    return "\n".join(f"{Path(path).name} {digest[:8] if digest else '–'}" for path, digest in item.outs.items())
