"""The people set aside for tuning."""

from pathlib import Path

import pandas as pd

from aru.comparison.draws import Draw, assign, tuning_people
from aru.core.config import MergeConfig
from aru.data.manifest import read_manifest
from tests.helpers.filings import table
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


def test_tuning_people_are_in_no_clean_draw(tuning_once: Path) -> None:
    config, manifest = config_of(tuning_once), read_manifest(tuning_once / "work" / "toy" / "prepared" / "manifest.csv")
    apart = set(tuning_people(manifest))
    assert len(apart) == 20
    for number in range(4):
        assert people_in(assign(manifest, Draw("clean", number), config)).isdisjoint(apart)
        used = people_in(assign(manifest, Draw("tuning", number), config))
        assert used <= apart and len(used) > 10


def people_in(manifest: pd.DataFrame) -> set[str]:
    return set(manifest.loc[manifest["role"] != "", "subject"])


def test_tuning_sets_suspects_aside_together():
    folders = {f"F{n}/A": f"{chr(0x4E00 + n)}{chr(0x5E00 + n)}" for n in range(40)}
    plain = tuning_people(table(folders))
    manifest = table(folders | {"F99/A": "".join(folders[f"F{n}/A"][0] for n in range(40))})
    chosen = tuning_people(manifest)
    assert set(plain) < set(chosen) and len(plain) == 12 and len(chosen) == 41, "all are linked by the mixed folder"
    assert len(tuning_people(manifest, MergeConfig(suspects="ignore"))) == 12
