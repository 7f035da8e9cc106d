"""What the classes of a task are called in figures and tables."""

from collections.abc import Mapping, Sequence

from aru.data.classes import names_of_outputs

CLASS_NAMES = {
    "age": ("0–6", "7–12", "13–19", "20–30", "31–45", "46–55", "56–66", "67–80"),
    "multilabel": ("male", "smiling", "young"),
    "male": ("not male", "male"),
    "smiling": ("not smiling", "smiling"),
    "young": ("not young", "young"),
}


def class_names(task: str, count: int, classes: Mapping[str, Sequence[str]] | None = None) -> tuple[str, ...]:
    """The names of a task's classes; their numbers where the task is not known with this many classes.

    `classes` has the names by label column where the data bring their own.
    """
    names = CLASS_NAMES.get(task, ()) if classes is None else names_of_outputs(classes, task)
    return names if len(names) == count else tuple(str(number) for number in range(count))
