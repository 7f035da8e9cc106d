"""Audit retrained models, by which the audit's limits are set."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models, at which level; the names are the fields of `aru.audit.calibration.CalibrationRequest`."""
    parser.add_argument("benchmark")
    parser.add_argument("--seeds", type=int, default=6, help="retrained models; the second half of them tests")
    parser.add_argument("--originals", type=int, default=1, help="originals, which have to fail")
    parser.add_argument("--level", choices=("quick", "standard", "full"), default="quick")
    parser.add_argument("--protocol", choices=("official", "clean"), default="official")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cached", action="store_true", help="use the models that are there and train nothing")
    parser.add_argument("--write", action="store_true", help="put the limits that these models give into thresholds.yaml")
    parser.add_argument("--method", help="whose unlearned shadows U-LiRA holds the models to (level full)")


def run(options: argparse.Namespace) -> int:
    """Write work/BENCHMARK/audit/calibration-LEVEL.json and print the table."""
    from dataclasses import fields

    from aru.audit.calibration import CalibrationRequest, calibrate, format_calibration

    request = CalibrationRequest(**{field.name: getattr(options, field.name) for field in fields(CalibrationRequest)})
    print("\n".join(format_calibration(calibrate(request, root=Path(".")))))
    return 0
