"""The page of a certificate, to print: what its template shows, prepared from the signed statement alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aru.reporting.rendering import render
from aru.reporting.view import Cell, Row, text_rows

_ANSWERS = {
    "PASSED": ("The audit passed", "good"),
    "WARNED": ("The audit was inconclusive", "open"),
    "FAILED": ("The audit failed", "bad"),
}
_STATES = {"pass": "good", "fail": "bad"}
_KINDS = {
    "digest": "file, byte for byte",
    "pixels": "pixels, whatever the encoding",
    "perceptual": "looks like it",
    "subject": "id of the person",
}
_SHOWN = 16
"""Hex digits of a digest that the page shows; the file has all of them."""


@dataclass(frozen=True)
class Table:
    """A table with a caption for screen readers, its columns, and its rows."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Criterion:
    """A figure of the audit, its interval, limit and verdict."""

    name: str
    value: str
    interval: str
    limit: str
    verdict: str
    state: str


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    number: int
    request: str
    issued: str
    answer: str
    state: str
    effective: str | None
    facts: tuple[Row, ...]
    matched: Table
    places: Table
    criteria: tuple[Criterion, ...]
    worst: Criterion
    bystanders: Criterion
    versions: Table
    parameters: str
    files: Table
    proves_not: tuple[str, ...]
    chain: tuple[Row, ...]


def certificate_page(statement: Mapping[str, Any], *, extension: str = "aru_erasure") -> str:
    """The page of a verified statement as HTML that fetches nothing. Its digests are cut; the signed file has them whole.

    extension: the field of the predicate that holds the certificate.
    """
    return render("certificate/page.html.j2", _page(statement, extension), style="certificate/page.css")


def _page(statement: Mapping[str, Any], extension: str) -> Page:
    predicate = statement["predicate"]
    held = predicate[extension]
    request, data, models, audit, cost = (held[name] for name in ("request", "data", "models", "audit", "cost"))
    unlearning, code = held["unlearning"], held["code"]
    answer, state = _ANSWERS[predicate["result"]]
    return Page(
        number=held["number"],
        request=request["id"],
        issued=_time(held["issued"]),
        answer=answer,
        state=state,
        effective=_time(models["effective_from"]) if models["effective_from"] else None,
        facts=text_rows(_facts(held)),
        matched=Table(
            "What the request was matched to, by keyed hashes",
            ("Hash", "Of", "How it was found"),
            text_rows((_cut(one["keyed_hash"]), _KINDS[one["kind"]], one["how"]) for one in held["matched"]),
        ),
        places=Table(
            "Every place that was looked at, and what was done there",
            ("Place", "Found", "Done", "Stated by"),
            tuple(
                Row(
                    one["name"],
                    (
                        Cell("not known" if one["found"] is None else str(one["found"])),
                        Cell(one["done"]),
                        Cell(one["stated_by"], (one["kind"],)),
                    ),
                )
                for one in held["places"]
            ),
        ),
        criteria=tuple(map(_criterion, audit["criteria"])),
        worst=_criterion(audit["worst_person"]),
        bystanders=_criterion(audit["bystanders"]),
        versions=Table(
            "Model versions that were withdrawn",
            ("Version", "Withdrawn"),
            text_rows((one["version"], _time(one["at"])) for one in models["withdrawn"]),
        ),
        parameters=json.dumps(unlearning["parameters"], indent=1, sort_keys=True, ensure_ascii=False),
        files=Table(
            "Files that the certificate speaks of",
            ("File", "SHA-256"),
            text_rows((one["name"], _cut(one["digest"]["sha256"])) for one in statement["subject"]),
        ),
        proves_not=tuple(held["proves_not"]),
        chain=text_rows(
            [
                ("Statement before it", _cut(held["previous"]) if held["previous"] else "none, it is the first"),
                *([("Stands in the place of", _cut(held["supersedes"]))] if held["supersedes"] else []),
                ("Newest row of the ledger", _cut(held["ledger"])),
                ("Keys of the hashes", data["keys"]),
                ("Limits of the audit", f"{_cut(audit['thresholds'])}, fixed {_time(audit['thresholds_fixed_at'])}"),
                ("Code", f"version {code['version']}, commit {_cut(code['commit'])}{', changed' if code['changed'] else ''}"),
                ("Cost", _cost(cost)),
            ]
        ),
    )


def _facts(held: Mapping[str, Any]) -> list[tuple[str, str]]:
    request, data, models, unlearning = held["request"], held["data"], held["models"], held["unlearning"]
    extended = f", extended: {request['extended_because']}" if request["extended_because"] else ""
    absent = len(data["absent"])
    return [
        ("Received", _time(request["received"])),
        ("Due", _time(request["due"]) + extended),
        ("Identity checked by", request["identity_checked_by"]),
        ("Data before", data["before"]),
        ("Data after", data["after"]),
        ("Proven absent", f"{absent} photo hash{'' if absent == 1 else 'es'} from the tree {_cut(data['photo_root'])}"),
        ("Unlearned by", f"{unlearning['method']}, batch {unlearning['batch']}"),
        ("Why not trained again", unlearning["why_not_retraining"]),
        ("Model before", _cut(models["before"])),
        ("Model after", f"{_cut(models['after'])}, released as {models['released_as']}"),
    ]


def _criterion(figure: Mapping[str, Any]) -> Criterion:
    low, high = figure["low"], figure["high"]
    return Criterion(
        name=figure["criterion"] + ("" if figure["required"] else " (informs only)"),
        value=_number(figure["value"]),
        interval="" if low is None or high is None else f"{_number(low)} to {_number(high)}",
        limit=figure["limit"],
        verdict=figure["verdict"],
        state=_STATES.get(figure["verdict"], "open"),
    )


def _cost(cost: Mapping[str, Any]) -> str:
    energy = "" if cost["energy_kwh"] is None else f", {cost['energy_kwh']:.3g} kWh"
    return f"{cost['seconds']:.0f} s on {cost['device']}{energy}"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _cut(digest: str) -> str:
    return digest if len(digest) <= _SHOWN else f"{digest[:_SHOWN]}\N{HORIZONTAL ELLIPSIS}"


def _time(text: str) -> str:
    time = datetime.fromisoformat(text)
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".strip()
