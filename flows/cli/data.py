"""`aru data`: data sets imported, looked over, or generated."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import show_data, show_import
from flows.cli.context import enter_project, progress_shown
from flows.cli.options import Benchmark, Yes, read_settings

commands = typer.Typer(
    name="data", help="Bring data sets in, look them over, or make the embedded one anew.", no_args_is_help=True
)


@commands.command("import")
def data_import(
    layout: Annotated[str, typer.Argument(metavar="mufac|mucac", help="The layout of the data set.")],
    source: Annotated[Path, typer.Argument(help="The MUFAC archive (.zip), or the unpacked MUCAC folder.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE...", help="Set the benchmark's parameters with it, as in data.forget.rows=50."
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Check a data set, copy it into data/, track it with DVC and make it an active benchmark."""
    from flows.project.checks import confirm_on_terminal
    from flows.project.data_import import import_data

    root = enter_project()
    done = import_data(
        root,
        layout,
        source.expanduser().resolve(),
        settings=read_settings(settings, None, None),
        confirm=confirm_on_terminal(yes=yes),
        progress=progress_shown,
    )
    show_import(layout, done)


@commands.command("audit")
def data_audit(
    benchmark: Benchmark = "faces",
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON, too.")] = None,
) -> None:
    """Count duplicates, people on both sides of the cut, leaks, conflicts and label shift; list merged people and suspects."""
    from aru.core.files import write_json
    from flows.project.data_import import audit_data

    with progress_shown("audit") as progress:
        audit = audit_data(enter_project(), benchmark, progress=progress)
    show_data(audit)
    print("\n".join(audit["selection"]))
    if json is not None:
        write_json(json, audit)


@commands.command("make")
def data_make() -> None:
    """Generate the embedded benchmark's archive data/faces.zip anew; the same bytes unless its generator changed."""
    from flows.project.data_import import make_faces

    root = enter_project()
    with progress_shown("make") as progress:
        target = make_faces(root, progress=progress)
    print(f"{target.relative_to(root)} is made and tracked by data.dvc")
