"""Flow runs whose process is gone: Prefect would show them as running for ever."""

from pathlib import Path

import prefect.runtime.flow_run
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

_MESSAGE = "Its process ended without a word. What it had finished is kept, and the run after it went on from there."


def close_crashed(root: Path) -> None:
    """Mark the runs on this project as crashed that Prefect believes to run, of whichever of its flows.

    To be called by the holder of the project's lock (`flows.project`), beside whom no other run can be alive. Every flow has
    the project's folder among its parameters: a server that serves other projects, too, keeps their runs as they are.
    """
    running = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])))
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=running):
            ours = "root" in run.parameters and Path(run.parameters["root"]).resolve() == root
            if ours and str(run.id) != prefect.runtime.flow_run.id:
                client.set_flow_run_state(run.id, Crashed(message=_MESSAGE), force=True)
