"""`aru batch`: deletion requests carried out together, by the policy of requests.yaml."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.context import enter_project, flow_environment
from flows.cli.options import Benchmark, Quiet

if TYPE_CHECKING:
    from flows.requests.processing.batch_figures import Released

commands = typer.Typer(name="batch", help="Carry out approved deletion requests (docs/erasure.md).", no_args_is_help=True)

Batch = Annotated[str, typer.Argument(metavar="BATCH", help="Its id, as in B-000001.")]
_WAITS = 3


@commands.command()
def run(benchmark: Benchmark = "", quiet: Quiet = False) -> None:
    """Go on with the batch that is not at its end, else make and carry out the next one: what `aru serve --requests` does.

    Exit code 3 where the batch waits for a person.
    """
    root = enter_project()
    with flow_environment(root, f"aru batch run --benchmark {benchmark}"):
        from flows.requests.ledger.states import State
        from flows.requests.processing.carrying_out import Done
        from flows.requests.processing.scheduled_batches import requests

        done = requests(benchmark, root, quiet)
    if done is None:
        print("no request is due by the policy of requests.yaml")
        return
    assert isinstance(done, Done)  # a state is returned to a deployment's run alone
    released = f", in production: version {done.version}" if done.version else ""
    print(f"{done.batch} is {done.state}{released}")
    if done.state != State.FULFILLED:
        raise typer.Exit(_WAITS)


@commands.command("list")
def list_command() -> None:
    """Show the newest batches: requests, models before and after, what it cost those who stay, those forgotten earlier."""
    from flows.requests.ledger.ledger import project_ledger
    from flows.requests.ledger.queries import list_batches, list_requests
    from flows.requests.processing.batch_figures import released_figures

    with project_ledger(enter_project()) as ledger:
        batches = list_batches(ledger)
        benchmarks = {batch.benchmark for batch in batches}
        figures = {one.batch: one for benchmark in benchmarks for one in released_figures(ledger, benchmark)}
        for batch in batches:
            states = sorted({request.state for request in list_requests(ledger, batch=batch.id, limit=1000).requests})
            models = f"{batch.model_before or '-'} -> {batch.model_after or '-'}"
            print(f"{batch.id}  {batch.created:%Y-%m-%d %H:%M}  {batch.benchmark}  {', '.join(states)}  version {models}")
            if batch.id in figures:
                print(f"          {_line(figures[batch.id])}")


def _line(released: "Released") -> str:
    """A batch's figures in one line."""
    accuracy, earlier = released.figures["accuracy"], released.figures["earlier"]
    parts = [f"by {released.method}: accuracy " + ", ".join(f"{name} {value:.3f}" for name, value in accuracy.items())]
    if earlier["auc"] is not None:
        low, high = earlier["low"], earlier["high"]
        interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
        parts.append(f"forgotten earlier, {earlier['people']} people: AUC {earlier['auc']:.3f}{interval}")
    if earlier["erased"]:
        parts.append(f"{earlier['erased']} requests cannot be audited again: erased")
    return "; ".join(parts)


@commands.command()
def decide(batch: Batch) -> None:
    """Decide that a batch which was escalated, or stopped by a fault, is carried out after all, at the next run."""
    from flows.requests.ledger import batching
    from flows.requests.ledger.ledger import project_ledger
    from flows.requests.ledger.records import operator

    with project_ledger(enter_project()) as ledger:
        batching.decide(ledger, batch, actor=operator())
    print(f"{batch} goes on at the next `aru batch run`, or when the schedule of `aru serve --requests` comes")
