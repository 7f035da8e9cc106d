"""Ids of families and people: the normalized and the folded form."""

from aru.data.ids import folded_id, normalized_id, normalized_key, similar_keys


def test_ids_are_normalised_and_compared():
    assert normalized_id(" a\u00a0\u3000 b\u200d ") == "a b" and normalized_id("d") != normalized_id("D")
    assert normalized_key(" F0001 / D ") == "F0001/D" and normalized_key("/38") == "38"
    assert folded_id("F-0 01") == folded_id("\uff46\uff11") != folded_id("F10") and folded_id("*") != folded_id("-")
    assert similar_keys("f1/d", ["F0001/D", "F0001/M", "F0010/D", "F01/D", "D"]) == ["F0001/D", "F01/D"]
