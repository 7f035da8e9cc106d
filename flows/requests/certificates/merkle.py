"""A Merkle tree over sorted values, and proofs that a value is not among them. SHA-256 alone: anybody can write the verifier.

The leaves are the values in ascending order between two sentinels, so that every absent value lies between two neighbours.
Hashes and paths are those of RFC 9162, section 2.1: a leaf is SHA-256(0x00 value), a node SHA-256(0x01 left right), and a tree
of n leaves is split at the largest power of two below n. The root that is published is SHA-256("aru absence 1" n tree), with n
in 8 bytes, so that nobody can claim another number of leaves and make distant leaves look like neighbours.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

BYTES = 32
"""Of a value and of a hash."""
_LOWEST, _HIGHEST = bytes(BYTES), b"\xff" * BYTES


class Neighbour(TypedDict):
    """A leaf: its value in hex, and the hashes beside its path to the tree's root, from below."""

    value: str
    path: list[str]


class AbsenceProof(TypedDict):
    """Two neighbouring leaves, `left` at the place `index`, of a tree with `leaves` leaves."""

    leaves: int
    index: int
    left: Neighbour
    right: Neighbour


@dataclass(frozen=True)
class Tree:
    """A tree over distinct values; `values` has them between the sentinels."""

    values: tuple[bytes, ...]

    @staticmethod
    def of(values: Iterable[str]) -> "Tree":
        """The tree of values of 64 hex digits, in any order. ValueError for others and for the sentinels."""
        found = sorted({bytes.fromhex(value) for value in values})
        if wrong := [value for value in found if len(value) != BYTES or value in (_LOWEST, _HIGHEST)]:
            raise ValueError(f"{wrong[0].hex()!r} is no value of a tree: it has {BYTES} bytes, neither all 00 nor all ff")
        return Tree((_LOWEST, *found, _HIGHEST))

    @property
    def root(self) -> str:
        """What is published, in hex."""
        return _published(len(self.values), _tree([_leaf(value) for value in self.values])).hex()

    def absence(self, value: str) -> AbsenceProof:
        """The proof that a value is not in the tree. Raises KeyError where it is."""
        wanted = bytes.fromhex(value)
        place = bisect_left(self.values, wanted)
        if place < len(self.values) and self.values[place] == wanted:
            raise KeyError(value)
        leaves = [_leaf(one) for one in self.values]
        left, right = (
            Neighbour(value=self.values[index].hex(), path=[one.hex() for one in _path(index, leaves)])
            for index in (place - 1, place)
        )
        return AbsenceProof(leaves=len(leaves), index=place - 1, left=left, right=right)


def is_absent(value: str, proof: AbsenceProof, root: str) -> bool:
    """Whether the proof shows that a value (64 hex digits) is not in the tree of this root; False for whatever is no proof."""
    try:
        low, wanted, high = (bytes.fromhex(one) for one in (proof["left"]["value"], value, proof["right"]["value"]))
        if {len(low), len(wanted), len(high)} != {BYTES} or not low < wanted < high:
            return False
        leaves, index = int(proof["leaves"]), int(proof["index"])
        return all(
            _published(leaves, _climbed(side["value"], side["path"], index + step, leaves)).hex() == root
            for step, side in enumerate((proof["left"], proof["right"]))
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def _leaf(value: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + value).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _published(leaves: int, tree: bytes) -> bytes:
    return hashlib.sha256(b"aru absence 1" + leaves.to_bytes(8, "big") + tree).digest()


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _tree(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return _node(_tree(leaves[:middle]), _tree(leaves[middle:]))


def _path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*_path(index, leaves[:middle]), _tree(leaves[middle:])]
    return [*_path(index - middle, leaves[middle:]), _tree(leaves[:middle])]


def _climbed(value: str, path: Sequence[str], index: int, leaves: int) -> bytes:
    """The tree's hash by RFC 9162, section 2.1.3.2. ValueError where the path is too long or too short for this place."""
    if not 0 <= index < leaves:
        raise ValueError(index)
    here, last, found = index, leaves - 1, _leaf(bytes.fromhex(value))
    for step in path:
        beside = bytes.fromhex(step)
        if last == 0 or len(beside) != BYTES:
            raise ValueError(step)
        if here & 1 or here == last:
            found = _node(beside, found)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            found = _node(found, beside)
        here, last = here >> 1, last >> 1
    if last:
        raise ValueError(last)
    return found
