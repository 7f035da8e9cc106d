"""`aru promote` and `aru serve-model`: which version answers users, and a small server that answers with it."""

from typing import Annotated

import typer

from aru.core.config import load_config
from flows.cli.context import enter_project
from flows.cli.options import Benchmark
from flows.project.params import PARAMS_FILE

commands = typer.Typer()


@commands.command()
def promote(
    version: Annotated[str, typer.Argument(help="A version of the registered model, or an alias.")] = "candidate",
    benchmark: Benchmark = "",
) -> None:
    """Put a version that passed its audit into production; never one that knows people whom a released one has forgotten."""
    from flows.requests.ledger.ledger import has_ledger, project_ledger
    from flows.requests.ledger.queries import released_batches
    from flows.tracking.production import promote as move
    from flows.tracking.registry import model_name

    root, name, released = enter_project(), model_name(benchmark), 0
    if has_ledger(root):
        with project_ledger(root) as ledger:
            released = released_batches(ledger, benchmark)
    release = load_config(root / PARAMS_FILE, benchmark).audit.release
    found = move(root, name, version, release=release, batches=released)
    print(f"{name} version {found.version} is in production since {found.since}")


@commands.command("serve-model")
def serve_model_command(
    benchmark: Benchmark = "",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5002,
    refresh: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the alias `production`.")] = 5.0,
) -> None:
    """Answer with the version in production until Ctrl-C: POST an image file to /predict; /health says which version."""
    from flows.prediction.prediction_app import serve_model
    from flows.servers.local_servers import check_port

    root = enter_project()
    check_port(port, option="--port")
    serve_model(root, benchmark, port=port, refresh=refresh)
