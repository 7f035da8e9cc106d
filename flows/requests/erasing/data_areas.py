"""The archive, the parameters, and what was made from the photos in work/, models/ and temporary folders."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aru.core.files import file_md5
from aru.core.leftovers import is_leftover, remove_path
from aru.core.names import SUPPRESSION_FILE
from aru.data.archive import open_archive
from aru.data.classes import LABELS_FILE, read_classes
from aru.data.forget_request import fitting_paths
from aru.data.ids import normalized_key
from aru.data.manifest import read_manifest
from aru.data.rewriting import photo_names, write_archive_with
from aru.data.subjects import subjects_by_name
from aru.data.suppression.suppression_list import read_list
from aru.faces.generate import labels_path
from flows.project import versioning
from flows.project.params import PARAMS_FILE, configured, load, plain, propose, section
from flows.project.stored_objects import workspace_references
from flows.requests.erasing.area import Area
from flows.requests.erasing.target import Target
from flows.requests.processing.batch_parameters import original_settings
from flows.tracking.production import in_production

_LOCKS = frozenset({"flow.lock", "flow.json", "lock", "rwlock", "rwlock.lock", "btime"})
"""What DVC and the project's lock keep in .dvc/tmp while something works."""


def parameters(target: Target) -> Area:
    """Whom params.yaml names; after an unlearning the version in production takes the original's place there."""
    return Area(
        "params.yaml",
        "derived",
        lambda: len(_settings(target)),
        lambda: _set(target),
        "names removed; the version in production is the original of the next batch",
    )


def parameters_afterwards(target: Target) -> str:
    """The text of params.yaml as the erasure leaves it: comments and other benchmarks may name the person, too."""
    naming = [(name, value) for name, value in _settings(target) if name.startswith("data.")]
    return propose(target.root / PARAMS_FILE, target.benchmark, naming).after


def originals(target: Target) -> Area:
    """Weights files that were the benchmark's original, where a model of it was trained on the person."""
    return Area(
        "models/",
        "model",
        lambda: len(_stale_originals(target)),
        lambda: _remove_originals(target),
        "original models removed",
    )


def archive(target: Target) -> Area:
    """The photos in the benchmark's archive."""
    return Area(
        target.archive,
        "archive",
        lambda: len(target.photos()),
        lambda: _rewrite(target),
        "photos and their rows taken out of the archive, a new data version",
    )


def labels(target: Target) -> Area:
    """Part masks and boxes that `aru data make` wrote beside the embedded benchmark's archive."""
    path = labels_path(target.root / target.archive)
    files = [path, path.with_name(f"{path.name}.dvc")]
    return Area(
        path.relative_to(target.root).as_posix(),
        "derived",
        lambda: int(path.exists()),
        lambda: _remove(files),
        "removed",
    )


def made(target: Target) -> Area:
    """All of work/BENCHMARK but the class names and the released model itself."""
    return Area(
        f"work/{target.benchmark}/",
        "derived",
        lambda: sum(not is_leftover(path) for path in _made(target)),  # the project's lock clears those by itself
        lambda: _remove_made(target),
        "arrays, noises, masks, scores, models, shadow models, comparisons and pages removed; class names and the "
        "released weights stay",
    )


def memory(target: Target) -> Area:
    """What dvc.lock remembers of the benchmark's stages: names among the parameters, digests of what was removed."""
    return Area(
        versioning.LOCK_FILE,
        "derived",
        lambda: sum(address.endswith(f"@{target.benchmark}") for address in versioning.locked(target.root)),
        lambda: versioning.forget_stages(target.root, target.benchmark),
        "stages of the benchmark removed: the next run computes them anew",
    )


def leftovers(target: Target) -> Area:
    """What interrupted work and failures left: half-written files, DVC's temporary folder, the last error."""
    return Area(
        "temporary files",
        "derived",
        lambda: len(_leftovers(target)),
        lambda: _remove(_leftovers(target)),
        "removed",
    )


def suppression(target: Target) -> Area:
    """The list that keeps the person out, which stays."""
    return Area(
        SUPPRESSION_FILE,
        "derived",
        lambda: sum(entry.request == target.request for entry in read_list(target.root / SUPPRESSION_FILE).entries),
        None,
        "kept: keyed hashes, by which no import brings the person back",
    )


def released(target: Target) -> Area:
    """The version in production, which was unlearned and audited."""
    return Area(
        f"{target.model} in production",
        "model",
        lambda: int(in_production(target.root, target.model) is not None),
        None,
        "kept: unlearned, audited and released without the person; its runs have figures and pseudonyms",
    )


