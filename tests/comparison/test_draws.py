"""Draws: who is forgotten, who is trained on, who is set aside."""

from pathlib import Path

import pandas as pd
import pytest

from aru.comparison.draws import Draw, assign, draw_of, draws_of, load_draw, tuning_people
from aru.core.config import Config
from aru.core.errors import InputError
from aru.data.manifest import read_manifest
from tests.helpers.prepared_images import turn_images
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def manifest(tuning_once: Path) -> pd.DataFrame:
    return read_manifest(tuning_once / "work" / "toy" / "prepared" / "manifest.csv")


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_clean_draw_has_none_of_the_tuning_people_and_each_person_and_photo_once(manifest, config, number):
    roles = assign(manifest, Draw("clean", number), config)
    used = roles[roles["role"] != ""]
    assert not set(used["subject"]) & set(tuning_people(manifest))
    assert (used.groupby("subject")["role"].nunique() == 1).all() and used["photo"].is_unique
    people = used[used["role"].isin(["forget", "retain"])].groupby("role")["subject"].nunique()
    assert people["forget"] == round(0.15 * people.sum())


def test_a_tuning_draw_is_made_of_tuning_people_alone_some_of_whom_are_never_trained_on(manifest, config):
    used = assign(manifest, Draw("tuning"), config).query("role != ''")
    assert set(used["subject"]) <= set(tuning_people(manifest))
    assert set(used["role"]) == {"forget", "retain", "test", "unseen"}
    assert (used.groupby("subject")["role"].nunique() == 1).all()


def test_the_official_draw_is_the_benchmarks_own_and_there_is_one(manifest, config):
    pd.testing.assert_frame_equal(assign(manifest, Draw("official"), config), manifest)
    assert draws_of("official", 3) == [Draw("official", 0)] and len(draws_of("clean", 3)) == 3


def test_other_draws_forget_others_but_train_on_the_same_so_that_they_share_an_original(manifest, config):
    one, other = (assign(manifest, Draw("clean", number), config) for number in (0, 1))
    trained = [set(roles.loc[roles["role"].isin(["forget", "retain"]), "row"]) for roles in (one, other)]
    forgotten = [set(roles.loc[roles["role"] == "forget", "subject"]) for roles in (one, other)]
    assert trained[0] == trained[1] and forgotten[0] != forgotten[1]


def test_images_of_another_size_are_refused(tuning_project):
    config, prepared = config_of(tuning_project), tuning_project / "work" / "toy" / "prepared"
    load_draw(prepared, Draw("clean"), config)
    larger = config.model_copy(update={"data": config.data.model_copy(update={"resolution": 32})})
    with pytest.raises(InputError, match="24 px wide, data.resolution is 32: run the stage 'prepare' again"):
        load_draw(prepared, Draw("clean"), larger)


def test_what_prepare_writes_anew_is_read_anew_by_a_process_that_knows_the_old(tuning_project, config):
    prepared = tuning_project / "work" / "toy" / "prepared"
    before = load_draw(prepared, Draw("official"), config)
    assert load_draw(prepared, Draw("official"), config) is before
    row = int(before[0].forget.rows[0])
    turn_images(prepared, [row])
    sets, _, digests = load_draw(prepared, Draw("official"), config)
    assert (sets.forget.images[row] == before[0].forget.images[row, ::-1]).all()
    assert {name for name, digest in digests.items() if digest != before[2][name]} == {"forget", "train"}


def test_draws_begin_where_they_are_asked_to():
    assert draws_of("clean", 2, 3) == [Draw("clean", 3), Draw("clean", 4)] and draw_of("clean", 4) == Draw("clean", 4)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (("private", 1), "unknown protocol 'private'"),
        (("clean", 0), "0 draws: at least one"),
        (("clean", 1, -1), "draw -1: draws count from 0"),
        (("official", 1, 1), "has one draw, number 0, not number 1"),
    ],
)
def test_unknown_protocols_and_draws_that_are_not_there_are_refused(bad, said):
    with pytest.raises(InputError, match=said):
        draws_of(*bad)


def test_too_few_people_to_set_some_aside_are_counted(manifest):
    few = manifest[manifest["subject"].isin(sorted(manifest["subject"].unique())[:20])]
    with pytest.raises(InputError, match="at least 10 are needed"):
        tuning_people(few)
