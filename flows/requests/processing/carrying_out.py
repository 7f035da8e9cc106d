"""A batch from the ledger to its end: unlearned from the model in production, audited, released, or escalated.

Every step is on record in the ledger before the next begins, and can be done twice: a run that was killed anywhere goes on
where the ledger says that it stands. The project's lock is held throughout, so that two never work on one model.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from aru.audit.audit_file import AuditRecord
from aru.audit.thresholds import THRESHOLDS_FILE
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, read_json
from flows.project.folder import project_lock
from flows.project.params import PARAMS_FILE
from flows.requests.certificates.contents import BatchEvidence
from flows.requests.certificates.issuing_for_request import BATCH_EVIDENCE
from flows.requests.ledger import batching
from flows.requests.ledger.event_content import fault_kind
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import (
    batch_history,
    find_batch,
    list_requests,
    released_batches,
    request_particulars,
    uncertified_requests,
)
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.records import Actor, BatchRecord, EventRecord, RequestRecord
from flows.requests.ledger.service import EVIDENCE
from flows.requests.ledger.states import Action, Role, State
from flows.requests.processing.batch_figures import FIGURES, exceeded
from flows.requests.processing.batch_parameters import (
    RETRAIN,
    forget_settings,
    original_settings,
    propose_batch,
    remember_step,
    retraining,
    trained_original_settings,
)
from flows.requests.processing.effects import Effect, predicted_effect
from flows.requests.processing.forming import next_batch
from flows.requests.processing.policy import Policy, Step, read_policy
from flows.requests.processing.rechecking import BatchFigures, earlier_photos
from flows.requests.resolving.recording import refresh_on_record
from flows.requests.resolving.resolution import people_of
from flows.requests.suppression.entering import take_off_refused
from flows.tracking.gate import passes
from flows.tracking.production import Production, in_production, mark_batch, promote
from flows.tracking.registry import model_name

SCHEDULE = Actor("schedule", Role.SCHEDULE)
_NONE = "none"
"""What the ledger has as the model before the first release."""
_TRIED_AGAIN = (Reason.GATE_FAILED, Reason.REVERSED)
"""The escalations after which the program takes the next step by itself."""
_UNFINISHED = (State.VERIFIED, State.IN_PROGRESS, State.ERROR, State.SCHEDULED, State.ESCALATED)
"""The states of batches that are looked at, in this order: one that only waits for its release goes first."""


class Unlearned(Protocol):
    """What the main flow leaves behind, as far as it is needed here: `flows.pipeline.unlearn.Outcome`."""

    @property
    def published(self) -> "Version": ...


class Version(Protocol):
    """A registered version and its audit's verdict: `flows.tracking.publishing.Published`."""

    @property
    def version(self) -> str: ...

    @property
    def verdict(self) -> str: ...


@dataclass(frozen=True)
class Tools:
    """What does the work of a batch.

    run: the main flow of a benchmark by params.yaml as it is. audit: the record of an audit of its unlearned model at a level.
    suppress: puts the photos and people of requests on the suppression list. recheck: the figures of the batch's model, with
    everybody forgotten earlier. gather: what certificates will say of a batch of
    these requests, from the version that passed and its audit, or from None where nothing was trained on. certify: issues the
    certificate of a fulfilled request.
    """

    run: Callable[[Path, str], Unlearned]
    audit: Callable[[Path, str, str], AuditRecord]
    suppress: Callable[[Path, str, Ledger, Sequence[str]], None]
    recheck: Callable[[Path, str, Ledger, str], BatchFigures]
    gather: Callable[[Path, BatchRecord, Sequence[str], str | None, AuditRecord | None], BatchEvidence]
    certify: Callable[[Path, Ledger, str], Path]


@dataclass(frozen=True)
class Done:
    """What became of a batch: the state of its requests, and the version that was released."""

    batch: str
    state: State
    version: str | None


