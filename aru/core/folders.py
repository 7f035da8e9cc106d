"""Where the files of each stage lie, and which stages a method has."""

from aru.core.names import ARU

FOLDERS = {
    "prepare": "prepared",
    "train": "original",
    "attack": "noise",
    "mask": "mask",
    "finetune": "unlearned",
    "unlearn": "unlearned",
    "retrain": "retrained",
    "evaluate": "evaluation",
    "audit": "audit",
    "report": "report",
}
"""The folder under work/BENCHMARK/ that each stage writes, in the stages' order."""
STAGES = tuple(FOLDERS)
ARU_STAGES = ("attack", "mask", "finetune")
"""The stages of ARU alone."""
PEER_STAGES = ("unlearn",)
"""The stages of every other method alone."""


def stages_of(method: str) -> tuple[str, ...]:
    """The stages of a benchmark that this method unlearns, in order."""
    others = PEER_STAGES if method == ARU else ARU_STAGES
    return tuple(stage for stage in STAGES if stage not in others)
