"""Absence proofs: whatever is absent is proven so, whatever is present or changed is not."""

import copy
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.requests.certificates.merkle import Tree, is_absent

VALUES = st.sets(st.integers(1, 2**256 - 2), max_size=40)


def hexed(number: int) -> str:
    return f"{number:064x}"


def naive_root(values: list[bytes]) -> str:
    """The definition, written down: leaves, nodes split at the largest power of two, and the number of leaves on top."""

    def tree(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return hashlib.sha256(b"\x00" + leaves[0]).digest()
        middle = max(2**power for power in range(20) if 2**power < len(leaves))
        return hashlib.sha256(b"\x01" + tree(leaves[:middle]) + tree(leaves[middle:])).digest()

    ends = [b"\x00" * 32, *values, b"\xff" * 32]
    return hashlib.sha256(b"aru absence 1" + len(ends).to_bytes(8, "big") + tree(ends)).hexdigest()


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(1, 2**256 - 2))
def test_every_absent_value_is_proven_and_no_present_one(numbers, other):
    tree = Tree.of(map(hexed, numbers))
    assert tree.root == naive_root([number.to_bytes(32, "big") for number in sorted(numbers)])
    assert tree.root == Tree.of(map(hexed, sorted(numbers, reverse=True))).root
    for number in {other, *(one + step for one in numbers for step in (-1, 1))} - numbers - {0, 2**256 - 1}:
        assert is_absent(hexed(number), tree.absence(hexed(number)), tree.root)
    for number in numbers:
        with pytest.raises(KeyError):
            tree.absence(hexed(number))
        for proof in [tree.absence(hexed(one)) for one in {number - 1, number + 1} - numbers - {0, 2**256 - 1}]:
            assert not is_absent(hexed(number), proof, tree.root)


@settings(max_examples=60, deadline=None)
@given(VALUES.filter(lambda numbers: len(numbers) > 1), st.data())
def test_neighbours_that_are_none_prove_nothing(numbers, data):
    """Two leaves with another between them, each with its own true path, under any claimed place and number of leaves."""
    tree, inner = Tree.of(map(hexed, numbers)), sorted(numbers)
    middle = data.draw(st.sampled_from(inner))
    low = Tree.of(map(hexed, numbers - {middle}))
    forged = low.absence(hexed(middle))
    assert is_absent(hexed(middle), forged, low.root) and not is_absent(hexed(middle), forged, tree.root)
    before = tree.absence(hexed(middle - 1)) if middle - 1 not in {0, *numbers} else None
    after = tree.absence(hexed(middle + 1)) if middle + 1 not in {2**256 - 1, *numbers} else None
    if before and after:
        for leaves in range(tree.values.index(middle.to_bytes(32, "big")), 2 * len(tree.values)):
            for index in range(leaves):
                apart = {"leaves": leaves, "index": index, "left": before["left"], "right": after["right"]}
                assert not is_absent(hexed(middle), apart, tree.root)


def test_a_proof_in_which_anything_was_changed_proves_nothing():
    tree = Tree.of(map(hexed, range(10, 90, 7)))
    proof, value = tree.absence(hexed(40)), hexed(40)
    assert is_absent(value, proof, tree.root)
    changed = []
    for name in ("leaves", "index"):
        changed += [{**proof, name: proof[name] + step} for step in (-1, 1, 2**70)] + [{**proof, name: "x"}]
    for side in ("left", "right"):
        for place in range(len(proof[side]["path"])):
            for bad in ("00" * 32, "zz", "00" * 31):
                other = copy.deepcopy(proof)
                other[side]["path"][place] = bad
                changed.append(other)
        for path in (proof[side]["path"][:-1], [*proof[side]["path"], "00" * 32], []):
            changed.append({**proof, side: {**proof[side], "path": path}})
        changed.append({**proof, side: {**proof[side], "value": hexed(39 if side == "left" else 41)}})
        changed.append({name: part for name, part in proof.items() if name != side})
    assert len(changed) > 40
    for other in changed:
        assert not is_absent(value, other, tree.root)
    assert not is_absent(value, proof, "00" * 32) and not is_absent("00" * 31, proof, tree.root)


@pytest.mark.parametrize("value", ["00" * 32, "ff" * 32, "ab", ""])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(ValueError, match="is no value of a tree"):
        Tree.of([value])
