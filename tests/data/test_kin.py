"""Photos of one person or of one family belong together; families that are not known join nobody."""

import numpy as np
import pandas as pd

from aru.data.kin import kin


def test_people_of_one_family_are_one_and_a_person_of_two_families_joins_them() -> None:
    rows = pd.DataFrame(
        {
            "subject": ["S1", "S2", "S3", "S4", "S5", "S6", "S6", "S7", "F1"],
            "family": ["F1", "F1", "F2", "", "", "F3", "F4", "F4", ""],
        }
    )
    assert kin(rows).tolist() == [0, 0, 1, 2, 3, 4, 4, 4, 5]
    assert np.array_equal(kin(rows.drop(columns="family")), pd.factorize(rows["subject"])[0])
    assert not len(kin(rows[:0]))
