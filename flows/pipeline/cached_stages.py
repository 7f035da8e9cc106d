"""Stages as cached Prefect tasks: what a key stands for is found, healed or computed, and never taken on trust.

Looked up in this order, by content: dvc.lock (so that a `dvc repro` or a fresh clone counts), then Prefect's store
(so that parameters set back to older values count). Neither looks at the files, so each find is followed by a
comparison of digests; a file that is missing or damaged comes from DVC's cache, and if it is not there the stage
runs again. A key carries the code of the stage (its record in work/code/), not the versions of installed packages.
"""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy

from aru.core.errors import InputError
from aru.core.progress import Progress
from flows.pipeline import plain_records  # noqa: F401 - for its effect
from flows.pipeline.progress import Board
from flows.pipeline.workers import Work, Workers
from flows.project import versioning
from flows.project.digests import Digests
from flows.project.discretion import discreet
from flows.project.plan import Source, Stage, StageResult, check_sources, differences, key, plan, refreshed, sources
from flows.project.stage_code import StageCode

__all__ = ["Execution", "Stage", "StageResult", "key", "lookup", "plan"]


class Cancelled(Exception):
    """The user stopped the flow; stages end between two batches."""


@task(
    name="stage",
    task_run_name="{address}",
    persist_result=True,
    result_serializer="json",
    cache_policy=CacheKeyFnPolicy(cache_key_fn=lambda context, parameters: parameters["key"]),
)
@discreet
def lookup(address: str, key: str, make: Callable[[], dict[str, str]]) -> dict[str, str]:
    """{output: digest} under this key; `make` is called where Prefect's store does not have it."""
    return make()


