"""The faults planted in `faces`, as real archives have them: people filed twice, copies, wrong labels."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from aru.faces.families import Person
from aru.faces.rows import FAMILIES, FIRST_FAMILY, SPLITS, Row, family_id, keys, open_classes

# Planted in the full archive; a smaller one holds the same share, and at least one of each.
REFILED_IN_TRAIN = 12  # people of train filed again, with some of their files, under the next family number
REFILED_OVER_CUT = 2  # of these, people with files on both sides of the forget cut
REFILED_IN_VAL, REFILED_IN_TEST = 2, 2  # people of train filed again in val and in test
REFILED_FILES = 4  # files of each such person that are filed twice, byte for byte
LISTED_TWICE = 16  # files of train listed twice under the same person
CONFLICTS = 8  # of these, files whose second row has the neighbouring age class
REENCODED = 48  # photos of train compressed a second time under a further name


def _share(full: int, families: int) -> int:
    return max(1, round(full * families / FAMILIES))


def _free_role(rows: list[Row], family: str, role: str) -> str:
    taken, base = {row.role for row in rows if row.family == family}, role.rstrip("0123456789")
    return next(name for name in [base, *(f"{base}{number}" for number in range(2, 99))] if name not in taken)


def _refile(rng: np.random.Generator, rows: list[Row], number: int, host: str) -> list[Row]:
    """Some files of the first person of a family of train again, under the family `host`."""
    key = next(row.key for row in rows if row.family == family_id(number))
    own = [row for row in rows if row.key == key and not row.copy]
    chosen = sorted(rng.choice(len(own), size=min(REFILED_FILES, len(own)), replace=False).tolist())
    split, role = next(row.split for row in rows if row.family == host), _free_role(rows, host, key[1])
    return [replace(own[index], split=split, family=host, role=role, copy="same") for index in chosen]


def _moves(rng: np.random.Generator, rows: list[Row], cut_family: int, families: int) -> list[tuple[int, str]]:
    """Whose first person is filed again under which family: over the cut, within train, in val, in test."""
    over = [number for number in (cut_family, cut_family - 1) if number >= 1][: _share(REFILED_OVER_CUT, families)]
    last = max(int(row.family[1:]) for row in rows if row.split == "train")
    others = [number for number in range(1, last) if not cut_family - 1 <= number <= cut_family + 1]
    within = max(0, _share(REFILED_IN_TRAIN, families) - len(over))
    away = [
        family_id(FIRST_FAMILY[split] + index)
        for split, count in (("val", REFILED_IN_VAL), ("test", REFILED_IN_TEST))
        for index in range(_share(count, families))
    ]
    picked = rng.choice(others, size=len(away) + within, replace=len(others) < len(away) + within).tolist()
    moves = [(number, family_id(cut_family + 1)) for number in over]
    moves += [(number, family_id(number + 1)) for number in picked[len(away) :]]
    return moves + list(zip(picked, away, strict=False))


def refiled(rng: np.random.Generator, rows: list[Row], *, cut_family: int, families: int) -> list[Row]:
    """Rows of people of train who are filed again; `cut_family` is the number of the family at the cut."""
    added: list[Row] = []
    for number, host in _moves(rng, rows, cut_family, families):
        added += _refile(rng, rows + added, number, host)
    return added


def _neighbour(name: str, person: Person) -> str:
    classes = open_classes(person)
    place = classes.index(name)
    return classes[place + 1] if place + 1 < len(classes) else classes[place - 1]


def copied(rng: np.random.Generator, rows: list[Row], *, families: int) -> list[Row]:
    """Rows of files listed twice under one person, some in another class, and of photos compressed again."""
    train = [row for row in rows if row.split == "train" and not row.copy and len(open_classes(row.photo.person)) > 1]
    twice, conflicts, reencoded = (_share(count, families) for count in (LISTED_TWICE, CONFLICTS, REENCODED))
    picked = [train[index] for index in rng.permutation(len(train))[: twice + reencoded].tolist()]
    wrong = [replace(row, age_class=_neighbour(row.age_class, row.photo.person), copy="same") for row in picked[:conflicts]]
    right = [replace(row, copy="same") for row in picked[conflicts:twice]]
    return wrong + right + [replace(row, copy="reencoded") for row in picked[twice:]]


def planted(rows: list[Row], *, cut: int) -> dict[str, int]:
    """The truth about the copies among the rows of an archive whose forget rows are the first `cut`.

    An audit of the bytes must find the same figures, except what needs the pictures: re-encoded copies.
    """
    train = [row for row in rows if row.split == "train"]
    files = {split: {row.photo.number for row in rows if row.split == split and row.copy != "reencoded"} for split in SPLITS}
    forget, retain = ({row.photo.number for row in part if row.copy != "reencoded"} for part in (train[:cut], train[cut:]))
    homes, classes = defaultdict(set), defaultdict(set)
    for row in rows:
        if row.copy != "reencoded":
            homes[row.photo.number].add(row.family)
            classes[row.photo.number].add(row.age_class)
    return {
        "rows": len(rows),
        "files": sum(row.copy != "same" for row in rows),
        "photos": len({row.photo.number for row in rows}),
        "people": len({id(row.photo.person) for row in rows}),
        "keys": len(keys(rows)),
        "files_under_two_families": sum(len(names) > 1 for names in homes.values()),
        "files_with_two_classes": sum(len(names) > 1 for names in classes.values()),
        "reencoded": sum(row.copy == "reencoded" for row in rows),
        "files_on_both_sides_of_the_cut": len(forget & retain),
        "keys_on_both_sides_of_the_cut": len(set(keys(train[:cut])) & set(keys(train[cut:]))),
        "test_rows_in_train": sum(row.split == "val" and row.photo.number in files["train"] for row in rows),
        "unseen_rows_in_train": sum(row.split == "test" and row.photo.number in files["train"] for row in rows),
    }