def carry_out(root: Path, benchmark: str, ledger: Ledger, *, tools: Tools, now: datetime | None = None) -> Done | None:
    """Go on with the batch that is not at its end, else make the next one by the policy and carry that out.

    First whoever was refused leaves the suppression list, where a kill has kept them on it; first and last every fulfilled
    request without a certificate gets its own. Returns None where nothing is to be done now. A fault is put on record and
    raised; a batch is begun again `retries` times. Raises ProjectBusy where another run works in the project, and InputError
    where the policy or the thresholds are not as they must be.
    """
    now = now or datetime.now(UTC)
    with project_lock(root):
        policy = read_policy(root)
        take_off_refused(Path(root), ledger)
        _issue_certificates(Path(root), benchmark, ledger, tools)
        batch = _unfinished(ledger, benchmark, policy) or _form(ledger, root, benchmark, policy, now)
        if batch is None:
            return None
        work = _Work(Path(root), benchmark, ledger, policy, batch.id, tools)
        try:
            done = work.go_on()
        except Exception as error:
            if work.state() in (State.SCHEDULED, State.IN_PROGRESS, State.VERIFIED):
                batching.fail(ledger, batch.id, data={"kind": fault_kind(error)}, actor=SCHEDULE)
            raise
        _issue_certificates(Path(root), benchmark, ledger, tools)
        return done


