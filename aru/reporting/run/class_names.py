"""What the classes of a task are called in figures and tables."""

CLASS_NAMES = {
    "age": ("0–6", "7–12", "13–19", "20–30", "31–45", "46–55", "56–66", "67–80"),
    "multilabel": ("male", "smiling", "young"),
    "male": ("not male", "male"),
    "smiling": ("not smiling", "smiling"),
    "young": ("not young", "young"),
}


def class_names(task: str, count: int) -> tuple[str, ...]:
    """The names of a task's classes; their numbers where the task is not known with this many classes."""
    names = CLASS_NAMES.get(task, ())
    return names if len(names) == count else tuple(str(number) for number in range(count))
