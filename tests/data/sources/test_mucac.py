"""MUCAC's layout: the cut by identity numbers, labels, and the tasks."""

import pytest

from aru.data.images import load_sets, write_images
from aru.data.manifest import write_manifest
from aru.data.prepare import build_manifest, read_archive, read_images
from aru.data.sources.mucac import CUT_ORDER, cut
from tests.helpers.archives import mucac_files, mucac_folder


def test_mucac_roles_follow_the_identity_numbers(tmp_path):
    folder = mucac_folder(tmp_path / "mucac")
    manifest = build_manifest("mucac", folder, protocol="official", forget={})
    roles = dict(zip(manifest["person"].astype(int), manifest["role"], strict=True))
    assert roles == {
        0: "test",
        189: "test",
        190: "forget",
        1249: "forget",
        1250: "retain",
        4854: "retain",
        4855: "unseen",
        6216: "unseen",
    }
    assert manifest["male"].tolist() == [photo % 2 for photo in range(16)]
    assert manifest["smiling"].tolist() == [int(photo % 3 > 0) for photo in range(16)] and manifest["young"].all()


@pytest.mark.parametrize(
    "numbers, test, forget, retain",
    [
        (range(6217), 190, 1060, 3605),  # the published people
        (range(10001, 11001), 31, 170, 580),  # as many as round to the published shares of 1,000
        (range(180), 6, 30, 105),
        (range(4), 1, 1, 1),
        (range(5), 1, 1, 2),
        ((0, 190, 1250, 4855), 1, 1, 1),
    ],
)
def test_mucac_is_cut_at_the_published_numbers_or_else_in_the_published_shares(numbers, test, forget, retain):
    sets = list(cut(reversed(numbers)).values())
    assert [sets.count(name) for name in CUT_ORDER] == [test, forget, retain, len(numbers) - test - forget - retain]
    assert sets == sorted(sets, key=CUT_ORDER.index), "by ascending number"


def test_another_part_of_celeba_has_all_four_sets(tmp_path):
    folder = mucac_folder(tmp_path / "mucac", mucac_files(numbers=[7000 + number // 2 for number in range(40)]))
    manifest = build_manifest("mucac", folder, protocol="official", forget={})
    assert manifest["role"].value_counts().to_dict() == {"test": 2, "forget": 6, "retain": 24, "unseen": 8}
    assert "these 20 people would leave a set empty" in read_archive("mucac", tmp_path / "mucac").notes[0]
    mucac_folder(tmp_path / "whole")
    assert "The 8 people are cut at the published identity numbers" in read_archive("mucac", tmp_path / "whole").notes[0]


@pytest.mark.parametrize("task, shape", [("male", (4,)), ("multilabel", (4, 3))])
def test_mucac_is_decoded_to_its_task(tmp_path, task, shape):
    folder = mucac_folder(tmp_path / "mucac")
    manifest = build_manifest("mucac", folder, protocol="clean", forget={})
    write_images(read_images(folder, manifest["path"].tolist()), 16, 16, tmp_path / "images.npy")
    write_manifest(tmp_path / "manifest.csv", manifest)
    sets = load_sets(tmp_path, task)
    assert sets.retain.targets.shape == shape and sets.retain.images.shape == (16, 16, 16, 3)
    assert len(sets.train) == 8
