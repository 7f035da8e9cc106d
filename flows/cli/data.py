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
    source: Annotated[
        str, typer.Argument(metavar="mufac|mucac|table|folder|cifar10", help="How the photos are described (docs/data.md).")
    ],
    path: Annotated[
        Path, typer.Argument(help="A folder, a zip file, (table) the table beside the photos, or (cifar10) the package.")
    ],
    name: Annotated[str | None, typer.Option(help="The benchmark's name; mufac and mucac have theirs.")] = None,
    file_column: Annotated[str | None, typer.Option(help="table: the column of the files; guessed if left out.")] = None,
    person_column: Annotated[str | None, typer.Option(help="table: the column of the people.")] = None,
    family_column: Annotated[str | None, typer.Option(help="table: the column of families or other groups.")] = None,
    split_column: Annotated[str | None, typer.Option(help="table: the column of train, test, unseen.")] = None,
    label_column: Annotated[list[str] | None, typer.Option(help="table: a column of labels; may be repeated.")] = None,
    table_file: Annotated[str | None, typer.Option(help="table: the table in the folder or zip.")] = None,
    encoding: Annotated[str | None, typer.Option(help="table: its encoding, as in cp949; guessed if left out.")] = None,
    pattern: Annotated[
        str, typer.Option(help="folder: class or person (what a folder is), or a pattern: {person}/{label}_{n}.jpg.")
    ] = "class",
    name_encoding: Annotated[
        str | None, typer.Option(help="Own photos: encoding of names in a zip that do not say theirs; guessed if left out.")
    ] = None,
    ignore_exif: Annotated[
        bool, typer.Option("--ignore-exif", help="Own photos: use the pixels as stored, not turned by EXIF (benchmarks).")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE...", help="Set the benchmark's parameters with it, as in data.forget.rows=50."
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Check a data set, copy it into data/, track it with DVC and make it an active benchmark."""
    from aru.core.errors import InputError
    from aru.data.sources.found import Columns, check_options, finder
    from flows.project.checks import agree_on_terminal, confirm_on_terminal
    from flows.project.data_import import import_data, import_photos

    root, read, where = enter_project(), read_settings(settings, None), path.expanduser().resolve()
    columns = Columns(
        file=file_column,
        person=person_column,
        family=family_column,
        split=split_column,
        labels=tuple(label_column or ()),
        table=table_file,
        encoding=encoding,
        pattern=pattern,
        name_encoding=name_encoding,
        ignore_exif=ignore_exif,
    )
    check_options(source, columns)
    if source in ("mufac", "mucac"):
        if name not in (None, source):
            raise InputError(f"--name {name}: the benchmark of the source {source} is called {source}; leave --name out")
        done = import_data(root, source, where, settings=read, confirm=confirm_on_terminal(yes=yes), progress=progress_shown)
    else:
        finder(source)  # an unknown source is named before a missing name
        if name is None:
            raise InputError(f"the source {source} needs a name for the benchmark: --name NAME")
        done = import_photos(
            root,
            source,
            where,
            name,
            columns,
            settings=read,
            announce=agree_on_terminal(yes=yes),
            confirm=confirm_on_terminal(yes=yes),
            progress=progress_shown,
        )
    show_import(name or source, done)


@commands.command("audit")
def data_audit(
    benchmark: Benchmark = "",
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON, too.")] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Write copies under other names as a page with pictures, for your eyes only.")
    ] = False,
) -> None:
    """Count duplicates, people on both sides of the cut, leaks, conflicts and label shift; list merged people and suspects."""
    from aru.core.files import write_json
    from flows.project.data_import import audit_data, copies_page_of

    with progress_shown("audit") as progress:
        audit = audit_data(enter_project(), benchmark, page=page, progress=progress)
    show_data(audit)
    print("\n".join(audit["selection"]))
    if page:
        print(f"Page:    {copies_page_of(benchmark)} (it shows people; git, DVC and MLflow have nothing of it)")
    if json is not None:
        write_json(json, audit)


@commands.command("faces", hidden=True)  # another name of `make`, as `python -m aru faces` is called
@commands.command("make")
def data_make(
    labels: Annotated[
        str, typer.Option(metavar="parts,boxes", help="Write part masks and boxes, too, into data/faces-labels.zip.")
    ] = "",
) -> None:
    """Generate the embedded benchmark's archive data/faces.zip anew; the same bytes unless its generator changed."""
    from aru.faces.generate import labels_path
    from flows.project.data_import import make_faces

    root = enter_project()
    with progress_shown("make") as progress:
        target = make_faces(root, labels=[one.strip() for one in labels.split(",") if one.strip()], progress=progress)
    if labels:
        print(f"{labels_path(target).relative_to(root)} has the labels {labels}, and is tracked")
    print(f"{target.relative_to(root)} is made and tracked; `aru run --benchmark faces` computes with it")