@dataclass
class _Work:
    """One batch at work."""

    root: Path
    benchmark: str
    ledger: Ledger
    policy: Policy
    batch: str
    tools: Tools

    def go_on(self) -> Done:
        """Take step after step until the batch is released, or waits for a person."""
        while True:
            match self.state():
                case State.SCHEDULED | State.ERROR | State.ESCALATED:
                    if not self._begin():
                        return self._done()
                case State.IN_PROGRESS:
                    if not self._unlearn():
                        return self._done()
                case State.VERIFIED:
                    self._release()
                case _:
                    return self._done()

    def state(self) -> State:
        """That of all its requests that are not closed; of a batch of closed ones `fulfilled`."""
        members = _members(self.ledger, self.batch)
        return members[0].state if members else State.FULFILLED

    def _done(self) -> Done:
        return Done(self.batch, self.state(), find_batch(self.ledger, self.batch).model_after)

    def _begin(self) -> bool:
        """Start, or start again with the next step of the escalation; False where a person has to decide first."""
        if self.state() == State.SCHEDULED:
            exceeded = self._effect().suspicious(self.policy.suspicion)
            if exceeded:
                self._escalate(Reason.SUSPICIOUS, {"limits": exceeded})
                return False
        elif self._history().waits_for_person(self.policy):
            return False
        self._check_thresholds()
        production = in_production(self.root, model_name(self.benchmark))
        self._check_forgotten(production)
        batching.start(self.ledger, self.batch, model_before=production.version if production else _NONE, actor=SCHEDULE)
        return True

    def _unlearn(self) -> bool:
        """Unlearn and audit by the current step; False where the batch was escalated."""
        name, history = model_name(self.benchmark), self._history()
        production = self._production()
        requests = [request.id for request in _members(self.ledger, self.batch)]
        self.tools.suppress(self.root, self.benchmark, self.ledger, requests)
        files = self._trained_files()
        if not files:  # nothing of these people was trained on: the model knows nothing of them
            self._verify({"trained": 0}, requests, None, None)
            return True
        step = self._step(history.attempts)
        if step.set.get("method") == RETRAIN:
            step = step.model_copy(update={"set": retraining(self.root, self.benchmark) | step.set})
        original = (
            trained_original_settings(self.root, self.benchmark)
            if production is None
            else original_settings(self.root, self.benchmark, name, production)
        )
        settings = [*forget_settings(files), *original]
        edit = propose_batch(self.root, self.benchmark, settings, step.set)
        remember_step(self.root, self.benchmark, step.set)
        edit.write()
        published = self.tools.run(self.root, self.benchmark).published
        found: dict[str, Any] = {
            "step": history.attempts,
            "method": edit.config.method,
            "version": published.version,
            "verdict": published.verdict,
        }
        record: AuditRecord = read_json(self.root / "work" / self.benchmark / "audit" / "audit.json")
        release = load_config(self.root / PARAMS_FILE, self.benchmark).audit.release
        if passes(published.verdict, release) and step.audit != "quick":
            record = self.tools.audit(self.root, self.benchmark, step.audit)
            found |= {"level": step.audit, "verdict": record["verdict"]}
        reason = Reason.GATE_FAILED
        if passes(found["verdict"], release):
            found[FIGURES] = self.tools.recheck(self.root, self.benchmark, self.ledger, self.batch)
            if found[FIGURES]["earlier"]["reversed"]:
                reason = Reason.REVERSED
        if passes(found["verdict"], release) and reason != Reason.REVERSED:
            self._production()
            mark_batch(self.root, name, published.version, (production.batch if production else 0) + 1)
            self._verify(found, requests, published.version, record)
            return True
        self._escalate(reason, found)
        return True  # `_begin` says whether another step is left

    def _release(self) -> None:
        """Put the verified version into production, if there is one, and close the requests."""
        name, batch = model_name(self.benchmark), find_batch(self.ledger, self.batch)
        version = self._history().verified_version
        self._production(version)  # that one itself, where a kill came after its release
        if version is None:
            batching.fulfill(
                self.ledger, self.batch, model_after=batch.model_before or _NONE, data={"trained": 0}, actor=SCHEDULE
            )
            return
        released = released_batches(self.ledger, self.benchmark)
        release = load_config(self.root / PARAMS_FILE, self.benchmark).audit.release
        production = promote(self.root, name, version, release=release, batches=released)
        data = {"weights_md5": production.weights_md5, "since": production.since, "release": production.batch}
        batching.fulfill(self.ledger, self.batch, model_after=production.version, data=data, actor=SCHEDULE)

    def _production(self, *released: str | None) -> Production | None:
        """The version in production, which has to be the one that the batch began from, or one that it has released.

        Raises InputError where it is another: what that one has forgotten, or was made for, would be lost by a release.
        """
        production = in_production(self.root, model_name(self.benchmark))
        now = production.version if production else _NONE
        if now not in (find_batch(self.ledger, self.batch).model_before, *released):
            raise InputError(f"another version went into production while {self.batch} was at work: begin it again")
        return production

    def _verify(self, found: dict[str, Any], requests: Sequence[str], version: str | None, record: AuditRecord | None) -> None:
        """Put the passed audit on record, by the thresholds that were fixed and that it used, and what certificates need."""
        digest = _thresholds(self.root)
        if record is not None:
            used = record["made_from"]["thresholds, MD5"]
            if used != file_md5(self.root / THRESHOLDS_FILE):
                raise InputError(f"{THRESHOLDS_FILE} was changed while {self.batch} was audited: bring the file back")
        evidence = self.tools.gather(self.root, find_batch(self.ledger, self.batch), requests, version, record)
        data = found | {BATCH_EVIDENCE: evidence.model_dump(mode="json")}
        batching.verify(self.ledger, self.batch, thresholds=digest, data=data, actor=SCHEDULE)

    def _escalate(self, reason: Reason, found: dict[str, Any]) -> None:
        batching.escalate(self.ledger, self.batch, reason, data=found, actor=SCHEDULE)

    def _step(self, attempts: int) -> Step:
        """The usual parameters first, then the steps of the policy; a person's resumption after the last tries that again.

        Where the batches before have used up the budget, the first step trains again.
        """
        first = Step(set={"method": RETRAIN}) if exceeded(self.ledger, self.benchmark, self.policy.budget) else Step()
        steps = (first, *self.policy.escalation)
        return steps[min(attempts, len(steps) - 1)]

    def _check_forgotten(self, production: Production | None) -> None:
        """What is made from a model that remembers released people would bring them back, however its audit ends."""
        forgotten, released = production.batch if production else 0, released_batches(self.ledger, self.benchmark)
        if forgotten < released:
            raise InputError(
                f"{released} batches of {self.benchmark} were released, and the model in production has forgotten "
                f"{forgotten}: bring MLflow's store back from a backup, or `aru promote` the version that was released last"
            )

    def _check_thresholds(self) -> None:
        fixed, now = find_batch(self.ledger, self.batch).thresholds, _thresholds(self.root)
        if now != fixed:
            raise InputError(
                f"{THRESHOLDS_FILE} has the SHA-256 digest {now}, and {fixed} was fixed when {self.batch} was made: bring "
                "that file back from version control; new limits count for the batches after it"
            )

    def _trained_files(self) -> list[str]:
        """The paths of the photos on record that the model was trained on."""
        return [match["path"] for match in self._matches() if match["split"] == "train"]

    def _matches(self) -> list[dict[str, Any]]:
        found = []
        for request in _members(self.ledger, self.batch):
            found += request_particulars(self.ledger, request.id)[EVIDENCE]["matches"]
        return found

    def _effect(self) -> Effect:
        rows, _ = people_of(self.root, self.benchmark)
        earlier, _ = earlier_photos(self.ledger, self.benchmark, self.batch)
        rows = rows[~rows["digest"].isin({photo.digest for photo in earlier.values()})]  # they are trained on no more
        task = load_config(self.root / PARAMS_FILE, self.benchmark).data.task
        return predicted_effect(rows, [match["digest"] for match in self._matches()], task)

    def _history(self) -> "_History":
        return _History(batch_history(self.ledger, self.batch))


