"""`aru batch`: deletion requests carried out together, by the policy of requests.yaml."""

from typing import Annotated

import typer

from flows.cli.context import enter_project, flow_environment
from flows.cli.options import Benchmark, Quiet

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
    """Show the newest batches: requests, models before and after."""
    from flows.requests.ledger.ledger import project_ledger
    from flows.requests.ledger.queries import list_batches, list_requests

    with project_ledger(enter_project()) as ledger:
        for batch in list_batches(ledger):
            states = sorted({request.state for request in list_requests(ledger, batch=batch.id, limit=1000).requests})
            models = f"{batch.model_before or '-'} -> {batch.model_after or '-'}"
            print(f"{batch.id}  {batch.created:%Y-%m-%d %H:%M}  {batch.benchmark}  {', '.join(states)}  version {models}")


@commands.command()
def decide(batch: Batch) -> None:
    """Decide that a batch which was escalated, or stopped by a fault, is carried out after all, at the next run."""
    from flows.requests.ledger import batching
    from flows.requests.ledger.ledger import project_ledger
    from flows.requests.ledger.records import operator

    with project_ledger(enter_project()) as ledger:
        batching.decide(ledger, batch, actor=operator())
    print(f"{batch} goes on at the next `aru batch run`, or when the schedule of `aru serve --requests` comes")
