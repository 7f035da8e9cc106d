"""Score settings on the tuning people, to choose among them; nothing is trained, logits are read from the store."""

import argparse
from pathlib import Path

from aru.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which settings: those that `python -m aru compare BENCHMARK --protocol tuning` computed."""
    parser.add_argument("benchmark")
    parser.add_argument("--methods", default="all", help="as a comparison takes them, such as scrub,aru:best")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)


def run(options: argparse.Namespace) -> int:
    """Print the settings by falling score, as a Markdown table."""
    from aru.comparison.tuning_scores import tuning_scores
    from aru.core.config import load_config
    from aru.reporting.comparison.cells import number, row_name
    from aru.reporting.markdown import format_table

    work, config = Path("work") / options.benchmark, load_config(Path("params.yaml"), options.benchmark)
    if not (work / "prepared" / "manifest.csv").is_file():
        raise InputError(
            f"no model of {options.benchmark} is there: run `python -m aru compare {options.benchmark} --protocol tuning`"
        )
    found = tuning_scores(options.benchmark, options.methods, config, work, draws=options.draws, seeds=options.seeds)
    if (count := len(found[0].by_draw)) < options.draws:
        print(f"{count} of {options.draws} draws differ: the others are no further problems, and are left out\n")
    rows = []
    for one in found:
        by_draw = ", ".join(number(value, "score") for value in one.by_draw)
        figures = [f"{number(one.score, 'score')} ({by_draw})", number(one.accuracy, "test/accuracy")]
        rows.append([row_name(one.name), *figures, number(one.auc, "mia_matched/auc"), number(one.share, "share")])
    print(format_table(["setting", "objective (by draw)", "accuracy", "AUC", "cost, of retraining"], rows), end="")
    return 0
