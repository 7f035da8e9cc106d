"""The documents of the repository agree with the package's metadata and with the files that they name."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from aru.__main__ import CODE, COMMANDS
from aru.core.folders import STAGES

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def releases() -> list[tuple[str, str]]:
    """The versions of CHANGELOG.md with their dates, newest first."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", text, flags=re.MULTILINE)


def test_the_version_is_the_same_wherever_a_format_demands_it() -> None:
    newest, date = releases()[0]
    assert newest == PROJECT["version"]
    assert (CITATION["version"], str(CITATION["date-released"])) == (newest, date)


def test_releases_stand_newest_first() -> None:
    versions = [tuple(int(part) for part in version.split(".")) for version, _ in releases()]
    assert versions == sorted(set(versions), reverse=True) and len(versions) > 1


def test_the_license_is_the_same_in_all_files() -> None:
    assert PROJECT["license"] == CITATION["license"] == "Apache-2.0"
    assert PROJECT["authors"] == CITATION["authors"]
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text(encoding="utf-8")


DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_and_modules_that_a_document_names_are_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    files = set(re.findall(r"\b(?:aru|flows|tests|tools|docs)/[\w./-]*\.(?:py|md|svg)\b", text))
    assert {name for name in files if not (ROOT / name).exists()} == set()
    commands = set(re.findall(r"python -m\s+((?:aru|flows|tests)\.[\w.]*\w)", text))
    assert {name for name in commands if importlib.util.find_spec(name) is None} == set()
    without_servers = set(re.findall(r"python -m\s+aru ([a-z][a-z-]*)", text))
    assert without_servers - {CODE, *STAGES, *COMMANDS} == set()
    for module, names in re.findall(r"^ *from ((?:aru|flows)\.[\w.]+) import ([\w, ]+)$", text, flags=re.MULTILINE):
        found = importlib.import_module(module)
        assert [name for name in names.split(", ") if not hasattr(found, name)] == [], module


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_links_of_a_document_lead_to_files(document: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / document).read_text(encoding="utf-8"))
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not ((ROOT / document).parent / target).exists()] == []
