"""What commands run in: the project, Prefect's server, and what is printed when they are interrupted."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aru.core.errors import InputError
from aru.nets.own_code import use_project_code
from flows.project.folder import find_project

if TYPE_CHECKING:
    from aru.core.progress import Progress
    from flows.project.plan import Stage

INTERRUPTED = 130
_SEND_SECONDS = 10.0


def enter_project() -> Path:
    """The project that the working directory is in, with the environment that its tools and its own network need."""
    from flows.project.environment import prepare_environment

    root = find_project(Path.cwd())
    prepare_environment(root)
    use_project_code(root)
    return root


def checked_stages(root: Path, benchmark: str) -> "list[Stage]":
    """The stages of an active benchmark whose parameters are valid, and whose data and code are there."""
    from aru.core.config import load_config
    from flows.cli.console import show_changes
    from flows.project.params import PARAMS_FILE, bring_up_to_date
    from flows.project.plan import check_sources, plan

    show_changes(bring_up_to_date(root / PARAMS_FILE))
    load_config(root / PARAMS_FILE, benchmark)
    stages = plan(root, benchmark)
    check_sources(root, stages)
    return stages


@contextmanager
def flow_environment(root: Path, command: str) -> Iterator[None]:
    """A Prefect server for a flow that `command` resumes: an interrupt prints that command and ends with code 130."""
    with resumable("What is done is", command), prefect_api(root):
        yield


@contextmanager
def prefect_api(root: Path) -> Iterator[None]:
    """A Prefect server for the length of a block; prefect must not be imported before it."""
    from flows.project.discretion import disclosed
    from flows.servers.local_servers import flow_api, terminated_like_interrupted

    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # errors are printed once, by `main`
    with database_faults_explained(root), disclosed(), terminated_like_interrupted(), flow_api(root, _import_flows):
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        try:
            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):  # joining its thread takes a second
                yield
        finally:
            send_last_records()


@contextmanager
def database_faults_explained(root: Path) -> Iterator[None]:
    """Turn an error of Prefect's server that its database explains into an InputError that names the fault."""
    from flows.servers.database import prefect_fault

    try:
        yield
    except Exception as error:
        if fault := prefect_fault(root, error):
            raise InputError(fault) from error
        raise


def _import_flows(api: str) -> None:
    """Import what every flow needs, which takes seconds, while the server starts."""
    importlib.import_module("flows.pipeline.unlearn")


def send_last_records() -> None:
    """Send Prefect's last logs and events: its threads would look for the server for minutes once that is gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for service in (EventsWorker, APILogWorker):
        service.drain_all(timeout=_SEND_SECONDS)


@contextmanager
def resumable(results: str, command: str) -> Iterator[None]:
    """End with code 130 and the command that goes on, after Ctrl-C or an error that came up while one was handled."""
    try:
        yield
    except BaseException as error:
        if not is_interruption(error):
            raise
        also = "" if isinstance(error, KeyboardInterrupt) else f" While stopping: {type(error).__name__}: {error}"
        print(f"\nstopped. {results} kept: `{command}` goes on from there.{also}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


def is_interruption(error: BaseException | None) -> bool:
    """Whether an error is a Ctrl-C, or came up while one was handled."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or is_interruption(error.__context__))


@contextmanager
def progress_shown(name: str, *, quiet: bool = False) -> "Iterator[Progress]":
    """A progress bar under a name, for the length of a block; yields the function that moves it."""
    from flows.pipeline.progress import make_board

    with make_board(quiet=quiet) as board, board.stage(name) as progress:
        yield progress
