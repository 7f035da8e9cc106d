"""Which photos `faces` holds: families, ages, splits, the forget cut."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from aru.core.errors import InputError
from aru.faces.families import Person, family
from aru.faces.planted_faults import copied, refiled
from aru.faces.rows import FAMILIES, FIRST_FAMILY, SPLITS, Camera, Row, family_id, keys, open_classes

PHOTOS = 11  # of a person, on average
FORGET_ROWS = 420  # the first rows of train: the official forget cut of the full archive


def forget_rows(families: int, photos: int) -> int:
    """The official forget cut of an archive of this size: FORGET_ROWS for the full one."""
    return round(FORGET_ROWS * families * photos / (FAMILIES * PHOTOS))


def _album(camera: Camera, split: str, number: int, person: Person, photos: int) -> list[Row]:
    """The rows of one person: as many photos of each class that they have lived through as come up."""
    rng, classes = camera.rng, open_classes(person)
    count = max(len(classes) if photos >= 8 else 3, round(photos + rng.normal(0, 0.15 * photos)))
    counts = Counter((classes * count)[: count - count % len(classes)])
    counts.update(rng.choice(classes, size=count % len(classes)).tolist())
    upper = bool(rng.random() < 0.09)
    return [
        Row(
            split,
            family_id(number),
            person.role,
            person.collected,
            name,
            camera.take(person, name),
            "",
            upper,
        )
        for name in sorted(counts)
        for _ in range(counts[name])
    ]


def _people(camera: Camera, families: int, photos: int) -> list[Row]:
    aside = max(1, round(0.13 * families))
    rows: list[Row] = []
    for split, count in (("train", families - 2 * aside), ("val", aside), ("test", aside)):
        sizes = np.resize([3, 2, 4, 3, 5, 2, 3, 4], count)
        for index, members in enumerate(camera.rng.permutation(sizes).tolist()):
            for person in family(camera.rng, members=members):
                rows += _album(camera, split, FIRST_FAMILY[split] + index, person, photos)
    return rows


def _order(row: Row) -> tuple[int, str, str, str, int, str]:
    return SPLITS.index(row.split), row.family, row.role, row.age_class, row.photo.number, row.copy


def _last_person(rows: list[Row], family: str) -> tuple[int, int]:
    """Where the rows of a family's last person begin, and how many they are."""
    last = [key for key in keys(rows) if key[0] == family][-1]
    own = [index for index, row in enumerate(rows) if row.key == last]
    return own[0], len(own)


def _settle(camera: Camera, rows: list[Row], cut: int, family: str) -> list[Row]:
    """Take or drop photos in the families before the cut until it falls inside the family's last person."""
    rows = sorted(rows, key=_order)
    first, length = _last_person(rows, family)
    wanted = cut - length // 2 - first
    copied_too = {row.photo.number for row in rows if row.copy}
    free = [row for row in rows[:first] if row.photo.number not in copied_too]
    picked = [free[index] for index in camera.rng.permutation(len(free))[: abs(wanted)].tolist()]
    if len(picked) < abs(wanted):
        raise InputError(f"a forget cut at row {cut} does not fit this archive: give it more families or photos")
    if wanted > 0:
        return sorted(
            rows + [replace(row, photo=camera.take(row.photo.person, row.age_class)) for row in picked],
            key=_order,
        )
    dropped = {row.photo.number for row in picked}
    return [row for row in rows if row.photo.number not in dropped]


def _named(rows: list[Row]) -> Iterator[Row]:
    """Rows with their paths: photos numbered within (family, person, class), as in F0001_AGE_D_18_a1.jpg."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        seen[row.family, row.role, row.age_class] += 1
        number, ending = seen[row.family, row.role, row.age_class], "JPG" if row.upper else "jpg"
        yield replace(row, path=f"{row.family}_AGE_{row.role}_{row.collected}_{row.age_class}{number}.{ending}")


def plan(*, seed: int = 0, families: int = FAMILIES, photos: int = PHOTOS) -> list[Row]:
    """All rows in the order of the CSVs (train, val, test), with the truth about every copy.

    Raises InputError below 6 families or 4 photos a person: the plants need room.
    """
    if families < 6 or photos < 4:
        raise InputError(f"faces needs at least 6 families and 4 photos a person, not {families} and {photos}")
    camera = Camera(np.random.default_rng([seed, 1]))
    rows = _people(camera, families, photos)
    cut = forget_rows(families, photos)
    expected = round(cut * (1 - 0.04))  # the plants among the forget rows, about
    cut_family = rows[expected].family
    rows += refiled(camera.rng, rows, cut_family=int(cut_family[1:]), families=families)
    rows += copied(camera.rng, rows, families=families)
    return list(_named(_settle(camera, rows, cut, cut_family)))
