"""The archive layout of MUFAC, the Machine Unlearning for Facial Age Classifier benchmark (arXiv 2311.02240)."""

import pandas as pd

from aru.data.archive import Source
from aru.data.tables import check_files, read_csv
from aru.errors import InputError

SPLITS = ("train", "val", "test")
AGES = "abcdefgh"  # 0-6, 7-12, 13-19, 20-30, 31-45, 46-55, 56-66, 67-80 years
COLUMNS = ("family_id", "person_id", "age_class", "image_path")
EXTENSIONS = (".jpg", ".jpeg", ".png")


def read_mufac(source: Source) -> pd.DataFrame:
    """One row an image, in the files' order: path, family, person, split, age (0 to 7)."""
    parts = [_read_split(source, split) for split in SPLITS]
    rows = pd.concat(parts, ignore_index=True)
    images = {name for name in source.names() if name.lower().endswith(EXTENSIONS)}
    check_files(rows["path"].tolist(), images, "the CSV files")
    return rows


def _read_split(source: Source, split: str) -> pd.DataFrame:
    name = f"custom_{split}_dataset.csv"
    table = read_csv(source, name, COLUMNS)
    for line, age in enumerate(table["age_class"], start=2):
        if len(age) != 1 or age not in AGES:
            raise InputError(f"{name}, line {line}: age_class {age!r} is none of {', '.join(AGES)}")
    return pd.DataFrame({
        "path": f"{split}_images/" + table["image_path"],
        "family": table["family_id"],
        "person": table["person_id"],
        "split": split,
        "age": [AGES.index(age) for age in table["age_class"]],
    })
