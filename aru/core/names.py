"""The names of the four sets and of the three models, the same in files, figures and code."""

from typing import Literal

SetName = Literal["forget", "retain", "test", "unseen"]
FORGET: SetName = "forget"
RETAIN: SetName = "retain"
TEST: SetName = "test"
UNSEEN: SetName = "unseen"
SETS: tuple[SetName, ...] = (FORGET, RETAIN, TEST, UNSEEN)
"""In the order of every file: the position is the set's number in predictions.safetensors."""
TRAINED: tuple[SetName, ...] = (FORGET, RETAIN)
"""What the original model was trained on."""

ModelName = Literal["original", "unlearned", "retrained"]
ORIGINAL: ModelName = "original"
UNLEARNED: ModelName = "unlearned"
RETRAINED: ModelName = "retrained"
MODELS: tuple[ModelName, ...] = (ORIGINAL, UNLEARNED, RETRAINED)

ARU = "aru"
"""The method that has stages of its own; every other one is called a peer."""

SUPPRESSION_FILE = "suppression.jsonl"
"""The file of a project whose entries no archive may bring back (aru.data.suppression)."""
