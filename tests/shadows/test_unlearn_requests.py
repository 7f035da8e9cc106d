"""The sets of each shadow under a request."""

import numpy as np
import pytest

from aru.comparison.draws import Draw
from aru.core.config import load_config
from aru.data.prepared import manifest_of
from aru.shadows.population import load_population
from aru.shadows.unlearn_requests import load_request, sets_of_shadow
from tests.helpers.shadow_pools import plan

pytest_plugins = ["tests.helpers.shadow_fixtures"]


@pytest.mark.parametrize("protocol", ["official", "clean"])
def test_no_retain_set_has_a_photo_of_the_forgotten(prepared, protocol):
    config, folder = load_config(prepared / "params.yaml", "small"), prepared / "work" / "small" / "prepared"
    manifest, population = manifest_of(folder), load_population(folder, protocol, config)
    for draw in {Draw(protocol), Draw(protocol, 0 if protocol == "official" else 1)}:
        request = load_request(draw, config, folder)
        assert request.people and len(request.unseen) and len(request.test)
        assert not set(request.subjects[request.roles != "forget"]) & set(population.people)
        for shadow in plan(prepared, 6, protocol):
            sets = sets_of_shadow(shadow, request, config, folder)
            forget, retain = manifest.iloc[sets.forget.rows], manifest.iloc[sets.retain.rows]
            assert not set(retain["subject"]) & set(request.people) and set(forget["subject"]) <= set(request.people)
            assert not set(retain["photo"]) & set(request.photos) and not set(retain["digest"]) & set(request.files)
            both = np.sort(np.concatenate([sets.forget.rows, sets.retain.rows]))
            assert (both == np.sort(population.train.rows[shadow.positions])).all()
