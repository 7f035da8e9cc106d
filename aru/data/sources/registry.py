"""The sources by name: the values of `data.layout`."""

from aru.core.errors import InputError
from aru.data.sources.canonical import CANONICAL
from aru.data.sources.mucac import MUCAC
from aru.data.sources.mufac import MUFAC
from aru.data.sources.source import Source

SOURCES: dict[str, Source] = {source.name: source for source in (MUFAC, MUCAC, CANONICAL)}


def source_by_name(name: str) -> Source:
    """The source of this name; InputError where there is none."""
    if name not in SOURCES:
        raise InputError(f"unknown layout {name!r}: the layouts are {', '.join(SOURCES)}")
    return SOURCES[name]
