"""What `data.forget` requests of a manifest: people by name, photos by path, the first rows, people drawn at random."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aru.core.errors import InputError
from aru.data.archive_names import normalized_path
from aru.data.ids import nearest_keys, normalized_key, similar_keys
from aru.data.manifest import people_are_classes
from aru.data.sources.canonical import PHOTOS
from aru.data.sources.registry import source_by_name
from aru.data.subjects import subjects_by_name

_SHOWN = 20  # unknown names that a message lists
_HINTS = 3  # known names that it offers for an unknown one; of more it offers none


def requested_rows(manifest: pd.DataFrame, layout: str, forget: dict[str, Any]) -> np.ndarray:
    """Which rows `data.forget` requests, as a mask; only training rows can be forgotten."""
    train = (manifest["split"] == "train").to_numpy()
    if "rows" in forget:
        if forget["rows"] >= train.sum():
            raise InputError(
                f"data.forget.rows is {forget['rows']} of {train.sum()} training rows: nothing is left to "
                "retain; set fewer with `--set data.forget.rows=N`"
            )
        return train & (np.cumsum(train) <= forget["rows"])
    if "subjects" in forget or "files" in forget:
        named = manifest["subject"].isin(_requested_people(manifest, train, forget.get("subjects", ())))
        by_file = manifest["photo"].isin(requested_photos(manifest, forget.get("files", ())))
        return train & (named | by_file).to_numpy()
    if "draw" in forget:
        subjects = manifest["subject"][train].drop_duplicates().to_numpy()
        if forget["draw"] >= len(subjects):
            raise InputError(f"data.forget.draw is {forget['draw']} of {len(subjects)} people: nobody is left to retain")
        if people_are_classes(manifest):  # who has no unseen photo has none that a forgotten one could be compared with
            subjects = subjects[np.isin(subjects, manifest["subject"][manifest["split"] == "test"])]
            if forget["draw"] > len(subjects):
                raise InputError(
                    f"data.forget.draw is {forget['draw']}, {len(subjects)} people have unseen photos: draw fewer"
                )
        drawn = np.random.default_rng(forget.get("draw_seed", 0)).choice(subjects, forget["draw"], replace=False)
        return train & manifest["subject"].isin(drawn).to_numpy()
    people = manifest["person"].tolist()
    forgotten = source_by_name(layout).forgotten(people)
    if forgotten is not None:
        return np.array([person in forgotten for person in people])
    raise InputError("data.forget is empty: give rows, subjects, files or draw")


def requested_photos(manifest: pd.DataFrame, wanted: Iterable[str]) -> set[str]:
    """The photo ids of paths as a user wrote them, all of which are trained on. InputError names all that are unknown.

    A path is that of manifest.csv, or of the folder or zip file that was imported.
    """
    wanted = list(wanted)
    photos: dict[str, str] = dict(zip(manifest["path"], manifest["photo"], strict=True)) if wanted else {}
    fitting = {name: fitting_paths(name, photos) for name in wanted}
    if unknown := [name for name, paths in fitting.items() if len(paths) != 1]:
        raise InputError(
            f"unknown photo {_listed(unknown, lambda name: _near_paths(fitting[name] or _same_file_name(name, photos)))} in "
            "data.forget.files: photos are named by their paths as they were imported, or as in manifest.csv"
        )
    found = {name: photos[paths[0]] for name, paths in fitting.items()}
    trained = set(manifest["photo"][manifest["split"] == "train"])
    if untrained := [name for name, photo in found.items() if photo not in trained]:
        raise InputError(
            f"no training photo is {_listed(untrained)}: there is nothing to forget; leave "
            f"{'it' if len(untrained) == 1 else 'them'} out of data.forget.files"
        )
    return set(found.values())


def _requested_people(manifest: pd.DataFrame, train: np.ndarray, wanted: Iterable[str]) -> set[str]:
    """Subject ids of subject ids or FAMILY/PERSON keys; InputError names all unknown ones, and how known ones are written."""
    wanted = list(wanted)
    known = subjects_by_name(manifest)
    if unknown := [name for name in wanted if normalized_key(name) not in known]:
        raise InputError(
            f"unknown subject {_listed(unknown, lambda name: _other_names(name, known))} in data.forget.subjects: people "
            "are named FAMILY/PERSON as in the archive's tables, case included, or by the subject ids of manifest.csv"
        )
    found = {name: known[normalized_key(name)] for name in wanted}
    trained = set(manifest["subject"][train])
    if untrained := [name for name, subject in found.items() if subject not in trained]:
        raise InputError(
            f"no training photo of {_listed(untrained)}: there is nothing to forget; leave "
            f"{'it' if len(untrained) == 1 else 'them'} out of data.forget.subjects"
        )
    return set(found.values())


def fitting_paths(name: str, known: Collection[str]) -> list[str]:
    """The paths of the archive that a user's path can mean: an import puts its photos below a folder of their own."""
    path = normalized_path(name.strip()).removeprefix("./")
    return [fit for fit in (path, PHOTOS + path) if fit in known]


def _same_file_name(name: str, known: Iterable[str]) -> list[str]:
    file = normalized_path(name.strip()).rpartition("/")[2]
    return [path for path in known if path.rpartition("/")[2] == file]


def _near_paths(paths: list[str]) -> str:
    return f" (is it {' or '.join(map(repr, paths[:_HINTS]))}?)" if paths else ""


def _other_names(name: str, known: Iterable[str]) -> str:
    """Other spellings of a name; where there are none, names that a slip of the keyboard may have meant."""
    key = normalized_key(name)
    if spellings := similar_keys(key, known):
        return "".join(f" (did you mean {near!r}?)" for near in spellings)
    near = nearest_keys(key, known)
    return f" (nearest: {', '.join(map(repr, near))})" if 0 < len(near) <= _HINTS else ""


def _listed(names: Sequence[str], hint: Callable[[str], str] = lambda name: "") -> str:
    """The names with their hints; of many, the first ones and how many more."""
    shown = ", ".join(f"{name!r}{hint(name)}" for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
