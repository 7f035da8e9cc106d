"""The description of a forget set: who is named, who is added, who may be one of them."""

from aru.data.selection import describe_selection
from aru.data.splits import assign_roles
from aru.data.subjects import DEFAULT_MERGE
from tests.helpers.filings import with_others


def chosen(folders, protocol="official", merge=DEFAULT_MERGE, **forget):
    manifest = assign_roles(with_others(folders, merge), layout="mufac", protocol=protocol, forget=forget, seed=0, merge=merge)
    return describe_selection(manifest, forget, merge)


def test_a_choice_by_name_says_who_comes_along_and_who_stays():
    folders = {"F1/A": "abcd", "F2/B": "abcx", "F3/C": "klmn", "F4/D": "dpqrs"}
    found = chosen(folders, subjects=["F1/A", "F3/C"])
    assert found.added == {"F2/B": 4} and found.lines == (
        "forget: 12 images of 9 photos, 2 people, 3 filings",
        "forget: F1/A is S00000: 4 photos of F1/A; the same person, not named in the request: 4 photos of F2/B",
        "forget: F3/C is S00001: 4 photos of F3/C",
        "retain: may be one of the forgotten (data.merge settles it): 5 photos of F4/D",
    )
    both = chosen(folders, subjects=["F1/A", "F2/B"])
    assert both.added == {} and "F2/B is S00000: 4 photos of F2/B; the same person" in both.lines[2]
    whole = chosen(folders, subjects=["S00000"])
    assert whole.added == {} and whole.lines[1] == "forget: S00000 is S00000: 4 photos of F1/A, 4 photos of F2/B"


def test_suspects_on_the_side_of_the_forgotten_are_said_and_count_as_added():
    found = chosen({"F1/A": "abcd", "F3/C": "klmn", "F4/D": "dpqrs"}, "clean", subjects=["F1/A"])
    assert found.added == {"F4/D": 4}, "the shared photo is used once"
    assert found.lines[-1] == "forget: suspected to be one of them, and so on the same side: 4 photos of F4/D"


def test_drawn_people_and_rows_are_said_and_nobody_is_added():
    folders = {f"F{n}/A": f"{chr(0x4E00 + 2 * n)}{chr(0x4E01 + 2 * n)}" for n in range(40)}
    drawn = chosen(folders, draw=22)
    assert drawn.added == {} and len(drawn.lines) == 22 and drawn.lines[-1] == "forget: and 2 people more"
    assert chosen(folders, rows=4).lines == ("forget: 4 images of 4 photos, 2 people, 2 filings",)


def test_the_slash_of_people_without_a_family_may_be_left_out():
    manifest = with_others({"F1/38": "abcd", "F2/39": "abcx", "F3/40": "kl"})
    manifest["family"] = ""
    assigned = assign_roles(manifest, layout="mucac", protocol="official", forget={"subjects": ["/38"]}, seed=0)
    assert (
        describe_selection(assigned, {"subjects": ["/38"]}).added
        == {"39": 4}
        == describe_selection(assigned, {"subjects": ["38"]}).added
    )


def test_people_who_are_filed_as_subject_ids_are_written_keep_their_names():
    folders = {"S00001": "abcd", "S00002": "efgh", "S00003": "ijkl", "S00004": "mnop"}
    manifest = with_others({f"/{name}": photos for name, photos in folders.items()})
    manifest["family"] = ""
    for name in folders:
        forget = {"subjects": [name]}
        assigned = assign_roles(manifest, layout="table", protocol="official", forget=forget, seed=0)
        assert {*assigned["person"][assigned["role"] == "forget"]} == {name}
        found = describe_selection(assigned, forget)
        assert found.added == {} and found.lines[1].endswith(f": 4 photos of {name}")


def test_who_joins_a_person_filed_as_an_own_subject_id_counts_as_added():
    manifest = with_others({"/S00000": "abcd", "/Eve": "abcx", "/Bob": "klmn"})
    manifest["family"] = ""
    assigned = assign_roles(manifest, layout="table", protocol="official", forget={"subjects": ["S00000"]}, seed=0)
    assert {*assigned["person"][assigned["role"] == "forget"]} == {"S00000", "Eve"}
    assert describe_selection(assigned, {"subjects": ["S00000"]}).added == {"Eve": 4}
