"""Where the files of each stage lie."""

FOLDERS = {
    "prepare": "prepared",
    "train": "original",
    "attack": "noise",
    "mask": "mask",
    "finetune": "unlearned",
    "retrain": "retrained",
    "evaluate": "evaluation",
    "audit": "audit",
    "report": "report",
}
"""The folder under work/BENCHMARK/ that each stage writes, in the stages' order."""
STAGES = tuple(FOLDERS)
