"""`aru ui` and `aru serve`: pages and schedules, until Ctrl-C."""

from typing import Annotated

import typer

from flows.cli.context import enter_project
from flows.cli.options import Benchmark

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
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's server and pages.")] = 4200,
) -> None:
    """Run the main flow by a schedule until Ctrl-C; one run at a time."""
    from flows.servers.serving import serve

    serve(enter_project(), benchmark=benchmark, cron=cron, prefect_port=prefect_port)
