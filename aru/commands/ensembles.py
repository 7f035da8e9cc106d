"""`python -m aru.commands.ensembles BENCHMARK --method METHOD`: epsilon and KLoM of a comparison's models of many seeds.

It trains nothing: it reads the logits that `aru benchmark --seeds N` (or `--unlearn-seeds N`) stored.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.core.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Print the figures and write work/BENCHMARK/comparison/ensembles/METHOD-PROTOCOL-draw-N.json."""
    parser = argparse.ArgumentParser(prog="python -m aru.commands.ensembles", description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("--method", default="aru", help="as a comparison takes it, such as scrub or aru:best")
    parser.add_argument("--protocol", choices=("official", "clean"), default="official")
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=64, help="training seeds that are looked for")
    parser.add_argument("--unlearn-seeds", type=int, default=64, help="unlearning seeds that are looked for")
    options = parser.parse_args(arguments)
    from aru.comparison.ensembles import EnsembleRequest, ensemble_figures, format_ensembles
    from aru.core.config import load_config
    from aru.core.files import write_json
    from aru.metrics.summary import rounded

    work = Path("work") / options.benchmark
    try:
        config = load_config(Path("params.yaml"), options.benchmark)
        if not (work / "prepared" / "manifest.csv").is_file():
            raise InputError(f"no models of {options.benchmark} were compared yet: `aru benchmark` makes them")
        found = ensemble_figures(EnsembleRequest(**vars(options)), config, work)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in options.method)
    path = work / "comparison" / "ensembles" / f"{safe}-{options.protocol}-draw-{options.draw}.json"
    write_json(path, rounded(found))
    print("\n".join([*format_ensembles(found), f"written to {path}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