def _settings(target: Target) -> list[tuple[str, Any]]:
    """What params.yaml has to say instead; empty where it names nobody and no model that saw them."""
    path = target.root / PARAMS_FILE
    data = plain(section(load(path), target.benchmark, path)).get("data", {})
    forget, merge = data.get("forget") or {}, data.get("merge") or {}
    people = {normalized_key(name) for name in target.people} | _subject_ids(target)
    lists = {
        "data.forget.files": (forget.get("files"), lambda pair: not fitting_paths(pair[0], target.paths)),
        "data.forget.subjects": (forget.get("subjects"), lambda pair: people.isdisjoint(map(normalized_key, pair))),
        "data.merge.same": (merge.get("same"), lambda pair: people.isdisjoint(map(normalized_key, pair))),
        "data.merge.different": (merge.get("different"), lambda pair: people.isdisjoint(map(normalized_key, pair))),
    }
    wanted: list[tuple[str, Any]] = []
    for name, (values, is_clean) in lists.items():
        kept = [value for value in values or [] if is_clean([value] if isinstance(value, str) else value)]
        if len(kept) < len(values or []):
            wanted.append((name, kept or (None if ".forget." in name else [])))
    now = configured(path, target.benchmark).model
    production = in_production(target.root, target.model)
    if target.release is not None and production is not None and now.original_md5 != production.weights_md5:
        wanted.append(("model.original_md5", production.weights_md5))
    return wanted


def _subject_ids(target: Target) -> set[str]:
    """The ids by which parameters may name the people, while the manifest is there: it goes after the parameters."""
    path = target.work / "prepared" / "manifest.csv"
    if not path.is_file():
        return set()
    known = subjects_by_name(read_manifest(path))
    own = {known[name] for name in map(normalized_key, target.people) if name in known}
    return {subject for subject in own if known[subject] == subject}  # else it is how somebody else is filed


def _set(target: Target) -> None:
    settings, production = _settings(target), in_production(target.root, target.model)
    if target.release is not None:
        settings += original_settings(target.root, target.benchmark, target.model, production)
    propose(target.root / PARAMS_FILE, target.benchmark, settings).write()


def _stale_originals(target: Target) -> list[Path]:
    """Weights in the project that were its original and are not those of the version in production."""
    production = in_production(target.root, target.model)
    if target.release is None or production is None:
        return []
    files = [target.root / file for file in target.originals]
    inside = [path for path in files if path.is_file() and path.resolve().is_relative_to(target.root)]
    return [path for path in inside if file_md5(path) != production.weights_md5]


def _remove_originals(target: Target) -> None:
    for path in _stale_originals(target):
        path.with_name(f"{path.name}.dvc").unlink(missing_ok=True)
        path.unlink()


def _rewrite(target: Target) -> None:
    path, gone = target.root / target.archive, {*target.photos()}
    if gone:
        layout = configured(target.root / PARAMS_FILE, target.benchmark).data.layout
        with open_archive(path) as opened:
            photos = photo_names(layout, opened)
        write_archive_with(layout, path, path, photos - gone)
    tracked = {reference.path: reference.digest for reference in workspace_references(target.root) if reference.output}
    if target.archive in tracked and tracked[target.archive] != file_md5(path):
        versioning.track_again(target.root, target.archive)


def _made(target: Target) -> list[Path]:
    """The files below work/BENCHMARK that go."""
    kept = _kept(target)
    return [folder / name for folder, names in _folders(target.work) for name in sorted(names) if folder / name not in kept]


def _folders(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder and all below it with the names of their files; also where a folder is a link, as to a larger disk."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(top, followlinks=True):
        if (place := os.path.realpath(folder)) in seen:  # a link to a folder above it
            folders.clear()
            continue
        seen.add(place)
        yield Path(folder), files


def _kept(target: Target) -> set[Path]:
    """The names of the classes, and the released weights: what `aru serve-model` names its answers by."""
    production, weights = in_production(target.root, target.model), target.work / "unlearned" / "model.safetensors"
    people = {part for name in target.people for part in (name, name.rpartition("/")[2])}
    classes = [name for names in read_classes(target.work / "prepared").values() for name in names]
    kept = {target.work / "prepared" / LABELS_FILE} if people.isdisjoint(classes) else set()
    if production is not None and weights.is_file() and file_md5(weights) == production.weights_md5:
        kept.add(weights)
    return kept


def _remove_made(target: Target) -> None:
    for path in _made(target):
        path.unlink(missing_ok=True)
    for folder in sorted((folder for folder, _ in _folders(target.work)), reverse=True):
        if folder != target.work and not any(folder.iterdir()):
            folder.unlink() if folder.is_symlink() else folder.rmdir()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        remove_path(path)


def _leftovers(target: Target) -> list[Path]:
    root, temporary = target.root, target.root / ".dvc" / "tmp"
    found = [path for path in temporary.rglob("*") if path.is_file() and path.name not in _LOCKS]
    for folder in (root, root / Path(target.archive).parent, root / "models", root / ".aru"):
        found += filter(is_leftover, folder.glob(".*"))
    return sorted({*found, *(path for path in [root / ".aru" / "failure.txt"] if path.exists())})
