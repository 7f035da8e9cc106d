"""`python -m aru code`: the code of each stage as a file, on which the stage depends in dvc.yaml.

work/code/STAGE.json lists the files of `aru` that the stage imports, each with the digest of its content. Comments and
docstrings do not count: a stage runs again when, and only when, its code differs.

DVC writes the records anew when the code has changed: in a clone that is the folder aru/, in any other project the file
code.json, which has the version and the digest of the installed package and is written beside the records.
"""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aru.core.errors import InputError
from aru.core.files import atomic_path, json_text
from aru.core.folders import PEER_STAGES, STAGES
from aru.core.leftovers import locked_folder, remove_leftovers
from aru.core.source_code import IMPORTED, PACKAGE, ROOT, Sources, closure, content_digest, read_sources
from aru.methods.catalogue import PEER_MODULES

RECORDS = "work/code"
"""The folder of the records in a project."""
INSTALLED = "code.json"
"""The file of a project without code of its own that tells which code computes there."""


def record_path(stage: str) -> str:
    """The path of a stage's record, relative to the project."""
    return f"{RECORDS}/{stage}.json"


def code_records(root: Path) -> dict[str, str]:
    """{path: content} of the records of all stages, from the files of `aru` as they are now.

    These are the files in the project folder `root` or, where it has none, those of the installed package. Raises
    InputError for a module that cannot be parsed.
    """
    return _records(_sources(root))


def code_source(root: Path) -> str:
    """On what the stage `code` depends in a project: its own folder aru/ or, where it has none, code.json."""
    return PACKAGE if (Path(root) / PACKAGE).is_dir() else INSTALLED


def installed_code(sources: Sources | None = None) -> str:
    """The content of code.json: the version of the installed package, and the SHA-256 of the names and bytes of its files."""
    content = sources or read_sources(ROOT)
    digest = hashlib.sha256()
    for name in sorted(content):
        digest.update(f"{name} {hashlib.sha256(content[name]).hexdigest()}\n".encode())
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError:  # its files were copied
        installed = "unknown"
    return json_text({"sha256": digest.hexdigest(), "version": installed})


def check_code_record(stage: str, root: Path) -> None:
    """Raise InputError where a stage's record, which DVC notes as its code, is not of the code that is imported here."""
    path = record_path(stage)
    if not _has_content(Path(root) / path, json_text(_record(modules_of(stage), IMPORTED))):
        raise InputError(f"{path} is not of the code that runs here: run `python -m aru code`, then the same command again")


def write_code_records(root: Path) -> None:
    """Write the records, and code.json, where their content differs. Raises InputError where `aru` was edited meanwhile."""
    sources = _sources(root)
    records = _records(sources)
    if code_source(root) == INSTALLED:
        records[INSTALLED] = installed_code(sources)
    folder = Path(root) / RECORDS
    with locked_folder(folder, wait=True):  # a flow and `dvc repro` may both be at it, for a second each
        remove_leftovers(folder)
        for path, content in records.items():
            if not _has_content(Path(root) / path, content):
                with atomic_path(Path(root) / path) as temporary:
                    temporary.write_text(content, encoding="utf-8")
    if _sources(root) != sources:
        raise InputError(f"{PACKAGE}/ was edited while its code was recorded: run `python -m aru code` again")


def _sources(root: Path) -> Sources:
    return read_sources(root if code_source(root) == PACKAGE else ROOT)


def _records(sources: Sources) -> dict[str, str]:
    return {record_path(stage): json_text(_record(modules_of(stage), sources)) for stage in STAGES}


def modules_of(stage: str) -> tuple[str, ...]:
    """The modules that are a stage's code, with all that they import: those of methods are found by name, not imported."""
    return (f"{PACKAGE}.stages.{stage}", *(PEER_MODULES if stage in PEER_STAGES else ()))


def _record(modules: tuple[str, ...], sources: Sources) -> dict[str, str]:
    """{file: digest of its content} of all files that the modules need."""
    found: dict[str, str] = {}
    for module in modules:
        try:
            found |= {name: content_digest(name, sources[name]) for name in closure(module, sources)}
        except (SyntaxError, ValueError) as error:
            raise InputError(f"{module}, or a module that it imports, is not valid Python ({error}): correct it") from error
    return found


def _has_content(path: Path, content: str) -> bool:
    return path.is_file() and path.read_bytes() == content.encode()
