"""`aru store`: what comparisons, tuning and shadow pools have put into stores for the workers of a cluster."""

from typing import Annotated

import typer

from aru.core.errors import InputError
from flows.cli.context import enter_project
from flows.cli.options import Benchmark

commands = typer.Typer(
    name="store",
    help="See and remove what went to stores by `--runner dask --store URL`: personal data.",
    no_args_is_help=True,
)


@commands.command("list")
def list_stores() -> None:
    """List the stores that this project has sent files to, with what lies there now."""
    from aru.compute.object_store import ObjectStore
    from flows.project.used_stores import used_stores

    stores = used_stores(enter_project())
    for url, benchmarks in stores.items():
        for benchmark in benchmarks:
            try:
                count, size = ObjectStore(url, benchmark).size()
                print(f"{url}  {benchmark}: {count} files, {size / 2**20:.1f} MiB")
            except InputError as error:
                print(f"{url}  {benchmark}: {error}")
    if not stores:
        print("nothing was sent to a store")


@commands.command()
def clean(
    url: Annotated[str, typer.Argument(metavar="URL", help="A folder, or s3://BUCKET/PREFIX, as --store was given.")],
    benchmark: Benchmark = "",
) -> None:
    """Remove all that a store has of a benchmark; what this project has fetched stays, and is uploaded again when needed."""
    from aru.compute.object_store import ObjectStore
    from flows.project.folder import project_lock
    from flows.project.used_stores import forget_store

    root = enter_project()
    with project_lock(root):
        store = ObjectStore(url, benchmark)
        count = store.clear()
        forget_store(root, store.url, benchmark)
    print(f"{count} files of {benchmark} removed from {store.url}")
