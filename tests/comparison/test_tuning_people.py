"""The people set aside for tuning."""

from aru.comparison.draws import tuning_people
from aru.core.config import MergeConfig
from tests.helpers.filings import table


def test_tuning_sets_suspects_aside_together():
    folders = {f"F{n}/A": f"{chr(0x4E00 + n)}{chr(0x5E00 + n)}" for n in range(40)}
    plain = tuning_people(table(folders))
    manifest = table(folders | {"F99/A": "".join(folders[f"F{n}/A"][0] for n in range(40))})
    chosen = tuning_people(manifest)
    assert set(plain) < set(chosen) and len(plain) == 12 and len(chosen) == 41, "all are linked by the mixed folder"
    assert len(tuning_people(manifest, MergeConfig(suspects="ignore"))) == 12
