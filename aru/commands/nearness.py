"""Which models of a comparison are nearer to retrained ones than to the original; nothing is trained."""

import argparse
from pathlib import Path

from aru.comparison.parameter_sets import DEFAULT, PARAMETERS
from aru.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models of a comparison: those that `aru benchmark` computed."""
    parser.add_argument("benchmark")
    parser.add_argument("--methods", default="all", help="as a comparison takes them, such as scrub,aru:best")
    parser.add_argument("--protocol", choices=("official", "clean"), default="official")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds")
    parser.add_argument("--references", type=int, default=0, help="training seeds of retrained models, where they are more")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--parameters", choices=PARAMETERS, default=DEFAULT)
    parser.add_argument("--json", type=Path, help="write every model's test to this file, too")


def run(options: argparse.Namespace) -> int:
    """Print one line a setting, as a Markdown table: how many of its models are nearer to which, and their place."""
    from aru.audit.compared_nearness import compared_nearness
    from aru.comparison.choices import parse_choices
    from aru.comparison.draws import draws_of
    from aru.comparison.tuning import chosen_parameters
    from aru.core.config import load_config
    from aru.core.files import write_json
    from aru.metrics.summary import rounded
    from aru.reporting.audit.nearness_table import nearness_table

    work, config = Path("work") / options.benchmark, load_config(Path("params.yaml"), options.benchmark)
    if not (work / "prepared" / "manifest.csv").is_file():
        raise InputError(f"no models of {options.benchmark} were compared yet: `aru benchmark` makes them")
    if options.json is not None and (options.json.is_dir() or not options.json.absolute().parent.is_dir()):
        raise InputError(f"--json {options.json} is a folder, or in none: name a file")
    tuned = chosen_parameters(Path("."), options.benchmark, config, work, options.parameters, [options.protocol])
    found = compared_nearness(
        options.benchmark,
        parse_choices(options.methods, config, tuned),
        draws_of(options.protocol, options.draws, options.first_draw),
        config,
        work,
        seeds=options.seeds,
        references=options.references,
    )
    if options.json is not None:
        write_json(options.json, [{**one, "test": rounded(one["test"])} for one in found])
    print(nearness_table(found), end="")
    return 0
