"""Which models of a comparison are nearer to retrained ones than to the original; nothing is trained."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from aru.comparison.parameter_sets import DEFAULT, PARAMETERS
from aru.core.errors import InputError

HEAD = [
    "setting",
    "nearer to retrained",
    "undecided",
    "nearer to original",
    "interval holds 0",
    "place, mean",
    "lowest",
    "highest",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models of a comparison: those that `aru benchmark` computed."""
    parser.add_argument("benchmark")
    parser.add_argument("--methods", default="all", help="as a comparison takes them, such as scrub,aru:best")
    parser.add_argument("--protocol", choices=("official", "clean"), default="official")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds, at least two")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--parameters", choices=PARAMETERS, default=DEFAULT)
    parser.add_argument("--json", type=Path, help="write every model's test to this file, too")


def run(options: argparse.Namespace) -> int:
    """Print one line a setting, as a Markdown table: how many of its models are nearer to which, and their place."""
    from aru.audit.compared_nearness import by_setting, compared_nearness
    from aru.comparison.choices import parse_choices
    from aru.comparison.draws import draws_of
    from aru.comparison.tuning import chosen_parameters
    from aru.core.config import load_config
    from aru.core.files import write_json
    from aru.metrics.summary import rounded
    from aru.reporting.comparison.cells import row_name
    from aru.reporting.markdown import format_table

    work, config = Path("work") / options.benchmark, load_config(Path("params.yaml"), options.benchmark)
    if not (work / "prepared" / "manifest.csv").is_file():
        raise InputError(f"no models of {options.benchmark} were compared yet: `aru benchmark` makes them")
    tuned = chosen_parameters(Path("."), options.benchmark, config, work, options.parameters, [options.protocol])
    found = compared_nearness(
        options.benchmark,
        parse_choices(options.methods, config, tuned),
        draws_of(options.protocol, options.draws, options.first_draw),
        config,
        work,
        seeds=options.seeds,
    )
    if options.json:
        write_json(options.json, [{**one, "test": rounded(one["test"])} for one in found])
    rows = []
    for one in by_setting(found):
        places = [f"{place:+.2f}" for place in (one.place, *_ends(one.places))]
        rows.append([row_name(one.name), *map(str, one.answers.values()), str(one.within), *places])
    print(format_table(HEAD, rows), end="")
    return 0


def _ends(places: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest; NaN without one, as where original and retrained models are alike."""
    return (min(places), max(places)) if places else (math.nan, math.nan)
