"""Records of runs as a table: one row a run, with its gap to the retrained models and its share of their cost."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from aru.errors import InputError

REFERENCE, ORIGINAL, OURS = "retrain", "nothing", "aru"
ANCHORS = (ORIGINAL, REFERENCE)
"""Methods without a parameter to tune: they stand in every table."""
SETTING = ["benchmark", "model", "resolution", "protocol"]
"""What two runs must share to stand in one table, beside the variant of the parameters."""
PLACE = ["train_seed", "draw"]
MACHINE = ["device", "precision", "threads"]
MEASURED = ("test/accuracy", "forget/accuracy", "mia/forgetting_score", "nomus", "mia_matched/auc")
GAPS = ("test/accuracy", "mia_matched/auc")
FLOORS = ("null/forgetting_score_mean", "null/forgetting_score_p95", "label_only/accuracy")
FIELDS = ("key", *SETTING, "variant", "method", *PLACE, "unlearn_seed", "seconds", "cpu_seconds", *MACHINE, "torch")


def records_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a record, sorted by its key: `FIELDS`, `MEASURED`, `FLOORS`, gap/... for `GAPS`, and share; NaN is "not known".

    The reference of a record is the mean of the records of `retrain` of the same setting, training seed and draw; its own
    gap is not defined. share is the cost as a part of the reference's, known on the same machine only: of CPU seconds on a
    CPU, of wall seconds on anything else, where the CPU merely waits. Raises InputError where a field is missing or a run
    is there twice.
    """
    rows = [_row(record) for record in records]
    if not rows:
        raise InputError("no records: run the benchmark first")
    frame = pd.DataFrame(rows).sort_values("key", ignore_index=True)
    _refuse_copies(frame)
    return _with_reference(frame)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    missing = [name for name in (*FIELDS, "figures") if name not in record]
    if missing:
        raise InputError(f"the record {record.get('key', '?')} lacks {missing[0]!r}: remove it and run its cell again")
    row = {name: record[name] for name in FIELDS} | {"task": record.get("task")}
    row |= {name: _number(record["figures"].get(name)) for name in MEASURED}
    row |= {name: _number(record.get("reference", {}).get(name)) for name in FLOORS}
    return row | {"cost": float(record["cpu_seconds" if str(record["device"]).startswith("cpu") else "seconds"])}


def _number(value: Any) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _refuse_copies(frame: pd.DataFrame) -> None:
    for columns in (["key"], [*SETTING, "variant", "method", *PLACE, "unlearn_seed"]):
        copies = frame[frame.duplicated(columns, keep=False)]
        if len(copies):
            first = copies.iloc[0]
            raise InputError(f"{len(copies)} records stand for the same run ({', '.join(columns)}; the first is {first['key']}, "
                             f"{first['method']}): a run counts once, give each only once")


def _with_reference(frame: pd.DataFrame) -> pd.DataFrame:
    retrained = frame[frame["method"] == REFERENCE]
    means = retrained.groupby([*SETTING, *PLACE])[list(GAPS)].mean()
    costs = retrained.groupby([*SETTING, *PLACE, *MACHINE])["cost"].mean()
    result = frame.join(means.add_prefix("reference/"), on=[*SETTING, *PLACE])
    result = result.join(costs.rename("reference/cost"), on=[*SETTING, *PLACE, *MACHINE])
    ours = result["method"] != REFERENCE
    for name in GAPS:
        result[f"gap/{name}"] = (result[name] - result[f"reference/{name}"]).where(ours)
    result["share"] = result["cost"] / result["reference/cost"].where(result["reference/cost"] > 0)
    return result.drop(columns=[name for name in result if name.startswith("reference/")])


def comparisons(frame: pd.DataFrame) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """The tables to show: (setting with its variant, the rows in it), sorted.

    Original and retrained models are taken from the variant "default" where a variant has none of its own; a variant that
    holds nothing but them is left out where there is another.
    """
    found = []
    for setting, rows in frame.groupby(SETTING, sort=True):
        variants = {name: part for name, part in rows.groupby("variant", sort=True)}
        own = {name: part for name, part in variants.items() if not part["method"].isin(ANCHORS).all()}
        for name, part in sorted((own or variants).items(), key=lambda item: (item[0] != "default", item[0])):
            lent = rows[(rows["variant"] == "default") & rows["method"].isin(set(ANCHORS) - set(part["method"]))]
            found.append((dict(zip(SETTING, setting, strict=True)) | {"variant": name},
                          pd.concat([part, lent], ignore_index=True)))
    return found
