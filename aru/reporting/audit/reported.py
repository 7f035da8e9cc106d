"""The tables of an audit's page that are reported and not judged; records of earlier versions or lower levels have none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aru.audit.audit_file import AttackFigure, AuditRecord, BothModels, Reason, Relative, RetainedExposure
from aru.core.names import FORGET, ORIGINAL, RETRAINED, UNLEARNED, UNSEEN
from aru.metrics.reported_figures import ReRecognition, Verification, Verified
from aru.reporting.view import Cell, Row
from aru.stats.intervals import Share

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
NAMES = {"audited": "this model", UNLEARNED: "this model", RETRAINED: "retrained", ORIGINAL: "original"}


@dataclass(frozen=True)
class Reported:
    """A section of the page: heading, note, and a table, which has no rows where the note says why."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def number(value: float) -> str:
    """A figure of an audit as text."""
    return f"{value:.3f}".replace("-", MINUS)


def nearness(found: Relative) -> tuple[Row, ...]:
    """The relative test, of all figures together and one by one."""
    if "overall" not in found:
        return ()
    return tuple(
        Row(
            name,
            (
                _cell(one["position"], one["interval"]),
                Cell(f"{one['p_retrained']:.4f}"),
                Cell(f"{one['p_original']:.4f}"),
            ),
        )
        for name, one in {"all together": found["overall"], **found["figures"]}.items()
    )


def reported(record: AuditRecord) -> tuple[Reported, ...]:
    """All of them, in the order of the page."""
    return tuple(_sections(record))


def _sections(record: AuditRecord) -> Iterator[Reported]:
    details = record["details"]
    if both := details.get("both_models"):
        yield _both_models(both)
    if recognized := details.get("re_recognition"):
        yield _re_recognition(recognized)
    if verified := details.get("same_person"):
        yield _same_person(verified)
    if retained := details.get("retained"):
        yield _retained(retained)


def _both_models(found: BothModels) -> Reported:
    rows = [
        Row(signal if model == ORIGINAL else f"{NAMES[model]}: {signal}", (_figure(one["photos"]), _figure(one["people"])))
        for model, signals in sorted(found.items())
        for signal, one in signals.items()
    ]
    note = (
        "An attacker who kept the original compares its answers with this model's. An exactly retrained model is found as "
        "well, so that no limit is set: what helps is that nobody has the original any more. Releases withdraw earlier "
        "versions, and `aru erase` removes the original with all that was made from the person's photos; it cannot reach "
        "copies that have left the project."
    )
    return Reported("With the original in hand", note, ("AUC, photos", "AUC, people"), tuple(rows))


def _re_recognition(found: ReRecognition | Reason) -> Reported:
    title = "Recognised again in a small ball around each forget photo"
    if "radii" not in found:
        return Reported(title, f"Not tested: {found['not_run']}.", (), ())
    models = [name for name in (UNLEARNED, RETRAINED, ORIGINAL) if name in found["radii"][0]["recognized"]]
    rows = [
        Row(
            f"{255 * one['radius']:.3g}/255",
            (
                *(_share(one["recognized"][name]) for name in models),
                _cell(one["recognized"][UNLEARNED].get("gap"), one["recognized"][UNLEARNED].get("gap_interval")),
                *(_share(one["regained"][name]) for name in models),
            ),
        )
        for one in found["radii"]
    ]
    note = (
        f"Share of {found['photos']} forget photos ({found['people']} people) whose label each model gives somewhere within "
        "the radius, by gradient descent towards it; regained: of those that the same model answers wrongly as they are. "
        "Every network gives any label in a ball large enough: read the difference to the retrained model."
    )
    columns = (*(NAMES[name] for name in models), "minus retrained", *(f"regained, {NAMES[name]}" for name in models))
    return Reported(title, note, columns, tuple(rows))


def _same_person(found: Mapping[str, Verification | Reason]) -> Reported:
    rows, reasons = [], []
    for role in (FORGET, UNSEEN):
        one = found[role]
        if "models" not in one:
            reasons.append(f"{role}: {one['not_run']}.")
            continue
        rows += [
            Row(f"{role}, {NAMES[name]}", _verified(one["models"][name]))
            for name in (UNLEARNED, RETRAINED, ORIGINAL)
            if name in one["models"]
        ]
    note = (
        "Whether two photos show one person, by the cosine of what the classifier sees: pairs of one person against pairs "
        "of two. A retrained model tells people apart as well whom it never saw: read the difference to it."
    )
    columns = ("AUC", "minus retrained", "found at 1 % false matches")
    return Reported("One person on two photos, by the features", " ".join([note, *reasons]), columns, tuple(rows))


def _verified(one: Verified) -> tuple[Cell, ...]:
    return (
        _cell(one["auc"], one["auc_interval"]),
        _cell(one.get("gap"), one.get("gap_interval")),
        _cell(one["found"], one["found_interval"]),
    )


def _retained(found: RetainedExposure | Reason) -> Reported:
    title = "Retained people under LiRA, before and after"
    if "auc" not in found:
        return Reported(title, f"Not tested: {found['not_run']}.", (), ())
    models = [name for name in (ORIGINAL, UNLEARNED, RETRAINED) if name in found["auc"]]
    rows = [
        Row(
            f"{group} ({count} people)",
            (
                *(Cell(number(found["auc"][name][group])) for name in models),
                *(_cell(one[group]["difference"], one[group]["interval"]) for one in found["rise"].values()),
            ),
        )
        for group, count in found["people"].items()
    ]
    rows += [
        Row(
            f"{one['id']} ({one['photos']} photos), mean score",
            (Cell(number(one["before"])), Cell(number(one["after"])), Cell(f"p = {one['probability']:.2g}")),
        )
        for one in found["more_exposed"]
    ]
    variant = f" ({found['variant']})" if "variant" in found else ""
    note = (
        f"Offline LiRA with {found['shadows']} shadow models{variant}: AUC of retained against unseen photos; intervals hold "
        f"together for all groups. Of {found['tested']} retained people {found['standing_out']} became more exposed, beyond "
        "what strangers' scores moved (a chance of 1 % that anybody is named falsely); of those whose scores rose the surest "
        "are listed, ten at most."
    )
    columns = (*(NAMES[name] for name in models), *(f"rise over {NAMES[name]}" for name in found["rise"]))
    return Reported(title, note, columns, tuple(rows))


def _figure(one: AttackFigure) -> Cell:
    return _cell(one["figure"], one["interval"] or None)


def _share(one: Share | None) -> Cell:
    return Cell(NONE) if one is None else _cell(one["share"], one["interval"])


def _cell(value: float | None, bounds: list[float] | None) -> Cell:
    small = (f"[{', '.join(map(number, bounds))}]",) if bounds else ()
    return Cell(NONE if value is None else number(value), small)
