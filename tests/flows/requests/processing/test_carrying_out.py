"""A batch from approval to release: every way through the ledger, and every place where a kill can hit."""

import pytest

from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.data.subjects import DEFAULT_MERGE
from aru.data.suppression.suppression_list import read_list
from flows.requests.certificates import issuing, issuing_for_request
from flows.requests.ledger import service
from flows.requests.ledger.batching import decide
from flows.requests.ledger.changing import changing
from flows.requests.ledger.queries import batch_history, list_batches, request_history
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.states import Action, State
from flows.requests.ledger.verification import verify_ledger
from flows.requests.processing import carrying_out
from flows.requests.processing.carrying_out import Done
from flows.requests.resolving import resolution
from flows.requests.suppression import entering
from flows.tracking.production import in_production
from tests.helpers import batches, tracked
from tests.helpers.batches import NAME, OPERATOR, Project, manifest, verified
from tests.helpers.killing import Killed, killed_at

pytest_plugins = ["tests.helpers.tracking_fixtures", "tests.helpers.batch_fixtures"]


@pytest.fixture
def project(batch_project: Project) -> Project:
    return batch_project


def test_nothing_is_done_where_nothing_is_due(project: Project) -> None:
    assert project.carry_out() is None
    project.set_policy(batching={"wait_days": 9})
    request = project.ask(0)
    assert project.carry_out() is None and project.state(request) == State.APPROVED


def test_batches_follow_each_other_each_from_the_model_in_production(project: Project) -> None:
    first, second = project.ask(0, 1), project.ask(2)
    project.verdicts = ["pass", "pass"]
    assert project.carry_out() == Done("B-000001", State.FULFILLED, "2")
    assert {project.state(first), project.state(second)} == {State.FULFILLED}
    assert project.suppressed == [(first, second)]
    assert project.runs[0]["data"]["forget"]["files"] == sorted(tracked.manifest()["path"][:3])
    trained = file_md5(project.root / "work" / "faces" / "original" / "model.safetensors")
    begun = project.runs[0][
        "model"
    ]  # nothing was in production: the original is the project's own, whatever changes beside it
    assert (begun["original"], begun["original_md5"]) == ("models/faces-trained.safetensors", trained)
    assert file_md5(project.root / begun["original"]) == trained
    assert [one.request.id for one in verified(project)] == [first, second]
    third = project.ask(5)
    assert project.carry_out() == Done("B-000002", State.FULFILLED, "3")
    assert project.runs[1]["data"]["forget"]["files"] == [tracked.manifest()["path"][5]]
    weights = project.root / project.runs[1]["model"]["original"]
    assert file_md5(weights) == project.runs[1]["model"]["original_md5"]
    production = in_production(project.root, NAME)
    assert production is not None and (production.version, production.batch) == ("3", 2)
    assert [(batch.model_before, batch.model_after) for batch in list_batches(project.ledger)] == [("2", "3"), ("none", "2")]
    assert project.state(third) == State.FULFILLED and verify_ledger(project.ledger).faults == []
    assert project.carry_out() is None


def test_failed_audit_is_followed_by_the_steps_of_the_policy_and_then_by_a_person(project: Project) -> None:
    project.set_policy(escalation=[{"set": {"finetune.epochs": 9}}, {"set": {"mask.ratio": 0.7}}])
    request = project.ask(0)
    project.verdicts = ["fail", "inconclusive", "fail"]
    assert project.carry_out() == Done("B-000001", State.ESCALATED, None)
    assert [(run["finetune"]["epochs"], run["mask"]["ratio"]) for run in project.runs] == [(5, 0.5), (9, 0.5), (5, 0.7)]
    assert in_production(project.root, NAME) is None
    held = [event.data for event in batch_history(project.ledger, "B-000001") if event.action == Action.ESCALATE]
    assert [(data["step"], data["verdict"]) for data in held] == [(0, "fail"), (1, "inconclusive"), (2, "fail")]
    assert project.carry_out() is None  # it waits for a person
    decide(project.ledger, "B-000001", actor=OPERATOR)
    project.verdicts = ["pass"]
    assert project.carry_out() == Done("B-000001", State.FULFILLED, "5")
    assert project.state(request) == State.FULFILLED
    project.ask(1)
    project.verdicts = ["pass"]
    project.carry_out()
    assert project.runs[-1]["mask"]["ratio"] == 0.5  # the step's parameters are taken back for the next batch


