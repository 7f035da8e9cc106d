"""The relative test on a comparison's models as a Markdown table, a line a setting."""

import math
from collections.abc import Mapping, Sequence

from aru.audit.compared_nearness import ModelNearness, by_setting
from aru.reporting.comparison.cells import row_name
from aru.reporting.markdown import format_table

HEAD = (
    "setting",
    "nearer to retrained",
    "undecided",
    "nearer to original",
    "interval holds 0",
    "place, mean",
    "lowest",
    "highest",
)


def nearness_table(found: Sequence[ModelNearness], names: Mapping[str, str] | None = None) -> str:
    """How many models of a setting are nearer to which, in how many the interval holds 0, and their places.

    names: of settings that are to be called otherwise.
    """
    rows = []
    for one in by_setting(found):
        ends = (min(one.places), max(one.places)) if one.places else (math.nan, math.nan)
        places = [f"{place:+.2f}" for place in (one.place, *ends)]
        name = (names or {}).get(one.name) or row_name(one.name)
        rows.append([name, *map(str, one.answers.values()), str(one.within), *places])
    return format_table(HEAD, rows)
