"""YAML as the project reads it: plain values, and no more of them than a person writes.

A few lines of aliases to aliases stand for billions of values (a "YAML bomb"): reading them takes no time, but whoever walks
through them, a validation or a comparison, does not come to an end.
"""

from typing import Any

import yaml

_MOST_CHARACTERS, _MOST_VALUES = 4_000_000, 400_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TooLarge(yaml.YAMLError):
    """The text stands for more than any file of this project holds."""


def parse_yaml(text: str) -> Any:
    """The content of a YAML text of at most 4,000,000 characters that stands for at most 400,000 values.

    Raises yaml.YAMLError where it is not YAML, or larger.
    """
    check_size(text)
    return yaml.load(text, Loader=_LOADER)


def check_size(text: str) -> None:
    """Raise TooLarge, a yaml.YAMLError, for a text that stands for too much, counted before anything is made of it."""
    if len(text) > _MOST_CHARACTERS:
        raise TooLarge(f"it has {len(text)} characters, at most {_MOST_CHARACTERS} are read")
    if text.count("*") + text.count("&") == 0:
        return
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []  # of each collection that is open: its anchor, and the count at its start
    count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in opened):
                line = "" if event.start_mark is None else f"line {event.start_mark.line + 1}: "
                raise TooLarge(f"{line}*{event.anchor} stands within itself")
            count += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
        if count > _MOST_VALUES:
            raise TooLarge(f"its aliases stand for more than {_MOST_VALUES} values: write out what is meant")