@pytest.mark.parametrize("older", [False, True])
def test_request_that_is_denied_out_of_a_batch_and_reopened_holds_nobody_up(project: Project, older: bool) -> None:
    """Nor in a ledger of an earlier version, whose reopened requests kept their batch."""
    first, second = project.ask(0), project.ask(5)
    project.verdicts = ["fail"]
    assert project.carry_out() == Done("B-000001", State.ESCALATED, None)
    service.deny(project.ledger, second, Reason.LEGAL_CLAIMS, actor=OPERATOR)
    decide(project.ledger, "B-000001", actor=OPERATOR)
    if older:
        with changing(project.ledger, OPERATOR) as change:
            change.step(Action.REOPEN, change.request(second), why=Reason.COMPLAINT)
    else:
        assert service.reopen(project.ledger, second, Reason.COMPLAINT, actor=OPERATOR).batch is None
    third = project.ask(6)
    project.verdicts = ["pass", "pass"]
    assert project.carry_out() == Done("B-000001", State.FULFILLED, "3")
    assert project.carry_out() == Done("B-000002", State.FULFILLED, "4")
    assert [project.state(request) for request in (first, second, third)] == [
        State.FULFILLED, State.PENDING, State.FULFILLED
    ]  # fmt: skip
    service.approve(project.ledger, second, actor=OPERATOR)
    project.verdicts = ["pass"]
    assert project.carry_out() == Done("B-000003", State.FULFILLED, "5")
    assert project.state(second) == State.FULFILLED and verify_ledger(project.ledger).faults == []


def test_higher_level_that_fails_does_not_release(project: Project) -> None:
    project.set_policy(escalation=[{"audit": "full"}])
    project.ask(0)
    project.verdicts = ["fail", "pass", "fail"]  # step 0: quick; step 1: quick, then full
    assert project.carry_out() == Done("B-000001", State.ESCALATED, None)
    assert in_production(project.root, NAME) is None


def test_suspicious_batch_goes_to_a_person_before_anything_runs(project: Project) -> None:
    project.set_policy(suspicion={"of_training": 0.1})
    request = project.ask(0, 1, 2)
    assert project.carry_out() == Done("B-000001", State.ESCALATED, None)
    assert project.runs == [] and project.suppressed == []
    assert project.carry_out() is None
    decide(project.ledger, "B-000001", actor=OPERATOR)
    project.verdicts = ["pass"]
    assert project.carry_out() == Done("B-000001", State.FULFILLED, "2")
    assert project.state(request) == State.FULFILLED
    with pytest.raises(InputError, match="is left for start"):
        decide(project.ledger, "B-000001", actor=OPERATOR)


