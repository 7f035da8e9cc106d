"""All of DVC: the stages as it resolves them, what dvc.lock remembers, and the cache of bytes. Nobody else imports it."""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import getitem
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from yaml import YAMLError

from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.core.name_rules import is_inside
from aru.core.safe_yaml import check_size
from flows.project.digests import folder_md5
from flows.project.folder import lock_folder

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

os.environ.setdefault("DVC_NO_ANALYTICS", "true")

PIPELINE_FILE, LOCK_FILE = "dvc.yaml", "dvc.lock"
EMBEDDED_FILE, EMBEDDED_REMOTE = "data.dvc", "embedded"  # of the archive that comes with the project
NO_PLACE = "/dev/null/store-has-no-place-yet-see-docs-operation.md"
STORE = "store"  # the remote of all that is made of people's photos; it has no place until the owner names one
_NOWHERE = "/dev/null/"
_ONE_AT_A_TIME = RLock()


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml with everything resolved; paths are relative to the project."""

    name: str
    address: str
    cmd: str
    deps: tuple[str, ...]
    params: dict[str, dict[str, Any]]
    outs: tuple[str, ...]


@dataclass(frozen=True)
class Locked:
    """What dvc.lock remembers of a stage: {path: digest} of its inputs and outputs."""

    cmd: str
    deps: dict[str, str]
    params: dict[str, dict[str, Any]]
    outs: dict[str, str]


class VersioningBusy(InputError):
    """Another DVC command holds the repository; it passes when that command ends."""


def initialize(root: Path, *, in_subfolder: bool) -> None:
    """Make a folder of a git repository one of DVC, too, where it is none, with the remote `store` that has no place yet."""
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.WARNING)
    with _ONE_AT_A_TIME, chdir(root), _translated():
        if not Path(".dvc").is_dir():
            Repo.init(".", subdir=in_subfolder).close()
        with Repo() as repo, repo.config.edit("repo") as settings:
            settings["core"].setdefault("analytics", False)
            settings["core"].setdefault("check_update", False)
            settings["remote"].setdefault(STORE, {"url": NO_PLACE})


def remotes(root: Path) -> dict[str, str]:
    """{name: place} of the remotes that DVC knows here; what goes to it with no remote named is under the name ""."""
    with _opened(root) as repo:
        places = {name: str(values["url"]) for name, values in repo.config["remote"].items()}
        default = repo.config["core"].get("remote")
    return places | ({"": default} if default else {})


def folder_remotes(root: Path) -> dict[str, str]:
    """Those of the remotes that are folders of this machine and have a place."""
    places = remotes(root)
    return {name: place for name, place in places.items() if name and "://" not in place and not place.startswith(_NOWHERE)}


def isolate(root: Path) -> None:
    """Give a project a cache inside of it, and take their places from remotes that are folders.

    So that DVC's settings of the user or of the machine lead it to nothing that others use.
    """
    names = folder_remotes(root)
    with _opened(root) as repo, repo.config.edit("local") as settings:
        settings["cache"] |= {"dir": str(Path(root).resolve() / ".dvc" / "cache"), "type": "reflink,copy"}
        settings["remote"] |= {name: {"url": NO_PLACE} for name in names}


def declared(root: Path) -> list[Stage]:
    """The stages of dvc.yaml, `foreach` and `${...}` resolved by DVC itself with today's params.yaml."""
    texts = tuple(_checked_text(Path(root) / name) for name in (PIPELINE_FILE, "params.yaml"))
    return list(_resolved(Path(root).resolve(), texts))


@lru_cache(maxsize=4)
def _resolved(root: Path, texts: tuple[str, ...]) -> tuple[Stage, ...]:
    """The stages while both files have these texts: DVC takes half a second to resolve them, and a command asks twice."""
    files: dict[str, Any] = {}
    with _opened(root) as repo:
        return tuple(_stage(stage, files) for stage in _pipeline(repo))


def locked(root: Path) -> dict[str, Locked]:
    """The entries of dvc.lock by stage address; none where the file is missing."""
    from dvc.utils.serialize import load_yaml

    path = Path(root) / LOCK_FILE
    with _translated():
        content = load_yaml(str(path)) if path.is_file() else {}
    return {address: _entry(values) for address, values in content.get("stages", {}).items()}


def commit(root: Path, addresses: Sequence[str]) -> None:
    """Record these stages in dvc.lock as they lie on disk, and their outputs in the cache (``dvc commit -f``).

    This asserts that the outputs come from the present inputs: the caller has checked it.
    """
    from dvc.repo import lock_repo

    if not addresses:
        return
    with guarded_lock_file(root), _opened(root) as repo, lock_repo(repo):
        stages = [stage for stage in _pipeline(repo) if stage.name in addresses]
        for stage in stages:
            stage.save()
            stage.commit()
        stages[0].dvcfile.dump_stages(stages, update_pipeline=False)  # at once: each dump parses the whole file


