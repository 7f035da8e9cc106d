"""`aru benchmark` and `aru tune`: methods compared, and their parameters searched."""

from typing import Annotated

import typer

from aru.core.errors import InputError
from flows.cli.console import show_comparison, show_tuning
from flows.cli.context import checked_stages, enter_project, flow_environment
from flows.cli.options import Address, Benchmark, Budget, Quiet, RunnerName, StoreURL, Workers
from flows.experiments.durations import parse_budget

commands = typer.Typer()


@commands.command()
def benchmark(
    benchmark: Benchmark = "",
    methods: Annotated[
        str,
        typer.Option(
            help="Names with commas: scrub, scrub:deepunlearn (a preset), "
            "aru{mask.ratio=0.3}; or all, peers, controls, ablation."
        ),
    ] = "all",
    protocol: Annotated[str, typer.Option(help="official, clean, or both with a comma.")] = "official",
    seeds: Annotated[int, typer.Option(help="Training seeds: originals and retrained models.")] = 3,
    first_seed: Annotated[int, typer.Option(help="The first of the training seeds.")] = 0,
    draws: Annotated[int, typer.Option(help="Draws of people to forget (clean protocol).")] = 1,
    first_draw: Annotated[int, typer.Option(help="The first of the draws (clean protocol).")] = 0,
    unlearn_seeds: Annotated[int, typer.Option(help="Runs of a method on each original.")] = 1,
    parameters: Annotated[
        str, typer.Option(help="default, or what `aru tune` found: tuned, the best, or capped, the best within the cap.")
    ] = "default",
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Keep the weights of all methods' models.")] = False,
    runner: RunnerName = "threads",
    address: Address = None,
    store: StoreURL = None,
    workers: Workers = 2,
    budget: Budget = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be computed, and how long it would take.")] = False,
    quiet: Quiet = False,
) -> None:
    """Compare unlearning methods: methods x training seeds x unlearning seeds x draws, each cached by its content."""
    from aru.comparison.parameter_sets import PARAMETERS

    root = enter_project()
    checked_stages(root, benchmark)
    if parameters not in PARAMETERS:
        raise InputError(f"--parameters {parameters!r}: choose {', '.join(PARAMETERS[:-1])} or {PARAMETERS[-1]}")
    budget_seconds = parse_budget(budget)
    with flow_environment(root, f"aru benchmark --benchmark {benchmark} ..."):
        from flows.experiments.benchmark import Request, compare, describe_plan
        from flows.experiments.jobs import Runner

        request = Request(
            benchmark=benchmark,
            methods=methods,
            protocols=tuple(part.strip() for part in protocol.split(",")),
            seeds=seeds,
            first_seed=first_seed,
            draws=draws,
            first_draw=first_draw,
            unlearn_seeds=unlearn_seeds,
            parameters=parameters,
            keep_weights=keep_weights,
            runner=Runner(runner, workers, address, store),
            budget_seconds=budget_seconds,
        )
        if plan:
            print(describe_plan(request, root=root, quiet=quiet))
            return
        done = compare(request, root=root, quiet=quiet)
    show_comparison(root, benchmark, done)


@commands.command()
def tune(
    benchmark: Benchmark = "",
    methods: Annotated[str, typer.Option(help="Names with commas, or all.")] = "all",
    trials: Annotated[int, typer.Option(help="Trials of each method; the first are its published settings.")] = 10,
    cap: Annotated[float, typer.Option(help="Most CPU seconds of a searched trial, as a share of retraining's.")] = 0.25,
    draws: Annotated[int, typer.Option(help="Draws of tuning people to forget.")] = 1,
    seeds: Annotated[int, typer.Option(help="Training seeds on each draw.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the search, and the first training seed.")] = 0,
    runner: RunnerName = "threads",
    address: Address = None,
    store: StoreURL = None,
    workers: Annotated[int, typer.Option(help="How many methods at once, one thread each.")] = 2,
    budget: Budget = None,
    quiet: Quiet = False,
) -> None:
    """Search every method's parameters on people set apart: equal trials, equal caps. Freezes them in a file in tuned/."""
    from aru.comparison.spaces import tunable
    from aru.comparison.trials import Setting
    from aru.core.config import load_config
    from flows.project.params import PARAMS_FILE

    root = enter_project()
    checked_stages(root, benchmark)
    setting = Setting(benchmark, trials, cap, draws, seeds, seed)
    tunable(methods, load_config(root / PARAMS_FILE, benchmark))
    budget_seconds = parse_budget(budget)
    with flow_environment(root, f"aru tune --benchmark {benchmark} ..."):
        from flows.experiments.jobs import Runner
        from flows.experiments.tuning import tune as run_tuning

        where = Runner(runner, workers, address, store)
        done = run_tuning(setting, methods, root=root, runner=where, budget_seconds=budget_seconds, quiet=quiet)
    show_tuning(root, benchmark, done)
