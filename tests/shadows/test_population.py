"""Who is in a pool: no person and no photo on both sides, copies merged."""

import pandas as pd
import pytest

from aru.comparison.draws import tuning_people
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.data.prepared import manifest_of
from aru.shadows.population import load_population
from tests.helpers.shadow_pools import PERSON, plan, write_params

pytest_plugins = ["tests.helpers.shadow_fixtures"]


@pytest.mark.parametrize("protocol", ["official", "clean"])
def test_no_person_and_no_photo_is_on_both_sides(prepared, protocol):
    config = load_config(prepared / "params.yaml", "small")
    manifest = manifest_of(prepared / "work" / "small" / "prepared")
    population = load_population(prepared / "work" / "small" / "prepared", protocol, config)
    shadows = plan(prepared, 6, protocol)
    for one, other in zip(shadows[::2], shadows[1::2], strict=True):
        rows = [manifest.iloc[population.train.rows[shadow.positions]] for shadow in (one, other)]
        for column in ("subject", "photo", "digest"):
            assert not set(rows[0][column]) & set(rows[1][column])
        everyone = pd.concat(rows)
        assert everyone["photo"].is_unique
        assert (everyone["split"] == "train").all()
        assert set(everyone["subject"]) == set(population.people)
    tuning = set(tuning_people(manifest))
    training = set(manifest.loc[manifest["split"] == "train", "subject"])
    assert set(population.people) == (training if protocol == "official" else training - tuning)


def test_two_names_of_one_person_are_one_and_copies_are_one_photo(prepared):
    population = load_population(
        prepared / "work" / "small" / "prepared", "official", load_config(prepared / "params.yaml", "small")
    )
    manifest = manifest_of(prepared / "work" / "small" / "prepared")
    names = manifest["family"] + "/" + manifest["person"]
    both = manifest[names.isin([PERSON, "F0002/D"])]
    assert both["subject"].nunique() == 1 and len(both) == 6
    assert (population.subjects == both["subject"].iloc[0]).sum() == both["photo"].nunique() == 4


def test_images_of_another_size_are_refused(root):
    config = write_params(root, {"data": {"resolution": 48}})
    with pytest.raises(InputError, match="64 px wide, data.resolution is 48: run the stage 'prepare' again"):
        load_population(root / "work" / "small" / "prepared", "official", config)
