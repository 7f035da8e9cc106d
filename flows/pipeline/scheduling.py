"""Running the stages of a flow: each as soon as its inputs are there, and what is done when one fails."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Any

from prefect.exceptions import MissingResult
from prefect.futures import PrefectFuture

from aru.compute.work_queue import run_queue
from flows.pipeline.cached_stages import Execution, lookup
from flows.project.plan import Source, Stage, StageResult, upstream

Outs = dict[str, str]


@dataclass(frozen=True)
class Attempt:
    """One submission of a stage: what makes its outputs where Prefect's store has none, or where the store is passed over."""

    stage: Stage
    key: str
    make: Callable[[], Outs]
    source: Source
    started: float
    refresh: bool = False


def run_stages(execution: Execution, results: dict[str, StageResult]) -> None:
    """Bring every stage's outputs about and fill `results` by address.

    After a failure no stage is started any more; those that run are waited for, so that their work is kept, and
    then the failure is raised. An interrupt makes them stop between two batches.
    """
    schedule = _Schedule(execution, results)
    run_queue(schedule.ready, schedule.submit, schedule.settle, stop=execution.cancelled.set, cut_off=execution.pool.stop)


class _Schedule:
    """What is to be attempted next, and what has become of each stage; Prefect's runner limits how many run at once."""

    def __init__(self, execution: Execution, results: dict[str, StageResult]) -> None:
        self.execution, self.results = execution, results
        self._retries: list[Attempt] = []
        self._begun: set[str] = set()
        self._done: dict[str, PrefectFuture[Outs]] = {}

    def ready(self) -> Attempt | None:
        """The next attempt at a stage whose inputs are there; None where there is none now."""
        if self._retries:
            return self._retries.pop(0)
        for address, stage in self.execution.stages.items():
            before = upstream(stage, self.execution.stages)
            if address not in self._begun and all(other in self.results for other in before):
                self._begun.add(address)
                return first_attempt(self.execution, stage)
        return None

    def submit(self, attempt: Attempt) -> PrefectFuture[Outs]:
        """Look the attempt's key up in Prefect's store, and make its outputs where that has none."""
        before = [self._done[other] for other in upstream(attempt.stage, self.execution.stages)]
        task = lookup.with_options(refresh_cache=attempt.refresh)
        return task.submit(
            address=attempt.stage.address, key=attempt.key, make=attempt.make, wait_for=before, return_state=False
        )

    def settle(self, attempt: Attempt, future: PrefectFuture[Outs]) -> None:
        """Store the result of an attempt that ended, or queue the next attempt."""
        self._done[attempt.stage.address] = future
        settled = settle(self.execution, attempt, future)
        if isinstance(settled, StageResult):
            self.results[attempt.stage.address] = settled
        else:
            self._retries.append(settled)


def first_attempt(execution: Execution, stage: Stage) -> Attempt:
    """Look into dvc.lock; where it does not know the outputs, or they are lost, prepare to compute them."""
    compute = Attempt(
        stage,
        execution.key(stage),
        partial(execution.compute, stage),
        "computed",
        monotonic(),
        refresh=stage.name in execution.refresh,
    )
    outs = execution.recorded_outputs(stage)
    execution.refuse_to_overwrite(stage, outs or {})
    if outs is None:
        return compute
    healed = execution.heal(outs)
    if healed is None:
        return replace(compute, refresh=True)
    return replace(compute, make=partial(dict, outs), source="restored" if healed else "dvc.lock")


def settle(execution: Execution, attempt: Attempt, future: PrefectFuture[Any]) -> StageResult | Attempt:
    """The result of an attempt, or the next attempt where what Prefect's store remembers does not hold."""
    future.wait()
    if future.state.name != "Cached":
        return execution.result(attempt.stage, attempt.key, attempt.source, future.result(), attempt.started)
    outs = _recalled(future, attempt.stage)
    if outs is None:
        return replace(attempt, refresh=True)
    if attempt.source != "computed":
        if outs != attempt.make():  # a later `dvc repro` has newer bytes of files that differ between runs
            return replace(attempt, refresh=True)
        source: Source = "restored" if attempt.source == "restored" else "prefect"
        return execution.result(attempt.stage, attempt.key, source, outs, attempt.started)
    healed = execution.heal(outs)
    if healed is None:
        return replace(attempt, refresh=True)
    return execution.result(attempt.stage, attempt.key, "restored" if healed else "prefect", outs, attempt.started)


def _recalled(future: PrefectFuture[Any], stage: Stage) -> Outs | None:
    """What Prefect's store holds; None where the record is not of the stage's outputs, or cannot be read.

    A record names its place by an absolute path, and what it names is written to.
    """
    try:
        outs = dict(future.result())
    except (MissingResult, OSError, ValueError):
        return None
    return outs if set(outs) == set(stage.outs) else None
