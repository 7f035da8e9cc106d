"""Plans of the small benchmark that `tests.helpers.tuned` makes."""

from pathlib import Path
from typing import Any

from aru.comparison.cell import run_task
from aru.comparison.choices import parse_choices
from aru.comparison.draws import draws_of
from aru.comparison.plan import Plan, make_plan
from aru.compute.device import make_compute
from tests.helpers.tuned import config_of


def plan_of(root: Path, methods: str, *, seeds: int = 1, protocol: str = "official", **options: Any) -> Plan:
    """The plan of these methods under one draw."""
    config = config_of(root)
    return make_plan(
        "toy",
        config,
        root / "work" / "toy" / "prepared",
        parse_choices(methods, config),
        draws_of(protocol, 1),
        seeds=seeds,
        compute=make_compute(config.runtime),
        **options,
    )


def compute_all(root: Path, plan: Plan) -> None:
    """Compute all tasks of a plan in this process."""
    for task in plan.tasks:
        run_task(task, config_of(root), root / "work" / "toy")
