"""Flow runs whose process is gone: Prefect would show them as running without end.

A Prefect server may serve several projects, clones and containers, whose folders can have equal paths, so a run's parameters
do not identify its project. Each project therefore notes its own runs, by their ids and processes, in its own folder.
"""

from pathlib import Path
from uuid import UUID

import prefect.runtime.flow_run
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from aru.core.files import read_json, write_json
from flows.project.folder import lock_folder
from flows.project.process_identity import ProcessIdentity, is_alive, this_process

_MESSAGE = "Its process ended without a message. What it had finished is kept, and the run after it went on from there."
_MOST = 100
_Note = tuple[str, ProcessIdentity]
"""The id of a run, and the process that runs it."""


def register_run(root: Path) -> None:
    """`close_crashed`, and note this run. To be called at the start of every flow."""
    own = str(prefect.runtime.flow_run.id)
    _write(root, [*_left(root, own), (own, this_process())])


def close_crashed(root: Path) -> None:
    """Mark the project's noted runs as crashed that Prefect believes to run and whose process is gone.

    To be called by the holder of the project's lock (`flows.project.folder`), beside whom no other run can be alive,
    on whatever host. Runs that this server does not know are kept in the notes: they are another's, where `PREFECT_API_URL`
    has changed.
    """
    _write(root, _left(root))


def _left(root: Path, own: str = "") -> list[_Note]:
    """The notes, less those of `own` and of runs that are over, which are brought to their end."""
    with get_client(sync_client=True) as client:
        return [note for note in _read(root) if note[0] != own and not _close(client, *note)]


def _close(client: SyncPrefectClient, run_id: str, process: ProcessIdentity) -> bool:
    """Bring a noted run to its end; whether nothing is left to be done about it."""
    if is_alive(process):  # the flow before this one in the same process, or that of a folder that this is a copy of
        return False
    try:
        state = client.read_flow_run(UUID(run_id)).state
    except ObjectNotFound:
        return False
    if state is not None and state.is_running():
        client.set_flow_run_state(UUID(run_id), Crashed(message=_MESSAGE), force=True)
    return True


def _read(root: Path) -> list[_Note]:
    """The notes; none where they were copied with the folder, as the runs are the other folder's, or cannot be read."""
    try:
        content = read_json(_file(root))
        if content["folder"] != _folder(root):
            return []
        return [(str(UUID(run)), ProcessIdentity(*process)) for run, *process in content["runs"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _write(root: Path, notes: list[_Note]) -> None:
    write_json(_file(root), {"folder": _folder(root), "runs": [[run, *process] for run, process in notes[-_MOST:]]})


def _file(root: Path) -> Path:
    return lock_folder(root) / "flow-runs.json"


def _folder(root: Path) -> int:
    """What a copy of the folder does not share with it, but the folder does with itself after a move."""
    return lock_folder(root).stat().st_ino
