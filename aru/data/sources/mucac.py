"""The folder layout of MUCAC, the Machine Unlearning for Celebrity Attribute Classifier benchmark (arXiv 2311.02240).

CelebA-HQ-img/              the images
CelebA-HQ-identity.txt      FILE NUMBER           the number of the person; it decides the set, see `cut`
CelebA-HQ-attribute.txt     FILE and 40 columns   of -1 or 0 (no) and 1 (yes), in CelebA's order
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Set

from aru.core.names import FORGET, RETAIN, TEST, UNSEEN, SetName
from aru.data.archive import Archive
from aru.data.archive_names import normalized_path
from aru.data.classes import FIXED
from aru.data.faults import Faults
from aru.data.sources.source import Listing, Row, Source, Split
from aru.data.sources.tables import IMAGE_ENDINGS, folder_of, read_text

FOLDER = "CelebA-HQ-img/"
IDENTITIES = "CelebA-HQ-identity.txt"
ATTRIBUTES = "CelebA-HQ-attribute.txt"
LABEL_COLUMNS = {"male": 21, "smiling": 32, "young": 40}  # counted from 1; column 0 is the file
COLUMNS = 40
CUT_ORDER = (TEST, FORGET, RETAIN, UNSEEN)
FIRST = (190, 1250, 4855)  # the identity numbers at which forget, retain and unseen begin, as published ...
PEOPLE = 6217  # ... for identity numbers from 0 to 6216
_SPLITS: dict[SetName, Split] = {TEST: "val", FORGET: "train", RETAIN: "train", UNSEEN: "test"}


def _read(archive: Archive, faults: Faults) -> Listing:
    prefix = folder_of(archive, IDENTITIES)
    identities = _identities(archive, prefix, faults)
    sets = cut(identities.values())
    attributes = _attributes(archive, prefix, faults)
    rows = []
    for file, person in identities.items():
        if file in attributes:
            rows.append(Row(prefix + FOLDER + file, "", str(person), _SPLITS[sets[person]], attributes[file]))
        elif attributes:
            faults.add(f"{FOLDER}{file}", f"has no line in {ATTRIBUTES}, though {IDENTITIES} names it", "add its labels")
    return Listing(rows, {label: FIXED[label] for label in LABEL_COLUMNS}, (cut_note(int(row.person) for row in rows),))


def _only(archive: Archive, photos: Set[str]) -> dict[str, str]:
    prefix = folder_of(archive, IDENTITIES)
    return {
        prefix + name: "".join(
            line
            for line in read_text(archive, prefix + name).splitlines(keepends=True)
            if _file(line) is None or f"{prefix}{FOLDER}{_file(line)}" in photos
        )
        for name in (IDENTITIES, ATTRIBUTES)
    }


def _file(line: str) -> str | None:
    """The image that a line begins with; None for a count, column names and empty lines."""
    first = normalized_path(line.split()[0]) if line.strip() else ""
    return first if first.lower().endswith(IMAGE_ENDINGS) else None


def _forgotten(people: Iterable[str]) -> set[str]:
    return {str(person) for person, name in cut(map(int, people)).items() if name == FORGET}


def cut(people: Iterable[int]) -> dict[int, SetName]:
    """Which of the four sets each identity number belongs to; forget and retain together are the training split.

    As published, by the numbers themselves, where that gives each set somebody. Another part of CelebA has other numbers:
    then its people in the order of their numbers are cut in the published shares, with at least one in each set. The
    fewest people, one each, are what the layout needs; of fewer the last sets stay empty.
    """
    numbers = sorted(set(people))
    published = _published(numbers)
    if set(published.values()) == set(CUT_ORDER):
        return published
    begins: list[int] = []
    for index, first in enumerate(FIRST):
        earliest = begins[-1] + 1 if begins else 1
        latest = len(numbers) - len(FIRST) + index
        begins.append(max(earliest, min(round(first / PEOPLE * len(numbers)), latest)))
    return {number: CUT_ORDER[bisect_right(begins, place)] for place, number in enumerate(numbers)}


def cut_note(people: Iterable[int]) -> str:
    """How `cut` cut these people, in a sentence."""
    numbers = set(people)
    at = ", ".join(map(str, FIRST))
    if set(_published(numbers).values()) == set(CUT_ORDER):
        return f"The {len(numbers)} people are cut at the published identity numbers ({at})."
    return (
        f"Cut at the published identity numbers ({at}), these {len(numbers)} people would leave a set empty: they are cut "
        "in the order of their numbers, in the published shares. Figures do not compare with MUCAC's."
    )


def _published(numbers: Iterable[int]) -> dict[int, SetName]:
    return {number: CUT_ORDER[bisect_right(FIRST, number)] for number in numbers}


def _identities(archive: Archive, prefix: str, faults: Faults) -> dict[str, int]:
    found: dict[str, int] = {}
    for where, fields in _lines(archive, prefix + IDENTITIES, faults):
        if len(fields) != 2 or not fields[1].isdecimal():
            faults.add(where, "the line is not 'FILE NUMBER'", "correct it", f"it is {' '.join(fields)!r}")
        elif fields[0] in found:
            faults.add(where, f"its file stands in {IDENTITIES} twice", "keep one line an image", fields[0])
        else:
            found[fields[0]] = int(fields[1])
    return found


def _attributes(archive: Archive, prefix: str, faults: Faults) -> dict[str, tuple[int, ...]]:
    """Labels by file; a leading count and a line of column names, as in CelebA's own file, are passed over."""
    found = {}
    for number, (where, fields) in enumerate(_lines(archive, prefix + ATTRIBUTES, faults), start=1):
        if not fields[0].lower().endswith(IMAGE_ENDINGS):
            if number > 2:
                faults.add(where, "the line does not begin with an image file", "correct it", f"it begins with {fields[0]!r}")
        elif len(fields) != COLUMNS + 1 or not set(fields[1:]) <= {"-1", "0", "1"}:
            faults.add(
                where,
                f"the line is not a file and {COLUMNS} columns of -1, 0 or 1",
                "correct it",
                f"{len(fields) - 1} columns are there",
            )
        else:
            found[fields[0]] = tuple(int(fields[column] == "1") for column in LABEL_COLUMNS.values())
    return found


def _lines(archive: Archive, name: str, faults: Faults) -> Iterator[tuple[str, list[str]]]:
    """The lines that are not empty, as where each is and what it holds."""
    with faults.collected(name):
        for number, line in enumerate(read_text(archive, name).splitlines(), start=1):
            if line.strip():
                yield f"{name}, line {number}:", [normalized_path(field) for field in line.split()]


MUCAC = Source(
    name="mucac",
    title="MUCAC",
    received="folder",
    tables=IDENTITIES,
    read=_read,
    only=_only,
    forgotten=_forgotten,
)
