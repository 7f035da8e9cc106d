"""The archive layout of MUFAC, the Machine Unlearning for Facial Age Classifier benchmark (arXiv 2311.02240)."""

import pandas as pd

from aru.data.archive import Archive, normalized_path
from aru.data.faults import Faults
from aru.data.sources.tables import check_files, folder_of, read_csv

SPLITS = ("train", "val", "test")
AGES = "abcdefgh"  # 0-6, 7-12, 13-19, 20-30, 31-45, 46-55, 56-66, 67-80 years
COLUMNS = ("family_id", "person_id", "age_class", "image_path")


def read_mufac(source: Archive, faults: Faults) -> pd.DataFrame:
    """One row an image, in the files' order: path, family, person, split, age (0 to 7). What is wrong is noted."""
    prefix = folder_of(source, _table(SPLITS[0]))
    parts = [_read_split(source, prefix, split, faults) for split in SPLITS]
    rows = pd.concat(parts, ignore_index=True)
    there = check_files(rows["path"], source, "the CSV files", faults)
    return rows[rows["path"].isin(there)].reset_index(drop=True)


def _table(split: str) -> str:
    return f"custom_{split}_dataset.csv"


def _read_split(source: Archive, prefix: str, split: str, faults: Faults) -> pd.DataFrame:
    name = prefix + _table(split)
    table = read_csv(source, name, COLUMNS, faults)
    known = table["age_class"].isin(list(AGES))
    for line, age in table.loc[~known, ["line", "age_class"]].itertuples(index=False):
        faults.add(f"{name}, line {line}: age_class {age!r}", f"is none of {', '.join(AGES)}", "correct it")
    table = table[known]
    return pd.DataFrame(
        {
            "path": [f"{prefix}{split}_images/{normalized_path(path)}" for path in table["image_path"]],
            "family": table["family_id"],
            "person": table["person_id"],
            "split": split,
            "age": [AGES.index(age) for age in table["age_class"]],
        }
    )
