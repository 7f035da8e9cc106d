"""`python -m aru.shadows BENCHMARK` builds the pool of shadow models with PyTorch alone, where no Prefect or MLflow is.

Its entries lie where `aru shadows` looks for them. With --unlearn it goes on to unlearn those that saw the people.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.errors import InputError, TrainingError

Call = tuple[str, Callable[..., None], tuple[Any, ...]]
"""(what it is called, a function, its arguments)."""


def main(arguments: list[str] | None = None) -> int:
    """Compute what is missing and print one line a model."""
    parser = argparse.ArgumentParser(prog="python -m aru.shadows", description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("--models", type=int, default=16, help="an even number")
    parser.add_argument("--protocol", default="official")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget-minutes", type=float, help="begin nothing after so many minutes")
    parser.add_argument("--unlearn", metavar="METHODS", help="methods as `python -m aru.comparison` takes them")
    parser.add_argument("--draws", type=int, default=1, help="forget the people of the first so many draws, one by one")
    parser.add_argument("--status", action="store_true", help="only say what is there")
    parser.add_argument("--drop-weights", action="store_true", help="afterwards; the logits stay")
    parser.add_argument("--restore-weights", action="store_true", help="train models again whose weights were dropped")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    from aru.comparison.choices import REFERENCES, parse_choices
    from aru.comparison.draws import draws_of
    from aru.compute import choose
    from aru.config import load_config
    from aru.shadows.pool import drop_weights, open_pool, shadows_of, train_shadow
    from aru.shadows.population import load_population
    from aru.shadows.status import estimate_seconds, status, to_build
    from aru.shadows.unlearned import pending, unlearn_shadow
    from aru.stages import run as run_stage

    config, work = load_config(Path("params.yaml"), options.benchmark), Path("work") / options.benchmark
    draws = draws_of(options.protocol, options.draws)
    choices = [choice for choice in parse_choices(options.unlearn, config) if choice.method not in REFERENCES] \
        if options.unlearn else []
    if not (work / "prepared" / "manifest.csv").is_file():
        run_stage("prepare", options.benchmark)
    compute, store = choose(config.runtime), open_pool(work)
    population = load_population(work / "prepared", options.protocol, config)
    shadows = shadows_of(population, config, compute, options.models)
    entries = status(shadows, store, population.scored)
    for entry in entries:
        print(f"{entry.shadow.number:4}  {entry.shadow.key[:12]}  {entry.state}  {', '.join(entry.because)}", flush=True)
    if options.status:
        return 0
    missing = to_build(entries, restore=options.restore_weights)
    seconds = estimate_seconds(missing, config, work, store, compute)
    print(f"{len(missing)} of {len(shadows)} models to train: about {seconds / options.workers / 60:.0f} min", flush=True)
    budget = _Budget(options.budget_minutes)
    left = run_all([(f"shadow {shadow.number}", train_shadow, (shadow, config, work)) for shadow in missing],
                   options.workers, budget)
    calls = [(f"{choice.method} ({choice.variant}), draw {draw.number}, shadow {shadow.number}", unlearn_shadow,
              (shadow, draw, choice, config, work))
             for choice in choices if not left for draw in draws for shadow in pending(shadows, draw, choice, config, work)]
    left += run_all(calls, options.workers, budget)
    if options.drop_weights:
        for shadow in shadows:
            drop_weights(store, shadow.key)
    print(f"{left} left for the next time" if left else "complete", flush=True)
    return 0


class _Budget:
    """When nothing more is begun."""

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def over(self) -> bool:
        return self._end is not None and time.monotonic() > self._end


def run_all(calls: Sequence[Call], workers: int, budget: _Budget) -> int:
    """Make the calls in order, each in a process of its own generator; returns how many were not begun in time."""
    waiting, running, began, finished = list(calls), dict[Future, str](), time.monotonic(), 0
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("forkserver")) as pool:
        while running or (waiting and not budget.over):
            while waiting and len(running) < workers and not budget.over:
                label, function, arguments = waiting.pop(0)
                running[pool.submit(function, *arguments)] = label
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                label = running.pop(future)
                future.result()
                finished += 1
                rest = (time.monotonic() - began) / finished * (len(calls) - finished)
                print(f"{finished}/{len(calls)}  {label}  about {rest / 60:.0f} min left", flush=True)
    return len(waiting)


if __name__ == "__main__":
    sys.exit(main())
