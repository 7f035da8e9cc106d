"""`aru ui` and `aru serve`: pages and schedules, until Ctrl-C."""

from typing import Annotated

import typer

from flows.cli.context import enter_project
from flows.cli.options import Benchmark, Method
from flows.cli.run import check_run
from flows.project.folder import project_lock

commands = typer.Typer()


@commands.command()
def ui(
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's pages.")] = 5000,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's pages.")] = 4200,
) -> None:
    """Serve the pages of MLflow (figures, models) and Prefect (flow runs) until Ctrl-C."""
    from flows.cli.pages import open_pages

    open_pages(enter_project(), mlflow_port=mlflow_port, prefect_port=prefect_port)


@commands.command("serve")
def serve_command(
    benchmark: Benchmark = "",
    cron: Annotated[str, typer.Option(help="When, as minute, hour, day, month and weekday in local time.")] = "0 2 * * *",
    method: Method = None,
    requests: Annotated[
        bool, typer.Option("--requests", help="Carry out the deletion requests that are due (docs/erasure.md).")
    ] = False,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's server and pages.")] = 4200,
) -> None:
    """Run the main flow by a schedule until Ctrl-C; one run at a time, each by params.yaml as it is then.

    --method sets the method there first.
    """
    from flows.servers.serving import serve

    root = enter_project()
    if method is not None:
        with project_lock(root):
            check_run(root, benchmark, [("method", method)], [], yes=False, quiet=True).write()
    runner = "flows.requests.processing.scheduled_batches" if requests else "flows.pipeline.scheduled_runs"
    serve(root, benchmark=benchmark, cron=cron, prefect_port=prefect_port, runner=runner)