class Execution:
    """The stages of one flow run: their inputs as they were when it began, and what has become of each."""

    def __init__(
        self,
        root: Path,
        benchmark: str,
        board: Board,
        pool: Workers,
        *,
        refresh: tuple[str, ...] = (),
        only: tuple[str, ...] = (),
    ) -> None:
        self.root, self.benchmark, self.board, self.pool = root, benchmark, board, pool
        self.stages = {stage.address: stage for stage in plan(root, benchmark) if not only or stage.name in only}
        check_sources(root, self.stages.values())
        self.refresh = refreshed([stage.name for stage in self.stages.values()], refresh)
        self.locked = versioning.locked(root)
        self.digests = Digests(root)
        self.code = StageCode(root, self.locked, self.digests)
        self.code.refresh()
        self.sources = self.digests.of_all(tuple(sources(self.stages.values())))
        self.declarations = self.digests.of_all((versioning.PIPELINE_FILE, *self._parameter_files()))
        self.cancelled = Event()

    def key(self, stage: Stage) -> str:
        """The stage's key; the stages before it have to be done."""
        return key(stage, self._inputs(stage))

    def recorded_outputs(self, stage: Stage) -> dict[str, str] | None:
        """The outputs by dvc.lock, where its entry is of the same command, inputs and parameters."""
        entry = self.locked.get(stage.address)
        if entry is None or stage.name in self.refresh or differences(stage, self._inputs(stage), entry):
            return None
        return entry.outs

    def heal(self, outs: dict[str, str]) -> int | None:
        """Bring outputs that are missing or damaged back from the cache: how many, or None where that failed."""
        wrong = {path: digest for path, digest in outs.items() if self.digests.of(path) != digest}
        return len(wrong) if versioning.restore(self.root, wrong) else None

    def refuse_to_overwrite(self, stage: Stage, outs: dict[str, str]) -> None:
        """Raise InputError where this flow would write over weights that the user supplied, to put `outs` in their place."""
        for path in stage.outs:
            if path.endswith("/model.safetensors") and self.digests.of(path) not in (None, outs.get(path)):
                from aru.stages.outputs import overwrite_message, user_supplied

                if user_supplied(self.root / path):
                    entry = self.locked.get(stage.address)
                    changed = differences(stage, self._inputs(stage), entry) if entry else []
                    because = f" ({', '.join(changed[:3])} changed since it was recorded)" if changed else ""
                    raise InputError(overwrite_message(stage.name, self.benchmark, Path(path)) + because)

    def compute(self, stage: Stage) -> dict[str, str]:
        """Run the stage in a worker and return the digests of its outputs, all of which must be there."""
        self._check_unchanged(stage)
        with self.board.stage(stage.name) as show:
            execute(self.pool, stage, self.benchmark, self.root, self._cancellable(show))
        self._check_unchanged(stage)
        outs = self.digests.of_all(stage.outs)
        if missing := [path for path, digest in outs.items() if digest is None]:
            raise RuntimeError(f"stage {stage.address} ended without writing {', '.join(missing)}, which dvc.yaml declares")
        return {path: digest for path, digest in outs.items() if digest is not None}

    def unchanged(self, stage: Stage) -> bool:
        """Whether the stage's parameters, code and data are still as they were when the flow began."""
        if self.digests.of_all(tuple(self.declarations)) != self.declarations:
            now = {other.address: other for other in plan(self.root, self.benchmark)}
            if now.get(stage.address) != stage:
                return False
        same = all(self.digests.of(dep) == self.sources[dep] for dep in stage.deps if dep in self.sources)
        return same and self.code.is_unchanged(stage.name)

    def unrecorded(self, results: list[StageResult]) -> list[StageResult]:
        """The results that dvc.lock does not have, or whose bytes DVC's cache lacks."""
        lacking = versioning.lacking(self.root, [digest for result in results for digest in result.outs.values()])
        return [result for result in results if lacking & set(result.outs.values()) or not self._matches_lock(result)]

    def code_is_unrecorded(self) -> bool:
        """Whether the code is to be recorded: dvc.lock or DVC's cache lacks it, and it is as it was when the flow began."""
        lacking = not self.code.is_locked or versioning.lacking(self.root, list(self.code.digests.values()))
        return bool(lacking) and self.code.is_unchanged()

    def intact(self, result: StageResult) -> bool:
        """Whether the inputs are as when the flow began and the outputs as the stage left them."""
        return self.unchanged(result.stage) and all(self.digests.of(path) == digest for path, digest in result.outs.items())

    def result(self, stage: Stage, key: str, source: Source, outs: dict[str, str], started: float) -> StageResult:
        """Sum up a stage that is done, and show it."""
        self.board.done(stage.name, source)
        return StageResult(stage, key, source != "computed", source, outs, time.monotonic() - started)

    def _matches_lock(self, result: StageResult) -> bool:
        entry = self.locked.get(result.stage.address)
        return (
            entry is not None
            and entry.outs == result.outs
            and not differences(result.stage, self._inputs(result.stage), entry)
        )

    def _inputs(self, stage: Stage) -> dict[str, str | None]:
        return {dep: self.sources[dep] if dep in self.sources else self.digests.of(dep) for dep in stage.deps}

    def _parameter_files(self) -> list[str]:
        return sorted({file for stage in self.stages.values() for file in stage.params})

    def _check_unchanged(self, stage: Stage) -> None:
        """Modules stay in memory as they were imported: a result must not be filed under an edited file's digest."""
        if not self.unchanged(stage):
            raise InputError(
                f"the parameters, code or data of stage {stage.address} changed while the flow ran: "
                "start it again; the stages that were done are kept"
            )

    def _cancellable(self, show: Progress) -> Progress:
        def progress(done: int, total: int, text: str) -> None:
            if self.cancelled.is_set():
                raise Cancelled("stopped by the user")
            show(done, total, text)

        return progress


def execute(pool: Workers, stage: Stage, benchmark: str, root: Path, progress: Progress) -> None:
    """What `python -m aru STAGE` does for this benchmark, without a shell; dvc.yaml must say just that."""
    expected = f"python -m aru {stage.name}"
    if stage.cmd != expected:
        raise InputError(
            f"dvc.yaml runs {stage.cmd!r} for {stage.address}, the flow would run {expected!r}: "
            "make them the same, or use `dvc repro`"
        )
    pool.run(Work(f"stage {stage.name}", "aru.stages.runner:run", (stage.name, benchmark), {"root": root}), progress)
