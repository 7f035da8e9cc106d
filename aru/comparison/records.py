"""Records of runs as a table: one row a run, with its gap to the retrained models and its share of their cost."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from aru.comparison.parameter_sets import DEFAULT, OTHER, TUNED
from aru.core.errors import InputError

REFERENCE, ORIGINAL, OURS = "retrain", "nothing", "aru"
ANCHORS = (ORIGINAL, REFERENCE)
"""What every figure is read against: they stand in every table."""
SETTING = ["benchmark", "model", "resolution", "protocol"]
"""What two runs must share to stand in one table."""
PLACE = ["train_seed", "draw"]
MACHINE = ["device", "precision", "threads"]
MEASURED = ("test/accuracy", "forget/accuracy", "mia/forgetting_score", "nomus", "mia_matched/auc")
GAPS = ("test/accuracy", "mia_matched/auc")
FLOORS = ("null/forgetting_score_mean", "null/forgetting_score_p95", "label_only/accuracy")
FIELDS = ("key", *SETTING, "variant", "method", *PLACE, "unlearn_seed", "seconds", "cpu_seconds", *MACHINE, "torch")
_IDENTITY = [*SETTING, "variant", "method", *PLACE, "unlearn_seed"]


def records_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a record, sorted: `FIELDS`, task, images (numbers, of the sets by name), failed, reason, `MEASURED`, `FLOORS`,
    gap/... for `GAPS`, and share; NaN: not known.

    A record with `failed`, the reason, in place of `figures` is a run that diverged or whose method refused it; it has
    neither figures nor costs. One with `resumed` has no costs: such are from when only the last part of an interrupted
    training was measured. The reference of a record is the mean of the records of `retrain` (with its defaults, where
    there are such) of the same setting, training seed and draw; its own gap is not defined. share is the cost as a part of
    the reference's, known on the same machine only: of CPU seconds on a CPU, of wall seconds on anything else, where the
    CPU merely waits. Raises InputError where a field is missing or a run is there twice.
    """
    rows = [_row(record) for record in records]
    if not rows:
        raise InputError("no records: run the benchmark first")
    frame = pd.DataFrame(rows).sort_values([*_IDENTITY, "key"], ignore_index=True)
    copies = frame[frame.duplicated(_IDENTITY, keep=False)]
    if len(copies):
        first = copies.iloc[0]
        raise InputError(
            f"{len(copies)} records stand for runs that are there already ({', '.join(_IDENTITY)} agree), "
            f"such as {first['key']} of {first['method']}: a run counts once, give each only once"
        )
    return _with_reference(frame)


def merged_records(*parts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The records of several comparisons, a run that several have once.

    Raises InputError where they have it with different keys: made by other parameters, data or code.
    """
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for record in (record for part in parts for record in part):
        known = found.setdefault(tuple(record.get(name) for name in _IDENTITY), record)
        if known.get("key") != record.get("key"):
            run = ", ".join(f"{name} {record.get(name)}" for name in ("method", "variant", *PLACE))
            raise InputError(
                f"{run}: there are {known.get('key')} and {record.get('key')}, made by other parameters, data or code: "
                "keep one of them"
            )
    return list(found.values())


def tables(frame: pd.DataFrame) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """The tables to show: (setting, with the table's name as variant; the rows in it, each with its `label`), in order.

    `DEFAULT` and `TUNED` hold a method once, labelled by its name. `OTHER` holds every other variant, such as presets and
    single changed parameters, beside ARU's defaults. Original and retrained models are lent to a table that has none; a
    table that holds nothing else is left out where there is another.
    """
    found = []
    groups = sorted(frame.groupby(SETTING), key=lambda item: (*item[0][:3], item[0][3] != "official", item[0][3]))
    for values, rows in groups:
        setting = dict(zip(SETTING, values, strict=True))
        name = rows["variant"].where(rows["variant"].isin([DEFAULT, TUNED]), OTHER)
        parts = {table: rows[name == table] for table in (DEFAULT, TUNED, OTHER) if (name == table).any()}
        own = {table: part for table, part in parts.items() if not part["method"].isin(ANCHORS).all()}
        found += [(setting | {"variant": table}, _labelled(table, part, rows)) for table, part in (own or parts).items()]
    return found


def _labelled(table: str, part: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    wanted = {DEFAULT: set(), TUNED: set(ANCHORS) - set(part["method"]), OTHER: {*ANCHORS, OURS}}[table]
    lent = rows[(rows["variant"] == DEFAULT) & rows["method"].isin(wanted)]
    both = pd.concat([part, lent], ignore_index=True)
    plain = both["variant"].isin([DEFAULT, TUNED])
    return both.assign(label=both["method"].where(plain, both["method"] + " (" + both["variant"] + ")"))


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    outcome = "failed" if "failed" in record else "figures"
    missing = [name for name in (*FIELDS, outcome) if name not in record]
    if missing:
        raise InputError(f"the record {record.get('key', '?')} lacks {missing[0]!r}: remove it and run its cell again")
    failed, figures = outcome == "failed", record.get("figures") or {}
    row = {name: record[name] for name in FIELDS} | {
        "task": record.get("task"),
        "failed": failed,
        "reason": record.get("failed", ""),
    }
    row["images"] = " ".join(str(count) for _, count in sorted((record.get("counts") or {}).items()))
    row |= {name: math.nan if failed else _number(figures.get(name)) for name in MEASURED}
    row |= {name: _number((record.get("reference") or {}).get(name)) for name in FLOORS}
    cost = cost_of(record)
    return row | {"cost": cost, "seconds": math.nan if math.isnan(cost) else float(record["seconds"])}


def cost_of(record: Mapping[str, Any]) -> float:
    """CPU seconds on a CPU, wall seconds on anything else, where the CPU merely waits; NaN where they are not known."""
    if "failed" in record or record.get("resumed", False):
        return math.nan
    return float(record["cpu_seconds" if str(record["device"]).startswith("cpu") else "seconds"])


def _number(value: Any) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _with_reference(frame: pd.DataFrame) -> pd.DataFrame:
    retrained = frame[frame["method"] == REFERENCE]
    plain = retrained[retrained["variant"] == DEFAULT]
    retrained = plain if len(plain) else retrained
    means = retrained.groupby([*SETTING, *PLACE])[list(GAPS)].mean()
    costs = retrained.groupby([*SETTING, *PLACE, *MACHINE])["cost"].mean()
    result = frame.join(means.add_prefix("reference/"), on=[*SETTING, *PLACE])
    result = result.join(costs.rename("reference/cost"), on=[*SETTING, *PLACE, *MACHINE])
    ours = ~result.index.isin(retrained.index)
    for name in GAPS:
        result[f"gap/{name}"] = (result[name] - result[f"reference/{name}"]).where(ours)
    result["share"] = result["cost"] / result["reference/cost"].where(result["reference/cost"] > 0)
    return result.drop(columns=[name for name in result if str(name).startswith("reference/")])
