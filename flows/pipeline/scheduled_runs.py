"""`python -m flows.pipeline.scheduled_runs ROOT BENCHMARK CRON ZONE`: starts the scheduled runs of `aru serve`.

It is one that `aru serve` can watch, and end together with its runs. Where Prefect's server is its environment says.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from flows.pipeline.crashes import close_crashed
from flows.pipeline.unlearn import unlearn
from flows.project.folder import ProjectBusy, project_lock
from flows.servers.missed import cancel_missed
from flows.servers.serving import deployment


def main(root: Path, benchmark: str, cron: str, zone: str, *, flow: Flow[..., Any] = unlearn) -> None:
    """Serve the main flow, or another of the same parameters.

    A deployment, or its schedule, that somebody has paused stays so; the end pauses nothing.
    """
    name = f"{flow.name}/{benchmark}"
    with suppress(ProjectBusy), project_lock(root):
        close_crashed(root)  # else the place of a run that was killed would be taken for minutes
    with get_client(sync_client=True) as client:
        missed = cancel_missed(client, name)
        paused, active = pauses(client, name)
    if missed:
        print(f"{missed} runs whose time has passed meanwhile are not made up for: they are marked as cancelled.", flush=True)
    if paused or not active:
        print("The schedule is paused: nothing starts before it is resumed on its page.", flush=True)
    flow.serve(**deployment(root, benchmark, cron=cron, zone=zone, paused=paused, active=active))


def pauses(client: SyncPrefectClient, name: str) -> tuple[bool, bool]:
    """Whether a deployment (FLOW/DEPLOYMENT) is paused, and whether its schedule is active; a new one is not, and is."""
    try:
        known = client.read_deployment_by_name(name)
    except ObjectNotFound:
        return False, True
    return known.paused, all(schedule.active for schedule in known.schedules)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
