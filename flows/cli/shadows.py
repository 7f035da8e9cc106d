"""`aru shadows`: the pool of shadow models."""

from typing import Annotated

import typer

from flows.cli.console import show_pool, show_shadows
from flows.cli.context import checked_stages, enter_project, flow_environment
from flows.cli.options import Address, Benchmark, Budget, Quiet, RunnerName, StoreURL, Workers
from flows.experiments.durations import parse_budget

commands = typer.Typer(
    name="shadows",
    help="Shadow models, each trained on a random half of the people: what attacks are calibrated on.",
    no_args_is_help=True,
)


@commands.command("build")
def shadows_build(
    benchmark: Benchmark = "",
    models: Annotated[int, typer.Option(help="How many in all, an even number; more than there are top the pool up.")] = 16,
    protocol: Annotated[str, typer.Option(help="official or clean.")] = "official",
    unlearn: Annotated[str, typer.Option(metavar="METHODS", help="Unlearn those that saw the forget people, too.")] = "",
    draws: Annotated[int, typer.Option(help="With --unlearn: of how many draws, one by one.")] = 1,
    drop_weights: Annotated[bool, typer.Option("--drop-weights", help="Keep the logits alone, afterwards.")] = False,
    restore_weights: Annotated[bool, typer.Option("--restore-weights", help="Train dropped ones again.")] = False,
    runner: RunnerName = "threads",
    address: Address = None,
    store: StoreURL = None,
    workers: Workers = 2,
    budget: Budget = None,
    quiet: Quiet = False,
) -> None:
    """Train the shadow models that are missing or stale. They are personal data and stay in work/BENCHMARK/shadows/."""
    from aru.comparison.draws import parse_protocol
    from aru.shadows.build import PoolRequest

    root = enter_project()
    checked_stages(root, benchmark)
    request = PoolRequest(models, parse_protocol(protocol), unlearn, draws, restore_weights)
    budget_seconds = parse_budget(budget)
    with flow_environment(root, f"aru shadows build --benchmark {benchmark} ..."):
        from flows.experiments.jobs import Runner
        from flows.experiments.shadows import build_pool

        done = build_pool(
            benchmark,
            request,
            root=root,
            runner=Runner(runner, workers, address, store),
            drop_weights=drop_weights,
            budget_seconds=budget_seconds,
            quiet=quiet,
        )
    show_pool(done)


@commands.command("status")
def shadows_status(
    benchmark: Benchmark = "",
    protocol: Annotated[str, typer.Option(help="official or clean.")] = "official",
    models: Annotated[int | None, typer.Option(help="How many; all that the pool has had without it.")] = None,
) -> None:
    """Show the shadow models: present, weights dropped, missing, or stale and because of what."""
    from aru.comparison.draws import parse_protocol
    from aru.core.config import load_config
    from aru.shadows.build import COLUMNS, Build, PoolRequest, table
    from aru.shadows.pool import open_pool
    from aru.shadows.status import models_there
    from flows.project.params import PARAMS_FILE

    root = enter_project()
    work = root / "work" / benchmark
    count = models_there(open_pool(work), protocol) if models is None else models
    build = Build(PoolRequest(count or 2, parse_protocol(protocol)), load_config(root / PARAMS_FILE, benchmark), work)
    show_shadows(benchmark, protocol, COLUMNS, table(build.entries()))
