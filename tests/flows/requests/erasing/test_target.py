"""How a name is known in a text: by itself, whatever signs are beside it, and however YAML has broken the line."""

import mmap
from pathlib import Path

import pytest
from dvc.utils.serialize import dumps_yaml

from flows.requests.erasing.target import stands_in

LONG = "Eve " + "Maria " * 14 + "Adams"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("Evelyn", text) for text in ("Evelyn", "“Evelyn”", "Evelyn’s letter", "Evelyn – a photo", "Name：Evelyn…")),
        *(("Jürgen", text) for text in ("«Jürgen»", '{"who": "Jürgen"}', "_Jürgen_\n", "Jürgens, no: Jürgen")),
        ("F4711/D", "🙂F4711/D🙂"),
        ("Eve Adams", "of Eve\n      Adams"),
        (LONG, dumps_yaml({"team.data.forget.subjects": [LONG, "Evelyn"]})),
    ],
)
def test_name_is_found(name: str, text: str, tmp_path: Path) -> None:
    assert stands_in(name.encode(), text.encode())
    (tmp_path / "file").write_text(text, encoding="utf-8")
    with (tmp_path / "file").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        assert stands_in(name.encode(), content)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("Evelyn", text) for text in ("Evelyns", "Evelyné", "éEvelyn", "ЖEvelyn", "Evelyn7", "Eve lyn", "")),
        *(("Eve Adams", text) for text in ("EveAdams", "Eve, Adams", "Eve Adamson")),
    ],
)
def test_part_of_a_word_is_not(name: str, text: str) -> None:
    assert not stands_in(name.encode(), text.encode())
