"""The page of a certificate: all that it says, from the statement alone, without a request to any server."""

import json
import re

from aru.reporting.certificate.page import certificate_page
from flows.requests.certificates.contents import EXTENSION, PROVES_NOT, statement_of
from tests.helpers.certificates import make_certificate
from tests.helpers.pages import Reader


def test_the_page_says_what_the_statement_says_and_fetches_nothing():
    statement = json.loads(json.dumps(statement_of(make_certificate(2, "ab" * 32))))
    text = certificate_page(statement)
    reader = Reader(text)
    assert text == certificate_page(statement)
    assert not reader.open and not {"script", "link", "img", "iframe"} & {name for name, _ in reader.elements}
    assert not re.search(r"https?://|url\(|@import", text)
    shown = re.sub(r"\s+", " ", reader.text)
    held = statement["predicate"][EXTENSION]
    wanted = [
        *("Certificate 2", "R-000002", "The audit was inconclusive", "2026-03-02 12:00 UTC", "2026-04-01 12:00 UTC"),
        *(
            "2026-03-10 12:00 UTC",
            "the operator, by the account's address",
            "faces, version 2",
            "62 s on CPU, 2 cores, 0.01 kWh",
        ),
        *("overwritten in 30 days", "not known", "retraining takes 20 times as long", "0.510", "0.480 to 0.540", "not tested"),
        *("exposure of the most exposed person", "accuracy of those who stay", "2 photo hashes", '"ratio": 0.5'),
        *("abababababababab\N{HORIZONTAL ELLIPSIS}", held["audit"]["thresholds"][:16], statement["subject"][0]["name"]),
        *(one["how"] for one in held["matched"]),
        *PROVES_NOT,
    ]
    for phrase in wanted:
        assert phrase in shown, phrase


def test_hostile_texts_stay_text():
    statement = json.loads(json.dumps(statement_of(make_certificate())))
    held = statement["predicate"][EXTENSION]
    held["places"][0]["done"] = '<script>alert("x")</script>'
    held["unlearning"]["parameters"]["x"] = "</code><img src=x onerror=y>"
    held["audit"]["worst_person"] |= {"value": None, "low": None, "high": None}
    reader = Reader(certificate_page(statement))
    assert not {"script", "img"} & {name for name, _ in reader.elements} and "not measured" in reader.text
