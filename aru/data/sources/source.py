"""The interface of a source: one layout of photos and labels, read as one row an image.

A new layout is one file beside this one that makes a `Source`, and its name in `aru.data.sources.registry`.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Literal, NamedTuple

from aru.data.archive import Archive
from aru.data.classes import Classes
from aru.data.faults import Faults

Split = Literal["train", "val", "test"]
"""The benchmark's own split: forget and retain are cut from train, val is the test set, test is the unseen set."""


class Row(NamedTuple):
    """What the tables of a layout say of one image.

    `path` is the image's name in the archive, as `Archive.names` has it; `family` is "" where the layout has no families;
    `labels` are class numbers from 0, in the order of `Listing.classes`; `person` is "" where nobody knows who it shows.
    """

    path: str
    family: str
    person: str
    split: Split
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Listing:
    """The rows of an archive in the order of its tables, and sentences for the user about how they were read.

    `classes` maps each label column of the manifest to the names of its classes.
    """

    rows: list[Row]
    classes: Classes
    notes: tuple[str, ...] = ()


def _no_forget_set(people: Iterable[str]) -> None:
    """A layout without a forget set of its own."""


@dataclass(frozen=True)
class Source:
    """A layout of photos and labels.

    Args:
        name: the value of `data.layout`.
        title: the name of the layout in messages.
        received: whether its owners distribute it as one zip file or as a folder.
        tables: the files that name the images, in messages.
        read: the rows of an archive. Faults of the tables are added to the `Faults`, their rows left out; whether the
            images exist is checked by the caller.
        only: new contents of the tables, by name, with the rows of these photos alone.
        forgotten: the people of the layout's own forget set, which `data.forget: {}` means; None where it has none.
    """

    name: str
    title: str
    received: Literal["zip file", "folder"]
    tables: str
    read: Callable[[Archive, Faults], Listing]
    only: Callable[[Archive, Set[str]], dict[str, str]]
    forgotten: Callable[[Iterable[str]], set[str] | None] = _no_forget_set
