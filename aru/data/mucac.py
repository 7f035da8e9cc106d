"""The folder layout of MUCAC, the Machine Unlearning for Celebrity Attribute Classifier benchmark (arXiv 2311.02240)."""

import pandas as pd

from aru.data.archive import Source
from aru.data.tables import check_files
from aru.errors import InputError

FOLDER = "CelebA-HQ-img/"
IDENTITIES = "CelebA-HQ-identity.txt"
ATTRIBUTES = "CelebA-HQ-attribute.txt"
LABEL_COLUMNS = {"male": 21, "smiling": 32, "young": 40}  # counted from 1; column 0 is the file
COLUMNS = 40
FIRST_FORGET, FIRST_RETAIN, FIRST_UNSEEN = 190, 1250, 4855  # identity numbers at which the sets begin


def read_mucac(source: Source) -> pd.DataFrame:
    """One row an image, in the identity file's order: path, family (""), person, split, male, smiling, young (0 or 1)."""
    prefix = _prefix(source)
    identities = _identities(source, prefix)
    attributes = _attributes(source, prefix)
    rows = []
    for file, person in identities.items():
        if file not in attributes:
            raise InputError(f"{ATTRIBUTES} has no line for {file}, which {IDENTITIES} names")
        rows.append((prefix + FOLDER + file, "", str(person), split_of(person), *attributes[file]))
    table = pd.DataFrame(rows, columns=["path", "family", "person", "split", *LABEL_COLUMNS])
    images = {name for name in source.names() if name.startswith(prefix + FOLDER)}
    check_files(table["path"].tolist(), images, IDENTITIES)
    return table


def split_of(person: int) -> str:
    """The benchmark's cut by identity number; forget and retain together are its training split."""
    if person < FIRST_FORGET:
        return "val"
    return "train" if person < FIRST_UNSEEN else "test"


def _prefix(source: Source) -> str:
    """The folder that holds the files: the archive's top, or one folder below it."""
    for name in source.names():
        if name == IDENTITIES or name.endswith("/" + IDENTITIES):
            return name[: -len(IDENTITIES)]
    raise InputError(f"there is no {IDENTITIES}: the folder must hold {FOLDER}, {IDENTITIES} and {ATTRIBUTES}")


def _identities(source: Source, prefix: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, fields in _lines(source, prefix + IDENTITIES):
        if len(fields) != 2 or not fields[1].isdecimal():
            raise InputError(f"{IDENTITIES}, line {number}: {' '.join(fields)!r} is not 'FILE NUMBER'")
        if fields[0] in found:
            raise InputError(f"{IDENTITIES}, line {number}: {fields[0]} stands there twice")
        found[fields[0]] = int(fields[1])
    return found


def _attributes(source: Source, prefix: str) -> dict[str, tuple[int, ...]]:
    """Labels by file; a leading count and a line of column names, as in CelebA's own file, are passed over."""
    found = {}
    for number, fields in _lines(source, prefix + ATTRIBUTES):
        if not fields[0].lower().endswith((".jpg", ".png")):
            if number <= 2:
                continue
            raise InputError(f"{ATTRIBUTES}, line {number}: {fields[0]!r} is not an image file")
        if len(fields) != COLUMNS + 1 or not set(fields[1:]) <= {"-1", "0", "1"}:
            raise InputError(f"{ATTRIBUTES}, line {number}: a file and {COLUMNS} columns of -1, 0 or 1 are wanted, "
                             f"{len(fields) - 1} columns are there")
        found[fields[0]] = tuple(int(fields[column] == "1") for column in LABEL_COLUMNS.values())
    return found


def _lines(source: Source, name: str) -> list[tuple[int, list[str]]]:
    if name not in source.names():
        raise InputError(f"there is no {name}: the folder must hold {FOLDER}, {IDENTITIES} and {ATTRIBUTES}")
    try:
        text = source.read(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not a text file ({error})") from error
    return [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