@dataclass(frozen=True)
class _History:
    """What was done to a batch, as far as it says what is to be done next."""

    events: list[EventRecord]

    @property
    def attempts(self) -> int:
        """How often the gate has held it back, for its own people or for those forgotten earlier."""
        return sum(event.action == Action.ESCALATE and event.why in _TRIED_AGAIN for event in self.events)

    @property
    def verified_version(self) -> str | None:
        """The version of the audit that passed last; None where nothing had to be unlearned."""
        passed = [event for event in self.events if event.action == Action.VERIFY]
        return passed[-1].data.get("version") if passed else None

    @property
    def has_evidence(self) -> bool:
        """Whether it was verified by a version of aru that kept what certificates need."""
        passed = [event for event in self.events if event.action == Action.VERIFY]
        return bool(passed) and BATCH_EVIDENCE in passed[-1].data

    def waits_for_person(self, policy: Policy) -> bool:
        """Whether the last thing was a fault or an escalation after which the program does not go on by itself."""
        last = self.events[-1]
        if last.action == Action.ESCALATE:
            return last.why not in _TRIED_AGAIN or self.attempts > len(policy.escalation)
        if last.action == Action.FAIL:
            return sum(event.action == Action.FAIL for event in self.events) > policy.retries
        return False


def _unfinished(ledger: Ledger, benchmark: str, policy: Policy) -> BatchRecord | None:
    """The batch that is to be gone on with: the furthest one first; those that wait for a person are passed over."""
    for state in _UNFINISHED:
        page = list_requests(ledger, states=[state], benchmark=benchmark, limit=1000)
        for batch in sorted({request.batch for request in page.requests if request.batch is not None}):
            history = _History(batch_history(ledger, batch))
            if not history.waits_for_person(policy):
                return find_batch(ledger, batch)
    return None


def _form(ledger: Ledger, root: Path, benchmark: str, policy: Policy, now: datetime) -> BatchRecord | None:
    """Make the next batch, of the photos that are found now; thresholds and parameters are fixed by their digests."""
    approved = list_requests(ledger, states=[State.APPROVED], benchmark=benchmark, limit=1000).requests
    chosen = next_batch(approved, policy.batching, now)
    if not chosen:
        return None
    for request in chosen:
        refresh_on_record(root, ledger, request, actor=SCHEDULE)
    config = load_config(root / PARAMS_FILE, benchmark).model_dump_json(exclude={"data": {"forget"}})
    return batching.schedule(
        ledger,
        chosen,
        thresholds=_thresholds(root),
        parameters=hashlib.sha256(config.encode()).hexdigest(),
        actor=SCHEDULE,
        at=now,
    )


def _issue_certificates(root: Path, benchmark: str, ledger: Ledger, tools: Tools) -> None:
    """Issue what a kill, or a fault, has kept from being issued, before anything else is done, and what is due now."""
    for request in uncertified_requests(ledger, benchmark):
        if request.batch is not None and _History(batch_history(ledger, request.batch)).has_evidence:
            tools.certify(root, ledger, request.id)


def _members(ledger: Ledger, batch: str) -> list[RequestRecord]:
    """The requests of a batch that are not closed."""
    return list_requests(ledger, states=_UNFINISHED, batch=batch, limit=1000).requests


def _thresholds(root: Path) -> str:
    return hashlib.sha256((Path(root) / THRESHOLDS_FILE).read_bytes()).hexdigest()
