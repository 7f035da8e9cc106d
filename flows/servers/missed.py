"""`python -m flows.servers.missed FLOW/DEPLOYMENT`: cancels runs whose time passed while nothing could start them.

Prefect would start them all at once when somebody is there again. The first would hold the project's one place, and the
others, those that are due by then among them, would be cancelled in its stead.
"""

import sys
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

_GRACE = timedelta(minutes=1)
_MESSAGE = "Its time passed while nothing was there to start it."


def cancel_missed(client: SyncPrefectClient, name: str) -> int:
    """Cancel a deployment's runs that a schedule made and that are over a minute late; returns how many.

    `name` is FLOW/DEPLOYMENT. Runs that somebody asked for stay: they are waited for.
    """
    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound:
        return 0
    late = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC) - _GRACE),
    )
    here = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    cancelled = 0
    while missed := [run for run in client.read_flow_runs(flow_run_filter=late, deployment_filter=here) if run.auto_scheduled]:
        for run in missed:
            client.set_flow_run_state(run.id, Cancelled(message=_MESSAGE), force=True)
        cancelled += len(missed)
    return cancelled


if __name__ == "__main__":
    with get_client(sync_client=True) as own:
        print(f"{cancel_missed(own, sys.argv[1])} missed runs are cancelled.")
