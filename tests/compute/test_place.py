"""Which of several processes this one is."""

import pytest

from aru.compute.place import Place, own_place
from aru.core.errors import InputError


@pytest.mark.parametrize(
    "given, place",
    [
        ({}, None),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"}, Place(5, 1, 8)),
    ],
)
def test_it_is_what_the_variables_of_torchrun_say(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], place: Place | None
) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert own_place() == place


@pytest.mark.parametrize("given", [{"WORLD_SIZE": "2"}, {"WORLD_SIZE": "two", "RANK": "0", "LOCAL_RANK": "0"}])
def test_variables_that_do_not_say_it_are_refused(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="is no number: unset it, or start the processes with torchrun"):
        own_place()
