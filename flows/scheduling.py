"""Running the stages of a flow: each as soon as its inputs are there, and what is done when one fails."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, Queue
from time import monotonic
from typing import Any

from prefect.exceptions import MissingResult
from prefect.futures import PrefectFuture

from flows.plan import Source, Stage, StageResult, upstream
from flows.stages import Execution, lookup

Outs = dict[str, str]
_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Attempt:
    """One submission of a stage: what makes its outputs where Prefect's store has none, or where it is not asked."""

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
    try:
        while schedule.start_ready():
            schedule.collect()
    except BaseException:
        schedule.stop()
        raise
    if schedule.failures:
        raise schedule.failures[0]


class _Schedule:
    """What runs, what is done and what failed, in the thread of the flow; workers only fill the queue."""

    def __init__(self, execution: Execution, results: dict[str, StageResult]) -> None:
        self.execution, self.results = execution, results
        self.running: dict[str, PrefectFuture[Outs]] = {}
        self.failures: list[Exception] = []
        self._done: dict[str, PrefectFuture[Outs]] = {}
        self._finished: Queue[tuple[Attempt, PrefectFuture[Outs]]] = Queue()

    def start_ready(self) -> bool:
        """Start the stages whose inputs are there; False when nothing runs and nothing is left to start."""
        for address, stage in self.execution.stages.items():
            before = upstream(stage, self.execution.stages)
            idle = address not in self.results and address not in self.running
            if idle and not self.failures and all(other in self.results for other in before):
                self._try(partial(self._start, stage))
        return bool(self.running)

    def stop(self) -> None:
        """Let the running stages end between two batches; cut off those that do not within a few seconds."""
        self.execution.cancelled.set()
        while self.running:
            try:
                self.collect(timeout=_GRACE_SECONDS)
            except Empty:
                self.execution.pool.stop()

    def collect(self, timeout: float | None = None) -> None:
        """Wait for the next attempt that ends, and keep its result, try again, or note the failure."""
        attempt, future = self._finished.get(timeout=timeout)
        self._done[attempt.stage.address] = self.running.pop(attempt.stage.address)
        self._try(partial(self._settle, attempt, future))

    def _start(self, stage: Stage) -> None:
        self._submit(first_attempt(self.execution, stage))

    def _settle(self, attempt: Attempt, future: PrefectFuture[Outs]) -> None:
        settled = settle(self.execution, attempt, future)
        if isinstance(settled, StageResult):
            self.results[attempt.stage.address] = settled
        elif not self.failures:
            self._submit(settled)

    def _submit(self, attempt: Attempt) -> None:
        address = attempt.stage.address
        before = [self._done[other] for other in upstream(attempt.stage, self.execution.stages)]
        task = lookup.with_options(refresh_cache=attempt.refresh)
        future = task.submit(address=address, key=attempt.key, make=attempt.make, wait_for=before)
        self.running[address] = future
        future.add_done_callback(lambda done: self._finished.put((attempt, done)))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self.failures.append(error)


def first_attempt(execution: Execution, stage: Stage) -> Attempt:
    """Look into dvc.lock; where it does not know the outputs, or they are lost, prepare to compute them."""
    compute = Attempt(stage, execution.key(stage), partial(execution.compute, stage), "computed", monotonic(),
                      refresh=stage.name in execution.refresh)
    outs = execution.remembered(stage)
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
    outs = _recalled(future)
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


def _recalled(future: PrefectFuture[Any]) -> Outs | None:
    """What Prefect's store holds; None where the record cannot be read, as it names its place by an absolute path."""
    try:
        return dict(future.result())
    except (MissingResult, OSError, ValueError):
        return None
