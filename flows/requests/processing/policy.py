"""requests.yaml: when requests are carried out together, what follows a failed audit, and what goes to a person first."""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aru.core.config import check_parameter
from aru.core.errors import InputError
from aru.core.safe_yaml import parse_yaml
from flows.requests.ledger.queries import MAX_PAGE

POLICY_FILE = "requests.yaml"
_YEAR = 366
"""Days: more than any time limit has. A million of them would leave the calendar."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Batching(_Section):
    """When a batch is made of the approved requests, and of how many."""

    at_least: int = Field(1, ge=1, description="requests: fewer wait for others, so that a batch hides who left")
    at_most: int = Field(50, ge=1, le=MAX_PAGE, description="requests; those due first go first")
    wait_days: float = Field(
        7, ge=0, le=_YEAR, description="days: a batch is made when the oldest has waited so long, or it is full"
    )
    before_due_days: float = Field(
        10,
        ge=0,
        le=_YEAR,
        description="days: a batch is made when a time limit is so near, even of fewer requests than at_least",
    )

    @model_validator(mode="after")
    def _can_be_filled(self) -> Self:
        if self.at_least > self.at_most:
            raise ValueError(
                f"at_least = {self.at_least} is never reached by at_most = {self.at_most}: give no more than that"
            )
        return self


class Step(_Section):
    """What is tried after an audit did not pass: parameters in place of the usual ones, and the level of the audit."""

    set: dict[str, Any] = Field({}, description="parameters by their dotted names, as in `aru run --set`")
    audit: Literal["quick", "standard", "full"] = Field("quick", description="the level that has to pass, beside quick")


class Suspicion(_Section):
    """The predicted effects of a batch on those who stay above which a person decides first. 1 switches a check off."""

    of_class: float = Field(0.5, gt=0, le=1, description="share of the training photos of any class that would go")
    of_training: float = Field(0.25, gt=0, le=1, description="share of all training photos that would go")
    one_sided: float = Field(
        0.9, gt=0, le=1, description="share of the batch that is of one class, of at least `photos` photos in it"
    )
    photos: int = Field(20, ge=1, description="photos of the batch below which one_sided is not looked at")


class Budget(_Section):
    """What batches may have cost in all before the next one trains again, without everyone forgotten."""

    accuracy_drop: float = Field(
        0.1,
        ge=0,
        le=1,
        description="accuracy lost since the last training: on test, or on retain among unlearned models",
    )
    batches: int = Field(20, ge=1, description="batches unlearned since the model was last trained")


class Policy(_Section):
    """The whole file; every section may be left out."""

    batching: Batching = Batching()
    escalation: tuple[Step, ...] = Field(
        (), description="steps after a failed audit, in order; after the last one a person decides"
    )
    suspicion: Suspicion = Suspicion()
    budget: Budget = Budget()
    retries: int = Field(2, ge=0, description="how often a batch that stopped by a fault is begun again unasked")


def read_policy(root: Path) -> Policy:
    """The project's policy; the defaults where it has no file. Raises InputError that names the line's fault and the limit."""
    path = Path(root) / POLICY_FILE
    if not path.is_file():
        return Policy()
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{POLICY_FILE} is not YAML ({error})") from None
    try:
        policy = Policy.model_validate(content or {})
        for step in policy.escalation:
            for name in step.set:
                check_parameter(name)
        return policy
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise InputError(f"{POLICY_FILE}: {faults}") from None
