"""Options that several commands share, and how their values are read."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aru.core.config import load_archives
from aru.core.errors import InputError
from aru.core.names import ARU
from aru.methods.aru.presets import PRESETS
from flows.project.folder import find_project

_PREFERRED = "faces"


def chosen_benchmark(name: str) -> str:
    """The benchmark that a command is about: the named one, the only active one, or faces among several."""
    if name:
        return name
    active = list(load_archives(find_project(Path.cwd()) / "params.yaml"))
    if len(active) != 1 and _PREFERRED not in active:
        many = f"name one of the active benchmarks with --benchmark: {', '.join(active)}"
        raise InputError(many if active else "no benchmark is active in params.yaml: `aru data import` brings one in")
    return active[0] if len(active) == 1 else _PREFERRED


Benchmark = Annotated[
    str,
    typer.Option(
        help="An active benchmark of params.yaml; the only one, or faces, if left out.",
        callback=chosen_benchmark,
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask where people come along whom data.forget does not name.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Workers = Annotated[int, typer.Option(help="How many models at once, one thread each.")]
RunnerName = Annotated[str, typer.Option("--runner", help="threads, processes, or dask (an extra).")]
Address = Annotated[str | None, typer.Option(metavar="ADDRESS", help="With dask: a cluster that is there, tcp://HOST:PORT.")]
StoreURL = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="With dask: the folder or s3://BUCKET/PREFIX that files, photos too, travel through."
    ),
]
Budget = Annotated[str | None, typer.Option(metavar="TIME", help="Begin nothing after so long: 90s, 45m, 2h.")]
Forget = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME...", help="Forget these people (FAMILY/PERSON or subject ids): sets data.forget.subjects."),
]
ForgetPeople = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Forget the people of a list, one name a line, or a CSV's column 'person'.")
]
ForgetFiles = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Forget the photos of a list, one path a line: sets data.forget.files.")
]
_LIST_OPTIONS = ("--set", "--refresh", "--forget")


def expand_lists(arguments: list[str]) -> list[str]:
    """Let --set, --forget and --refresh take several values, and --refresh none, which stands for all stages."""
    expanded: list[str] = []
    option = None
    for position, argument in enumerate(arguments):
        if argument in _LIST_OPTIONS:
            option = argument
            bare = position + 1 == len(arguments) or arguments[position + 1].startswith("-")
            expanded += [argument, "all"] if bare and argument == "--refresh" else [argument] if bare else []
        elif argument.startswith("-"):
            option = None
            expanded.append(argument)
        else:
            expanded += [option, argument] if option else [argument]
    return expanded


Method = Annotated[str | None, typer.Option(metavar="NAME", help="Set what unlearns: aru, or a method of `aru methods`.")]
Preset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help=f"Set the method's parameters to a named variant; ARU's are {', '.join(PRESETS)}."),
]


def read_settings(
    settings: list[str] | None,
    params: Path | None,
    preset: str | None = None,
    *,
    benchmark: str = "",
    method: str | None = None,
    now: str = ARU,
) -> list[tuple[str, Any]]:
    """The parameters that a command sets; a later one wins.

    benchmark: whose preset it is; now: the method that a preset is of where none is given.
    """
    from flows.project.params import file_settings, parse_setting, preset_settings

    return [
        *([("method", method)] if method else []),
        *(preset_settings(preset, benchmark, method or now) if preset else []),
        *(file_settings(params) if params else []),
        *(parse_setting(text) for text in settings or []),
    ]


def read_request(names: list[str] | None, people: Path | None, files: Path | None) -> list[tuple[str, Any]]:
    """The parameters that --forget, --forget-people and --forget-files set."""
    from aru.data.request_lists import read_files, read_people

    subjects = list(dict.fromkeys([*(names or []), *(read_people(people) if people else [])]))
    return [
        *([("data.forget.subjects", subjects)] if subjects else []),
        *([("data.forget.files", read_files(files))] if files else []),
    ]
