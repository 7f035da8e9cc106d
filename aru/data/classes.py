"""The names of the classes of every label column: what the stage `prepare` writes as labels.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from aru.core.errors import InputError
from aru.core.files import write_json
from aru.core.label_columns import is_multilabel, label_columns

Classes = Mapping[str, tuple[str, ...]]
"""Label column -> the names of its classes, in the order of their numbers."""

LABELS_FILE = "labels.json"
MIN_CLASSES, MAX_CLASSES = 2, 10_000
FIXED: Classes = {
    "age": ("0-6", "7-12", "13-19", "20-30", "31-45", "46-55", "56-66", "67-80"),
    "male": ("not male", "male"),
    "smiling": ("not smiling", "smiling"),
    "young": ("not young", "young"),
}
"""The labels of MUFAC and MUCAC."""


def write_classes(prepared: Path, classes: Classes) -> None:
    """Write labels.json."""
    write_json(prepared / LABELS_FILE, {label: list(names) for label, names in classes.items()})


def read_classes(prepared: Path) -> Classes:
    """What `prepare` wrote; a folder without the file is one of MUFAC's or MUCAC's layout, whose classes are fixed."""
    path = Path(prepared) / LABELS_FILE
    return parse_classes(path.read_bytes(), str(path)) if path.is_file() else FIXED


def parse_classes(content: bytes, where: str) -> Classes:
    """The classes of a labels.json; InputError where it is another file."""
    try:
        found = json.loads(content)
    except ValueError as error:
        raise InputError(f"{where} is not JSON ({error}): make it again") from None
    if not isinstance(found, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in found.values()
    ):
        raise InputError(f"{where} does not map label columns to lists of class names: make it again")
    return {label: tuple(names) for label, names in found.items()}


def outputs_of(classes: Classes, task: str) -> int:
    """How many outputs a model of this task has: its classes, or its label columns where there are several.

    Raises InputError where the data have no such label column, or it does not fit the task.
    """
    columns = label_columns(task)
    for column in columns:
        if column not in classes:
            raise InputError(
                f"data.task names the label {column!r}, the data have {', '.join(classes) or 'none'}: set data.task to one of "
                "these, or to several binary ones joined by commas"
            )
        count = len(classes[column])
        if is_multilabel(task) and count != 2:
            raise InputError(
                f"data.task joins several labels, of which {column!r} has {count} classes, not 2: give one label with many "
                "classes, or several binary ones"
            )
        if not MIN_CLASSES <= count <= MAX_CLASSES:
            raise InputError(
                f"the label {column!r} has {count} classes, a task needs {MIN_CLASSES} to {MAX_CLASSES}: choose another label"
            )
    return len(columns) if is_multilabel(task) else len(classes[columns[0]])


def names_of_outputs(classes: Mapping[str, Sequence[str]], task: str) -> tuple[str, ...]:
    """What each output of the model stands for: a class, or a label column where there are several."""
    columns = label_columns(task)
    return columns if len(columns) > 1 else tuple(classes.get(columns[0], ()))