def _checked_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        check_size(text)  # DVC walks through whatever aliases stand for
    except FileNotFoundError:
        return ""  # DVC says what is missing
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None
    return text


def recover(root: Path) -> bool:
    """Bring dvc.lock back where a commit was killed while it wrote the file; True where that was needed."""
    before = _lock_before(root)
    if not before.exists():
        return False
    cut_short = _stages_in(Path(root) / LOCK_FILE) < _stages_in(before)
    if cut_short:
        os.replace(before, Path(root) / LOCK_FILE)
    before.unlink(missing_ok=True)
    return cut_short


def lacking(root: Path, digests: Sequence[str]) -> set[str]:
    """Those of the digests whose objects the local cache does not have."""
    with _opened(root) as repo:
        return {digest for digest in digests if not os.path.exists(repo.cache.local.oid_to_path(digest))}


def restore(root: Path, wanted: Mapping[str, str]) -> bool:
    """Put the files and folders {path: digest} in their places from the local cache; False where it lacks any.

    The bytes are checked while they are copied: an object that decayed is dropped, so that a later commit renews it.
    """
    if not wanted:
        return True
    with _opened(root) as repo:
        try:
            for path, digest in wanted.items():
                _restore(repo, Path(root) / path, digest)
        except FileNotFoundError:
            return False
    return True


def track(root: Path, path: str, *, remote: str = STORE, file: str | None = None) -> str:
    """Track a file or folder by a .dvc file of its own, `PATH.dvc` unless named otherwise, and return that file's name.

    Its bytes can be pushed to the named remote alone: ``dvc push --remote`` with another name passes them over.
    """
    from dvc.repo import lock_repo

    file = file or f"{path}.dvc"
    folder = Path(root) / Path(file).parent
    with _opened(root) as repo, lock_repo(repo), repo.scm_context(quiet=True):
        stage = repo.stage.create(
            single_stage=True,
            validate=False,
            force=True,
            fname=str(Path(root) / file),
            wdir=str(folder),
            outs=[os.path.relpath(Path(root) / path, folder)],
        )
        stage.outs[0].remote = remote
        repo.check_graph(stages=[stage])
        stage.add_outs()
        stage.dump()
    return file


def track_again(root: Path, path: str) -> str:
    """Track new content of a file where and for the remote that it was tracked; InputError where no .dvc file does."""
    from dvc.utils.serialize import load_yaml

    file = tracked_by(root, path)
    if file is None:
        raise InputError(f"no .dvc file tracks {path}: `dvc add {path}`")
    with _translated():
        remote = load_yaml(str(Path(root) / file))["outs"][0].get("remote", STORE)
    return track(root, path, remote=remote, file=file)


def forget_stages(root: Path, benchmark: str) -> int:
    """Take what dvc.lock remembers of a benchmark's stages out of it; returns how many they were."""
    from aru.core.files import atomic_path

    with _ONE_AT_A_TIME:
        text, gone = lock_without(root, benchmark)
        if gone:
            with atomic_path(Path(root) / LOCK_FILE) as temporary:
                temporary.write_text(text, encoding="utf-8")
        _lock_before(root).unlink(missing_ok=True)
    return gone


def lock_without(root: Path, benchmark: str) -> tuple[str, int]:
    """The text of dvc.lock without a benchmark's stages, and how many these are; nothing is changed."""
    from dvc.utils.serialize import dumps_yaml, load_yaml

    path = Path(root) / LOCK_FILE
    with _translated():
        content = load_yaml(str(path)) if path.is_file() else {}
        gone = [address for address in content.get("stages", {}) if address.endswith(f"@{benchmark}")]
        for address in gone:
            del content["stages"][address]
        return dumps_yaml(content), len(gone)


def cache_folders(root: Path) -> tuple[Path, Path]:
    """Where DVC keeps objects, and its memory of stages."""
    with _opened(root) as repo:
        return Path(repo.cache.local.path), Path(repo.stage_cache.cache_dir)


def tracked_by(root: Path, path: str) -> str | None:
    """The .dvc file that tracks a path; None where there is none."""
    for file in (f"{path}.dvc", EMBEDDED_FILE):
        if _tracked(root, file) == path:
            return file
    return None


def status(root: Path) -> dict[str, Any]:
    """What ``dvc status`` says: empty where everything is up to date."""
    with _opened(root) as repo:
        return dict(repo.status())


