"""Tables of an archive, read with every fault named."""

import io

import pandas as pd

from aru.data.archive import Source
from aru.data.ids import normal_id
from aru.errors import InputError


def read_csv(source: Source, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV member with at least these columns, every cell a text that is not empty."""
    if name not in source.names():
        raise InputError(f"the archive has no {name}: is it the right archive?")
    try:
        table = pd.read_csv(io.BytesIO(source.read(name)), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{name} is not a CSV file ({error}): fetch the archive again") from error
    for column in columns:
        if column not in table.columns:
            raise InputError(f"{name} lacks the column {column!r}; it has {', '.join(table.columns)}")
        empty = table.index[table[column].map(normal_id) == ""]
        if len(empty):
            raise InputError(f"{name}, line {empty[0] + 2}: {column} is empty")
    return table


def check_files(named: list[str], present: set[str], where: str) -> None:
    """Every row has its file and every image file its row."""
    seen: set[str] = set()
    for path in named:
        if path not in present:
            raise InputError(f"{where} names {path}, which the archive does not have: fetch the archive again")
        if path in seen:
            raise InputError(f"{where} names {path} twice: keep one row an image")
        seen.add(path)
    extra = sorted(present - seen)
    if extra:
        raise InputError(f"the archive has {extra[0]} (and {len(extra) - 1} more) without a row in {where}: add the row or "
                         "leave the file out")
