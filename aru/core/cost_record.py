"""cost.json: what a stage cost."""

from typing import NotRequired, TypedDict


class StageSeconds(TypedDict):
    """Seconds, and in `not_trained` why a stage that trains did not."""

    seconds: float
    not_trained: NotRequired[str]


class Cost(StageSeconds):
    """The content of cost.json. before: the costs of the stages that belong to the same work.

    cpu_seconds: of all `processes`; records of earlier versions lack both.
    """

    stage: str
    images: int | None
    images_per_second: float | None
    peak_memory_mib: int
    device: str
    precision: str
    threads: int
    torch: str
    cpu_seconds: NotRequired[float]
    processes: NotRequired[int]
    before: NotRequired[list["Cost"]]