def _pipeline(repo: "Repo") -> list["PipelineStage"]:
    from dvc.stage import PipelineStage

    return [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]


def _stage(stage: "PipelineStage", files: dict[str, Any]) -> Stage:
    from dvc.dependency import ParamsDependency

    paths = [dep for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    return Stage(
        name=stage.name.split("@")[0],
        address=stage.name,
        cmd=stage.cmd,
        deps=tuple(sorted(dep.def_path for dep in paths)),
        params={dep.def_path: _values(dep, stage.name, files) for dep in stage.params},
        outs=tuple(sorted(out.def_path for out in stage.outs)),
    )


def _values(dep: Any, address: str, files: dict[str, Any]) -> dict[str, Any]:
    """The values of a stage's parameters; `files` keeps what is read: DVC itself parses the file again for each stage."""
    from dvc.utils.serialize import load_path

    if dep.def_path not in files:
        files[dep.def_path] = load_path(dep.fs_path, dep.fs) if dep.exists else {}
    values = {}
    for name in dep.params:
        with suppress(LookupError, TypeError):
            values[name] = reduce(getitem, name.split("."), files[dep.def_path])
    if missing := sorted(set(dep.params) - set(values)):
        raise InputError(
            f"stage {address} needs the parameter {missing[0]!r}, which {dep.def_path} does not have: `aru code` adds it"
        )
    return values


def _tracked(root: Path, file: str) -> str | None:
    """The path, relative to the project, that a .dvc file tracks; None where the file does not exist."""
    from dvc.utils.serialize import load_yaml

    path = Path(root) / file
    if not path.is_file():
        return None
    with _translated():
        out = load_yaml(str(path))["outs"][0]
    return (Path(file).parent / out["path"]).as_posix()


def _entry(values: dict[str, Any]) -> Locked:
    deps, outs = ({item["path"]: item.get("md5", "") for item in values.get(name, [])} for name in ("deps", "outs"))
    return Locked(cmd=values.get("cmd", ""), deps=deps, params=values.get("params", {}), outs=outs)


def _folder_entries(manifest: Path, digest: str) -> dict[str, str]:
    try:
        files = {entry["relpath"]: entry["md5"] for entry in json.loads(manifest.read_bytes())}
    except ValueError:
        files = {}
    if folder_md5(files) != digest or not all(is_inside(name) for name in files):
        _drop(manifest)
        raise FileNotFoundError(manifest)
    return files


def _restore(repo: "Repo", target: Path, digest: str) -> None:
    from aru.core.files import atomic_path

    cached = {"": digest}
    if digest.endswith(".dir"):
        cached = _folder_entries(Path(repo.cache.local.oid_to_path(digest)), digest)
    with atomic_path(target) as temporary:
        for name, md5 in cached.items():
            source = Path(repo.cache.local.oid_to_path(md5))
            copy = temporary / name if name else temporary
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            if file_md5(copy) != md5:
                _drop(source)
                raise FileNotFoundError(source)


def _drop(cached: Path) -> None:
    cached.chmod(0o644)
    cached.unlink()


def _lock_before(root: Path) -> Path:
    return lock_folder(root) / "dvc.lock.before"


@contextmanager
def guarded_lock_file(root: Path) -> Iterator[None]:
    """Keep dvc.lock as it is now until the block ends: DVC writes it in place, and a kill would leave half of it."""
    current, before = Path(root) / LOCK_FILE, _lock_before(root)
    if current.is_file():
        temporary = before.with_suffix(".tmp")
        shutil.copyfile(current, temporary)
        os.replace(temporary, before)
    yield
    before.unlink(missing_ok=True)


def _stages_in(path: Path) -> int:
    from dvc.utils.serialize import ParseError, load_yaml

    try:
        return len(load_yaml(str(path)).get("stages", {})) if path.is_file() else 0
    except (ParseError, AttributeError, UnicodeDecodeError):
        return 0


@contextmanager
def _opened(root: Path) -> Iterator["Repo"]:
    """DVC takes names relative to the working directory, which is the process's: one thread at a time may use it."""
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.WARNING)
    with _ONE_AT_A_TIME, chdir(root), _translated(), Repo() as repo:
        yield repo


@contextmanager
def _translated() -> Iterator[None]:
    """DVC's complaints about the project's files are the user's to mend: say them without a traceback."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    try:
        yield
    except LockError as error:
        raise VersioningBusy(f"DVC is busy: {error}; wait until the other dvc command ends") from error
    except DvcException as error:
        raise InputError(f"DVC: {error}") from error
