"""`data.task`: the label columns that a model learns, one column of classes or several of yes and no."""

MULTILABEL = "multilabel"
"""MUCAC's three labels at once."""
_MULTILABEL_COLUMNS = ("male", "smiling", "young")


def label_columns(task: str) -> tuple[str, ...]:
    """The label columns of a task: the columns' names joined by commas, or MUCAC's `multilabel`."""
    return _MULTILABEL_COLUMNS if task == MULTILABEL else tuple(name.strip() for name in task.split(","))


def is_multilabel(task: str) -> bool:
    """Whether the model has one output for each of several binary labels, and not one for each class."""
    return len(label_columns(task)) > 1
