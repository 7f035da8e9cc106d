"""`python -m aru.audit.calibrate BENCHMARK` measures how retrained models stand the audit, by which its limits are set."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.core.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Write work/BENCHMARK/audit/calibration-LEVEL.json and print the table."""
    parser = argparse.ArgumentParser(prog="python -m aru.audit.calibrate", description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("--seeds", type=int, default=6, help="retrained models; the second half of them tests")
    parser.add_argument("--originals", type=int, default=1, help="originals, which have to fail")
    parser.add_argument("--level", choices=("quick", "standard", "full"), default="quick")
    parser.add_argument("--protocol", choices=("official", "clean"), default="official")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cached", action="store_true", help="use the models that are there and train nothing")
    parser.add_argument("--write", action="store_true", help="put the limits that these models give into thresholds.yaml")
    parser.add_argument("--method", help="whose unlearned shadows U-LiRA holds the models to (level full)")
    options = parser.parse_args(arguments)
    from aru.audit.calibration import Asked, calibrate, told

    try:
        found = calibrate(Asked(**vars(options)), root=Path("."))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(told(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
