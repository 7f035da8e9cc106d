"""The flow `requests`: one turn of the schedule of deletion requests.

`python -m flows.requests.processing.scheduled_batches ROOT BENCHMARK CRON ZONE` starts its runs, for `aru serve --requests`.
"""

import sys
from pathlib import Path

import prefect.runtime.deployment
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from aru.audit.audit_file import AuditRecord
from flows.experiments.audit import audit
from flows.pipeline.scheduled_runs import main
from flows.pipeline.unlearn import Outcome, unlearn
from flows.project.discretion import discreet
from flows.project.folder import ProjectBusy, find_project
from flows.requests.ledger.ledger import project_ledger
from flows.requests.processing.carrying_out import Done, Tools, carry_out
from flows.requests.processing.certifying import certify_at_fulfilment, gather_evidence
from flows.requests.processing.rechecking import recheck
from flows.requests.processing.suppressing import suppress_requests
from flows.servers.parents import end_with_parent


@flow(name="requests", flow_run_name="requests-{benchmark}", persist_result=False, result_serializer="json")
@discreet
def requests(benchmark: str = "faces", root: Path = Path("."), quiet: bool = False) -> Done | State | None:
    """Go on with the batch of requests that is not at its end, else make and carry out the next one, if any is due.

    A deployment's run that finds another at work in the project is cancelled.
    """
    root = find_project(root)
    end_with_parent()

    def run(root: Path, benchmark: str) -> Outcome:
        outcome = unlearn(benchmark, root=root, quiet=quiet)
        assert isinstance(outcome, Outcome)  # a state is returned to a deployment's run alone
        return outcome

    def audited(root: Path, benchmark: str, level: str) -> AuditRecord:
        return audit("unlearned", benchmark=benchmark, level=level, root=root, quiet=quiet).record

    try:
        with project_ledger(root) as ledger:
            tools = Tools(run, audited, suppress_requests, recheck, gather_evidence, certify_at_fulfilment)
            return carry_out(root, benchmark, ledger, tools=tools)
    except ProjectBusy:
        if prefect.runtime.deployment.id is None:
            raise
        return Cancelled(message="Not started: another run works in the project; wait until it ends")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:], flow=requests)
