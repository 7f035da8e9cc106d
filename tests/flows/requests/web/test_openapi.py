"""The API does what its OpenAPI document says, whatever is sent: no fault of the program, no answer that is not described."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.requests.ledger.ledger import Ledger, open_ledger
from flows.requests.ledger.queries import list_requests
from flows.requests.ledger.verification import verify_ledger
from flows.requests.web.access import create_token
from flows.requests.web.web_app import make_app
from tests.helpers.ledgers import approved
from tests.helpers.request_service import LOCAL

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (make install)")
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
OPERATIONS = 9


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[object, str, Ledger]]:
    """The app on a ledger with a request and a project that has no data, and a token."""
    root = tmp_path_factory.mktemp("service")
    (root / "params.yaml").write_text("benchmarks: {faces: data/faces.zip}\nfaces: {}\n")
    ledger = open_ledger(f"sqlite:///{root / 'requests.db'}", b"k" * 32)
    approved(ledger, "F1/D")
    yield make_app(root, ledger, calls=10**9), create_token(root, "desk"), ledger
    ledger.close()


def test_whatever_is_sent_is_answered_as_described(service: tuple[object, str, Ledger]) -> None:
    app, token, ledger = service
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Host": "127.0.0.1"})
    schema.config.update(base_url=LOCAL)
    checks = [check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ in CHECKED]
    assert len(checks) == len(CHECKED)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == OPERATIONS
    answered: set[int] = set()
    for operation in operations:
        cases = st.one_of(
            operation.as_strategy(),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
        )

        @settings(max_examples=20, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
        @given(cases, st.booleans())
        def holds(case: Any, there: bool) -> None:
            if there and "request" in (case.path_parameters or {}):
                case.path_parameters["request"] = "R-000001"
            for part in (case.body, case.query):
                if there and isinstance(part, dict) and "benchmark" in part:
                    part["benchmark"] = "faces"
            answer = case.call(headers={"Authorization": f"Bearer {token}"})
            answered.add(answer.status_code)
            case.validate_response(answer, checks=checks)

        holds()
    assert answered >= {200, 201, 404, 409, 422} and not any(status >= 500 for status in answered)
    assert list_requests(ledger, limit=1000).requests and verify_ledger(ledger).faults == []
