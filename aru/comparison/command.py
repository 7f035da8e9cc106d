"""The command that computes a row of a table again."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from aru.comparison.parameter_sets import CAPPED, DEFAULT, TUNED
from aru.comparison.records import PLACE


def command(records: Sequence[Mapping[str, Any]]) -> str:
    """One command for the records of one method, variant and protocol: all cells between its lowest and highest seed and draw.

    Runs that are missing in between come with it.
    """
    first = records[0]
    seeds, draws = ([int(record[name]) for record in records] for name in PLACE)
    places = [(record["train_seed"], record["draw"]) for record in records]
    repeats = max(places.count(place) for place in places)
    parts = [
        "aru benchmark",
        f"--benchmark {shlex.quote(str(first['benchmark']))}",
        f"--methods {shlex.quote(choice(str(first['method']), str(first['variant'])))}",
        f"--protocol {shlex.quote(str(first['protocol']))}",
        f"--seeds {max(seeds) - min(seeds) + 1}",
        f"--draws {max(draws) - min(draws) + 1}",
    ]
    parts += [f"--first-seed {min(seeds)}"] * (min(seeds) > 0)
    parts += [f"--first-draw {min(draws)}"] * (min(draws) > 0)
    parts += [f"--unlearn-seeds {repeats}"] * (repeats > 1)
    parts += [f"--parameters {first['variant']}"] * (first["variant"] in (TUNED, CAPPED))
    return " ".join(parts)


def choice(method: str, variant: str) -> str:
    """A method and its variant as the benchmark reads them: scrub, scrub:deepunlearn, aru{mask.ratio=0.3}."""
    if variant in (DEFAULT, TUNED, CAPPED):
        return method
    preset, colon, changes = variant.partition(":")
    if "=" in preset:
        return f"{method}{{{variant}}}"
    return f"{method}:{preset}" + (f"{{{changes}}}" if colon else "")
