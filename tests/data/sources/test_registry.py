"""The registry of sources: the layouts that parameters may name, and labels that a manifest has."""

from typing import get_args

import pytest

from aru.core.config import DataConfig
from aru.core.errors import InputError
from aru.data.sources.registry import SOURCES, source_by_name


def test_the_sources_are_the_layouts_of_the_parameters() -> None:
    assert tuple(SOURCES) == get_args(DataConfig.model_fields["layout"].annotation)
    assert all(source_by_name(name).name == name for name in SOURCES)


def test_an_unknown_layout_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown layout 'celeba': the layouts are mufac, mucac, table"):
        source_by_name("celeba")
