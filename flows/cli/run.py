"""`aru run` and `aru status`: the main flow, and the state of its stages."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.console import show_absent, show_changes, show_outcome, show_states
from flows.cli.context import checked_stages, enter_project, is_interruption, prefect_api, progress_shown, resumable
from flows.cli.options import (
    Benchmark,
    Forget,
    ForgetFiles,
    ForgetPeople,
    Method,
    Preset,
    Quiet,
    Yes,
    read_request,
    read_settings,
)
from flows.project.folder import project_lock

if TYPE_CHECKING:
    from flows.pipeline.unlearn import Outcome
    from flows.project.params import Edit

commands = typer.Typer()


@commands.command()
def run(
    benchmark: Benchmark = "",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE...", help="Set parameters in params.yaml first, as in --set attack.steps=20."
        ),
    ] = None,
    params: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Set all parameters of a YAML file with sections such as attack: {steps: 20}."),
    ] = None,
    method: Method = None,
    preset: Preset = None,
    refresh: Annotated[
        list[str] | None,
        typer.Option(metavar="[STAGE...]", help="Compute these stages again (all without a name) though they are cached."),
    ] = None,
    forget: Forget = None,
    forget_people: ForgetPeople = None,
    forget_files: ForgetFiles = None,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Run the main flow: data, original model, unlearning, retrained reference, evaluation, audit, report.

    What is cached is not computed again. --method, --preset, --params, --set and --forget... change params.yaml itself, in
    this order, because DVC, Prefect and MLflow agree on that file; nothing is written unless all of it fits the data, the
    network and the device, and a run that fails leaves the file as it was.
    """
    root = enter_project()
    with project_lock(root), resumable("Finished stages are", f"aru run --benchmark {benchmark}"):
        wanted = read_settings(
            settings, params, preset, benchmark=benchmark, method=method, now=current_method(root, benchmark)
        )
        wanted += read_request(forget, forget_people, forget_files)
        edit = check_run(root, benchmark, wanted, refresh or [], yes=yes, quiet=quiet)
        with parameters_written(edit):
            outcome = run_main_flow(root, benchmark, tuple(refresh or ()), quiet)
    show_outcome(root, outcome)


@commands.command()
def status(benchmark: Benchmark = "") -> None:
    """Show the stages: key, whether each is cached, stale (and because of what), damaged or never run, its outputs."""
    from flows.pipeline.state import states
    from flows.project.params import PARAMS_FILE, bring_up_to_date
    from flows.project.plan import absent_data

    root = enter_project()
    show_changes(bring_up_to_date(root / PARAMS_FILE))
    show_states(benchmark, states(root, benchmark))
    show_absent(absent_data(root))


def check_run(
    root: Path, benchmark: str, settings: list[tuple[str, Any]], refresh: list[str], *, yes: bool, quiet: bool
) -> "Edit":
    """Check the whole request before params.yaml is touched or work starts; returns the change of params.yaml."""
    from aru.core.folders import stages_of
    from flows.project.checks import check_edit, confirm_on_terminal
    from flows.project.params import PARAMS_FILE, propose
    from flows.project.plan import absent_data, refreshed

    stages = checked_stages(root, benchmark)
    edit = propose(root / PARAMS_FILE, benchmark, settings)
    refreshed(stages_of(edit.config.method), tuple(refresh))
    check_edit(
        root, benchmark, stages, edit, confirm=confirm_on_terminal(yes=yes), progress=partial(progress_shown, quiet=quiet)
    )
    show_changes(edit.changes)
    show_absent(absent_data(root))
    return edit


def current_method(root: Path, benchmark: str) -> str:
    """The method in a benchmark's section, before a command sets anything."""
    from flows.project.params import PARAMS_FILE, configured

    return configured(root / PARAMS_FILE, benchmark).method


@contextmanager
def parameters_written(edit: "Edit") -> Iterator[None]:
    """Write changed parameters for a run. A failure takes them back; an interrupt keeps them, so that the run can go on."""
    edit.write()
    try:
        yield
    except BaseException as error:
        if not is_interruption(error) and edit.revert():
            print("params.yaml is again as it was before this run", file=sys.stderr)
        raise


def run_main_flow(root: Path, benchmark: str, refresh: tuple[str, ...], quiet: bool) -> "Outcome":
    """The main flow, beside a Prefect server of its own where none runs."""
    with prefect_api(root):
        from flows.pipeline.unlearn import Outcome, unlearn

        outcome = unlearn(benchmark, refresh=refresh, root=root, quiet=quiet)
        assert isinstance(outcome, Outcome)  # a state is returned to a deployment's run alone
        return outcome
