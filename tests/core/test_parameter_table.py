"""The table of parameters: each with a meaning, its limits as the types have them, and a mark where it differs."""

from aru.core.config import parse_config
from aru.core.parameter_table import parameters


def test_every_parameter_has_a_meaning_and_its_limits():
    rows = {row.name: row for row in parameters(parse_config({"data": {}, "train": {"lr": 0.5}}, where="x"))}
    assert [name for name, row in rows.items() if not row.meaning] == []
    assert [name for name, row in rows.items() if row.differs] == ["train.lr"]
    assert rows["train.lr"].limits == "> 0" and rows["mask.ratio"].limits == "≥ 0 and ≤ 1"
    assert rows["mask.unit"].limits == "filter, kernel, weight" and rows["reset.batchnorm"].limits == "true, false"
    assert rows["data.forget.rows"].limits == "≥ 1" and rows["data.forget.subjects"].limits == "list"
