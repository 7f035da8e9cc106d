"""`aru init`, `params`, `code`, `doctor` and `docs`: a project of one's own, and what it stands on."""

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.context import enter_project
from flows.cli.options import Benchmark

commands = typer.Typer()
UNFIT = 1


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder, made where it is missing.")] = Path("."),
    renew: Annotated[bool, typer.Option("--renew", help="Write dvc.yaml anew, for a newer version of aru.")] = False,
    service: Annotated[
        str | None, typer.Option(metavar="BENCHMARK", help="Add prefect.yaml and work-pool.json for a scheduled service.")
    ] = None,
) -> None:
    """Make a folder a project: git, DVC, params.yaml, dvc.yaml, thresholds.yaml, a README. Nothing is written over."""
    from flows.project.environment import prepare_environment
    from flows.project.new_project import make_project

    prepare_environment(folder)
    done = make_project(folder, renew=renew, service=service)
    print(f"{done.root} is a project.")
    print(f"  made: {', '.join(done.made) or 'nothing'}")
    if done.left:
        print(f"  there already: {', '.join(done.left)}")
    for note in done.notes:
        print(f"  {note}")
    where = "" if done.root == Path.cwd() else f"cd {folder}; "
    print(f"Next:\n  {where}aru data import table PHOTOS.csv --name NAME   # or: aru data make, for drawn faces to try it on")
    if service is not None:
        print("  the commands at the top of prefect.yaml, in the environment that `python -m flows.servers.shell` prints")


@commands.command()
def params(
    section: Annotated[str, typer.Argument(help="data, train, attack ...: this section alone; a parameter's name, too.")] = "",
    benchmark: Benchmark = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every parameter: value, default, limits and meaning; '*' marks what differs from the default."""
    from aru.core.config import load_config
    from aru.core.errors import InputError
    from aru.core.parameter_table import parameters
    from aru.core.suggestions import did_you_mean
    from flows.cli.console import show_parameters
    from flows.project.params import PARAMS_FILE

    rows = parameters(load_config(enter_project() / PARAMS_FILE, benchmark))
    shown = [row for row in rows if f"{row.name}.".startswith(f"{section}." if section else "")]
    if not shown:
        known = list(dict.fromkeys(row.name.partition(".")[0] for row in rows))
        hint = did_you_mean(section, [*known, *(row.name for row in rows)])
        raise InputError(f"there is no section or parameter {section!r}{hint}; the sections are {', '.join(known)}")
    if json:
        print(json_format.dumps([row._asdict() for row in shown], indent=1, ensure_ascii=False))
    else:
        show_parameters(benchmark, shown)


@commands.command()
def code() -> None:
    """Record the installed code, so that `dvc repro` runs again what a new version changes; `aru run` does it itself."""
    from aru.stages.code_record import installed_code, write_code_records
    from flows.project.folder import project_lock
    from flows.project.params import PARAMS_FILE, complete

    root = enter_project()
    with project_lock(root):
        added = complete(root / PARAMS_FILE)
        write_code_records(root)
    print(f"work/code/ is of aru {json_format.loads(installed_code())['version']}")
    if added:
        print(f"{PARAMS_FILE} has the parameters now that dvc.yaml names")


@commands.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check what a project stands on, and say what to do: exit code 0, or 1 where something has to be mended."""
    from flows.cli.console import show_findings
    from flows.project.environment import prepare_environment
    from flows.project.folder import project_at
    from flows.requests.key_findings import examine_keys
    from flows.servers.doctor import examine

    root = project_at(Path.cwd())
    prepare_environment(root or Path.cwd())
    found = [*examine(root, Path.cwd()), *(examine_keys(root) if root is not None else ())]
    if json:
        print(json_format.dumps([finding._asdict() for finding in found], indent=1))
    else:
        show_findings(found)
    raise SystemExit(UNFIT if any(finding.state == "fail" for finding in found) else 0)


@commands.command()
def docs(page: Annotated[str, typer.Argument(help="operation, protocol ...; all names without one.")] = "") -> None:
    """Print a page of the documentation, which messages name as docs/PAGE.md."""
    from aru.core.errors import InputError
    from aru.core.suggestions import did_you_mean
    from flows.project.shipped import shipped

    pages = {path.stem: path for path in sorted(shipped("docs/operation.md").parent.glob("*.md"))}
    name = Path(page).stem
    if not name:
        print(
            "\n".join(
                f"{stem:14} {path.read_text(encoding='utf-8').partition(chr(10))[0].lstrip('# ')}"
                for stem, path in pages.items()
            )
        )
    elif name in pages:
        print(pages[name].read_text(encoding="utf-8"))
    else:
        raise InputError(f"there is no page {page!r}{did_you_mean(name, list(pages))}: `aru docs` lists them")
