"""The science without servers: `python -m aru STAGE BENCHMARK` runs one stage, `python -m aru COMMAND ...` everything else.

It needs PyTorch, and neither Prefect, MLflow nor DVC.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.commands import record_code, stage
from aru.core.errors import InputError, TrainingError, explained
from aru.core.folders import STAGES
from aru.core.quick_end import run_to_a_quick_end

CODE = "code"
"""A stage of dvc.yaml that belongs to no benchmark."""
COMMANDS = (
    "compare",
    "scores",
    "ensembles",
    "nearness",
    "results",
    "shadows",
    "audit-model",
    "side-by-side",
    "calibrate",
    "known-bad",
    "false-alarms",
    "pack",
    "unpack",
    "faces",
)
"""Each a module of `aru.commands` with `add_arguments(parser)` and `run(options)`, which returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage or command; bad input, a failed training and a full disk become one clear message and exit code 2."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(given).parse_args(given)
    try:
        return options.run(options)
    except (InputError, TrainingError) as error:
        print(f"error: {explained(error)}", file=sys.stderr)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"error: the disk is full ({error}): free some space and run it again", file=sys.stderr)
    return 2


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Stages and commands, each with one line; only the named one adds its arguments, since some import PyTorch for them."""
    parser = argparse.ArgumentParser(prog="python -m aru", description=__doc__.partition("\n")[0].replace("`", ""))
    names = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="stages, then commands")
    modules = (
        dict.fromkeys(STAGES, stage)
        | {CODE: record_code}
        | {name: importlib.import_module(f"aru.commands.{name.replace('-', '_')}") for name in COMMANDS}
    )
    for name, module in modules.items():
        line = stage.SUMMARIES[name] if name in STAGES else (module.__doc__ or "").partition("\n")[0]
        command = names.add_parser(name, help=line.replace("%", "%%"), description=line)
        command.set_defaults(run=module.run)
        if name in given[:1]:
            module.add_arguments(command)
    return parser


if __name__ == "__main__":
    run_to_a_quick_end(lambda: sys.exit(main()))
