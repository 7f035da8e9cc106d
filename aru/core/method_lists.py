"""`methods` in params.yaml: the active benchmarks that ARU unlearns, and those that another method does.

DVC makes the stages of unlearning from these two lists, because it cannot choose stages by a parameter. They follow from
`method` in the benchmarks' sections; `aru` writes them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aru.core.errors import InputError
from aru.core.names import ARU

LISTS = "methods"
PEERS = "peers"


def method_lists(methods: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """{benchmark: its method} as the two lists."""
    return {
        ARU: {benchmark: method for benchmark, method in methods.items() if method == ARU},
        PEERS: {benchmark: method for benchmark, method in methods.items() if method != ARU},
    }


def check_lists(content: Any, methods: Mapping[str, str], path: Path) -> None:
    """Raise InputError where the lists in a file's content are not those of the benchmarks' methods; a file may have none."""
    found = content.get(LISTS)
    if found is not None and found != method_lists(methods):
        raise InputError(
            f"{path}: the lists under {LISTS!r}, from which DVC makes stages, do not fit `method` in the benchmarks' "
            "sections: `aru status` brings them up to date"
        )
