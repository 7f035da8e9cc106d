"""Halves of the people: pairs that complete each other, every even prefix balanced."""

import numpy as np
import pytest

from aru.core.errors import InputError
from aru.shadows.halves import halves

pytest_plugins = ["tests.helpers.shadow_fixtures"]


@pytest.mark.parametrize("people, classes, models", [(4, 1, 2), (7, 2, 6), (40, 5, 16), (239, 8, 32), (9, 9, 8)])
def test_everyone_is_in_half_of_every_even_prefix_and_classes_are_halved(people, classes, models):
    strata = np.random.default_rng(people).integers(classes, size=people).astype(str)
    sides = halves(strata, models)
    assert sides.shape == (models, people) and sides.dtype == bool
    for prefix in range(2, models + 1, 2):
        assert (sides[:prefix].sum(axis=0) == prefix // 2).all()
        assert (halves(strata, prefix) == sides[:prefix]).all()
    assert (abs(2 * sides.sum(axis=1) - people) <= 1).all()
    for stratum in set(strata):
        inside = strata == stratum
        assert (abs(2 * sides[:, inside].sum(axis=1) - inside.sum()) <= 2).all()


def test_pairs_of_models_are_drawn_apart_and_people_go_their_own_ways():
    sides = halves(["a"] * 40, 200)[::2]
    together = (sides.T[:, None] == sides.T[None]).mean(axis=2)[np.triu_indices(40, 1)]
    assert len({side.tobytes() for side in sides}) == 100
    assert abs(together.mean() - 0.5) < 0.02 and together.max() < 0.75 and together.min() > 0.25


@pytest.mark.parametrize("people, models, message", [(9, 7, "7 shadow models"), (9, 0, "0 shadow models"), (3, 2, "3 people")])
def test_what_cannot_be_halved_is_refused(people, models, message):
    with pytest.raises(InputError, match=message):
        halves(["a"] * people, models)