def test_effect_is_on_those_who_are_trained_on_still(project: Project) -> None:
    rows = manifest(project.root)
    train = [number for number, split in enumerate(rows["split"]) if split == "train"]
    first, second = train[: len(train) // 2], train[len(train) // 2 :]
    project.verdicts = ["pass", "pass"]
    project.ask(*first)
    assert project.carry_out() == Done("B-000001", State.FULFILLED, "2")
    project.set_policy(suspicion={"of_class": 1.0, "of_training": 0.99, "one_sided": 1.0})
    project.ask(*second)
    assert project.carry_out() == Done("B-000002", State.ESCALATED, None), "they are all who are left"


def test_thresholds_that_were_changed_after_the_batch_was_made_are_refused(project: Project) -> None:
    request = project.ask(0)
    project.broken = Killed()
    with pytest.raises(Killed):
        project.carry_out()
    project.broken, project.verdicts = None, ["pass"]
    (project.root / "thresholds.yaml").write_text("version: 2\n")
    with pytest.raises(InputError, match="used the thresholds"):
        project.carry_out()
    assert in_production(project.root, NAME) is None and project.state(request) == State.ERROR
    with pytest.raises(InputError, match="was fixed when B-000001 was made"):
        project.carry_out()
    (project.root / "thresholds.yaml").write_text("version: 1\n")
    project.verdicts = ["pass"]
    assert project.carry_out() == Done("B-000001", State.FULFILLED, "3")


def test_faults_are_on_record_without_their_words_and_tried_again_so_often(project: Project) -> None:
    project.set_policy(retries=1)
    request = project.ask(0)
    project.broken = RuntimeError("a name that must not be kept: F0000")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            project.carry_out()
        assert project.state(request) == State.ERROR
    assert project.carry_out() is None  # a person decides
    faults = [event.data for event in batch_history(project.ledger, "B-000001") if event.action == Action.FAIL]
    assert [data["kind"] for data in faults] == ["RuntimeError"] * 2 and "F0000" not in str(faults)
    decide(project.ledger, "B-000001", actor=OPERATOR)
    project.broken, project.verdicts = None, ["pass"]
    assert project.carry_out() == Done("B-000001", State.FULFILLED, "2")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "place",
    [
        *("schedule", "start", "suppress", "run", "mark_batch", "gather_evidence", "verify", "promote", "fulfill"),
        *("new_key", "certify_at_fulfilment", "issue", "write_public_key", "record"),
    ],
)
def test_kill_at_every_step_ends_in_one_release(project: Project, place: str, after: bool) -> None:
    requests = [project.ask(0), project.ask(1)]
    project.verdicts = ["pass"] * 3
    places = (project, carrying_out, carrying_out.batching, batches, issuing_for_request, issuing)
    owner = next(owner for owner in places if hasattr(owner, place))
    with killed_at(owner, place, after=after):
        project.carry_out()
    project.carry_out()
    production = in_production(project.root, NAME)
    assert {project.state(request) for request in requests} == {State.FULFILLED}
    assert [one.request.id for one in verified(project)] == requests, "one for each, in an unbroken chain"
    assert [project.certificate(one) for one in requests] == [f"{i:06d}-R-{i:06d}.json" for i in (1, 2)]
    assert production is not None and production.batch == 1
    assert list_batches(project.ledger)[0].model_after == production.version
    assert verify_ledger(project.ledger).faults == []
    assert project.carry_out() is None


def test_who_was_refused_amid_a_kill_leaves_the_suppression_list_in_the_next_run(project: Project) -> None:
    request = project.ask(0)
    project.verdicts = ["fail"]
    assert project.carry_out() == Done("B-000001", State.ESCALATED, None)
    with killed_at(entering, "write_list"), entering.taken_off(project.root, project.ledger, request):
        service.deny(project.ledger, request, Reason.LEGAL_CLAIMS, actor=OPERATOR)
    assert read_list(project.root / "suppression.jsonl").entries and project.state(request) == State.DENIED
    assert project.carry_out() is None and read_list(project.root / "suppression.jsonl").entries == ()


def test_photos_that_nothing_was_trained_on_need_no_new_model(project: Project) -> None:
    request = project.ask(0, split="test")
    assert project.carry_out() == Done("B-000001", State.FULFILLED, "none")
    assert project.runs == [] and project.suppressed == [(request,)] and project.state(request) == State.FULFILLED
    [certificate] = verified(project)
    assert (certificate.unlearning.method, certificate.audit.level) == ("none", "data alone")
    assert certificate.models.before == certificate.models.after and certificate.models.withdrawn == ()


def test_photos_that_came_after_the_approval_are_forgotten_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    request = project.ask(0)
    copied = manifest(project.root).copy()
    copied.loc[5, ["photo", "note"]] = [copied.loc[0, "photo"], "edit"]  # found since to be a copy
    for module in (carrying_out, resolution):
        monkeypatch.setattr(module, "people_of", lambda root, benchmark, **_: (copied, DEFAULT_MERGE))
    project.verdicts = ["pass"]
    project.carry_out()
    assert project.runs[0]["data"]["forget"]["files"] == sorted(copied["path"][[0, 5]])
    assert [event.action for event in request_history(project.ledger, request)].count(Action.RESOLVE) == 2
    [certificate] = verified(project)
    assert len([match for match in certificate.matched if match.kind == "digest"]) == 2
