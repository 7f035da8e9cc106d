"""The errors that a user can do something about."""


class InputError(ValueError):
    """Bad input, found before work starts: the message names the value, the limit and the remedy."""


class LeakError(InputError):
    """A protocol's promise is broken: a person or a photo stands on both sides of a cut."""


class TrainingError(RuntimeError):
    """Training cannot go on (a loss that is not finite); nothing was written over."""
