"""Epsilon and KLoM of a comparison's models of many seeds; nothing is trained, logits are read from the store."""

import argparse
from dataclasses import fields
from pathlib import Path

from aru.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models of a comparison: those that `aru benchmark --seeds N` (or `--unlearn-seeds N`) computed."""
    parser.add_argument("benchmark")
    parser.add_argument("--method", default="aru", help="as a comparison takes it, such as scrub or aru:best")
    parser.add_argument("--protocol", choices=("official", "clean"), default="official")
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=64, help="training seeds that are looked for")
    parser.add_argument("--unlearn-seeds", type=int, default=64, help="unlearning seeds that are looked for")
    parser.add_argument("--cuts", choices=("every", "competition"), default="every", help="thresholds of epsilon's estimate")
    parser.add_argument("--edge", choices=("closed", "open"), default="closed", help="of KLoM's last bin")


def run(options: argparse.Namespace) -> int:
    """Print the figures and write work/BENCHMARK/comparison/ensembles/METHOD-PROTOCOL-draw-N.json.

    Cuts and edge that are not ours stand in the file's name.
    """
    from aru.comparison.ensembles import EnsembleRequest, ensemble_figures, format_ensembles
    from aru.core.config import load_config
    from aru.core.files import write_json
    from aru.metrics.summary import rounded

    work = Path("work") / options.benchmark
    config = load_config(Path("params.yaml"), options.benchmark)
    if not (work / "prepared" / "manifest.csv").is_file():
        raise InputError(f"no models of {options.benchmark} were compared yet: `aru benchmark` makes them")
    request = EnsembleRequest(**{field.name: getattr(options, field.name) for field in fields(EnsembleRequest)})
    found = ensemble_figures(request, config, work)
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in options.method)
    chosen = [value for value in (options.cuts, options.edge) if value not in ("every", "closed")]
    name = "-".join([safe, options.protocol, "draw", str(options.draw), *chosen])
    path = work / "comparison" / "ensembles" / f"{name}.json"
    write_json(path, rounded(found))
    print("\n".join([*format_ensembles(found), f"written to {path}"]))
    return 0
