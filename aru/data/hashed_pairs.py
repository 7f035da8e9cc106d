"""Correlated pictures among very many: hashed into blocks, so that a picture is compared with its block and not with all.

A key is the signs of some random projections of a descriptor. Two descriptors at an angle a agree on each sign with
probability 1 - a / pi (Charikar, 2002), on a key of k signs with that to the power of k. There are as many independent keys as
it takes to miss a pair at the limit of the correlation with probability `MISS`; at a correlation of 0.97 it is below 1e-5.
How many signs a key has is decided by the pictures: faces in one pose are alike, and short keys would put most of them into
one block. Pairs that share a key are held to more signs and then to the limit itself: no false pair comes of hashing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aru.core.progress import Progress, silent
from aru.data.descriptors import CELLS, MIN_CORRELATION, VIEWS, Pictures, blocks_of, descriptors

MISS = 1e-3  # probability of missing a pair whose correlation is at the limit in one view
TABLE_BYTES = 256 << 20  # of the tables that are held at once
_ROWS = 4096  # pictures looked up at once
_PAIRS = 1 << 20  # pairs compared at once
_SIGNS = 512  # of the signature to which pairs with one key are held
_MAX_DIFFERENT = 93  # signs of it; at the limit of the correlation 62 differ on average, more than 93 in 1 of 20,000 pairs
_MAX_OF_FIRST = 22  # signs of its first 64; more than that in less than 1 of a million pairs
_MOST_SIGNS = 32  # of a key
_LOOK_UP = 8  # pictures with one key that are compared in the time of a look-up
_SAMPLE = 2048  # pictures whose pairs say how alike all are
_MIXING = np.uint32(0x9E3779B1)  # Knuth's multiplicative hashing: the upper bits depend on all
_SEED = 7405  # of the projections: the same pictures have the same blocks


@dataclass(frozen=True)
class Hashing:
    """How many signs a key has and how many keys a picture."""

    signs: int
    keys: int

    @staticmethod
    def of(count: int, agreement: np.ndarray) -> "Hashing":
        """The least work: a picture is looked up by each of its keys and compared with the others that have one of them.

        Shape:
            agreement: (P,) from 0 to 1: of pairs of pictures as they come, the part of the signs in which each agrees.
        """
        found, least = Hashing(1, _keys_at(1)), math.inf
        for signs in range(1, _MOST_SIGNS + 1):
            keys = _keys_at(signs)
            work = keys * (_LOOK_UP + count * float((agreement**signs).mean()))
            if work < least:
                found, least = Hashing(signs, keys), work
        return found


def _keys_at(signs: int) -> int:
    """How many keys of so many signs miss a pair at the limit with probability `MISS`."""
    agreeing = (1 - math.acos(MIN_CORRELATION) / math.pi) ** signs
    return math.ceil(math.log(MISS) / math.log(1 - agreeing))


def correlated_in_blocks(pictures: Pictures, progress: Progress = silent) -> Iterator[np.ndarray]:
    """Rows (first, second, view, correlation), float64, of pairs that correlate; a pair may come several times.

    Memory: `TABLE_BYTES` and 64 bytes a picture, and the pairs that are found.
    """
    count = len(pictures)
    random = np.random.default_rng(_SEED)
    hashing = Hashing.of(count, _agreement(pictures, random))
    own = random.normal(size=(CELLS**2, _SIGNS)).astype(np.float32)
    signatures = np.empty((count, _SIGNS // 64), np.uint64)
    for rows in blocks_of(count, _ROWS):
        signatures[rows] = _signature(_describe(pictures, rows, 0), own)
    at_once = max(1, TABLE_BYTES // (4 * count + (4 << _bits(count))))
    groups = [min(at_once, hashing.keys - begin) for begin in range(0, hashing.keys, at_once)]
    done, total = 0, len(groups) * len(VIEWS) * count
    for keys in groups:
        projections = random.normal(size=(CELLS**2, keys * hashing.signs)).astype(np.float32)
        tables = _tables(pictures, projections, keys)
        for view in range(len(VIEWS)):
            for rows in blocks_of(count, _ROWS):
                seen = _describe(pictures, rows, view)
                slots = _keys(seen, projections, keys, _bits(count))
                pairs = _alike(slots, tables, _signature(seen, own), signatures, rows, count)
                for part in np.array_split(pairs, -(-len(pairs) // _ROWS) or 1):
                    yield _correlated(seen, pictures, part // count, part % count, int(rows[0]), view)
                done += len(rows)
                progress(done, total, "find copies")


@dataclass(frozen=True)
class _Table:
    """The pictures in order of their keys' slots: those in slot k are ``order[starts[k] : starts[k + 1]]``."""

    order: np.ndarray
    starts: np.ndarray

    @staticmethod
    def of(keys: np.ndarray) -> "_Table":
        slots = 1 << _bits(len(keys))
        starts = np.zeros(slots + 1, np.int32)
        np.cumsum(np.bincount(keys, minlength=slots), out=starts[1:])
        return _Table(np.argsort(keys, kind="stable").astype(np.int32), starts)

    def matches(self, keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The places in `keys`, and the pictures in that slot; at most `_PAIRS` at once unless one slot has more."""
        begin, count = self.starts[keys], self.starts[keys + 1] - self.starts[keys]
        ends = np.cumsum(count, dtype=np.int64)
        low = 0
        while low < len(keys):
            before = int(ends[low - 1]) if low else 0
            high = max(low + 1, int(np.searchsorted(ends, before + _PAIRS, side="right")))
            some = count[low:high]
            shift = np.repeat(begin[low:high] - (ends[low:high] - some - before), some)
            yield np.repeat(np.arange(low, high), some), self.order[np.arange(len(shift)) + shift]
            low = high


def _tables(pictures: Pictures, projections: np.ndarray, keys: int) -> list[_Table]:
    found = [np.empty(len(pictures), np.int32) for _ in range(keys)]
    for rows in blocks_of(len(pictures), _ROWS):
        slots = _keys(_describe(pictures, rows, 0), projections, keys, _bits(len(pictures)))
        for one, some in zip(found, slots, strict=True):
            one[rows] = some
    return [_Table.of(found.pop()) for _ in range(keys)][::-1]  # a key goes when its table is made


def _bits(count: int) -> int:
    """Of the slots of a table: about as many as there are pictures."""
    return max(1, math.ceil(math.log2(count)))


def _agreement(pictures: Pictures, random: np.random.Generator) -> np.ndarray:
    """The part of the signs in which pairs of some pictures agree that are no copies of one another."""
    rows = np.sort(random.choice(len(pictures), min(_SAMPLE, len(pictures)), replace=False))
    some = _describe(pictures, rows, 0)
    correlation = (some @ some.T)[np.triu_indices(len(rows), 1)]
    return 1 - np.arccos(np.clip(correlation[correlation <= MIN_CORRELATION], -1, 1)) / np.pi


def _alike(
    keys: np.ndarray, tables: list[_Table], own: np.ndarray, signatures: np.ndarray, rows: np.ndarray, count: int
) -> np.ndarray:
    """Pairs with a common key and similar signatures, each as first * count + second, ascending."""
    found = [np.empty(0, np.int64)]
    of_rows, of_all = np.ascontiguousarray(own[:, 0]), np.ascontiguousarray(signatures[:, 0])
    for table, some in zip(tables, keys, strict=True):
        for place, other in table.matches(some):
            near = np.bitwise_count(of_rows[place] ^ of_all[other]) <= _MAX_OF_FIRST
            place, other = place[near], other[near]
            near = np.bitwise_count(own[place] ^ signatures[other]).sum(axis=1) <= _MAX_DIFFERENT
            place, other = place[near], other[near]
            first = rows[place]
            found.append((first * count + other)[first != other])
    return np.unique(np.concatenate(found))


def _correlated(
    seen: np.ndarray, pictures: Pictures, first: np.ndarray, second: np.ndarray, begin: int, view: int
) -> np.ndarray:
    others, place = np.unique(second, return_inverse=True)
    values = np.einsum("ij,ij->i", seen[first - begin], _describe(pictures, others, 0)[place])
    pairs = np.stack([first, second, np.full_like(first, view), values], axis=1)
    return pairs[values > MIN_CORRELATION]


def _describe(pictures: Pictures, rows: np.ndarray, view: int) -> np.ndarray:
    return descriptors(pictures[rows], VIEWS[view])


def _keys(vectors: np.ndarray, projections: np.ndarray, keys: int, bits: int) -> np.ndarray:
    """The slots (keys, N) int32, numbers of so many bits, of the keys of descriptors; other keys may share a slot."""
    signs = np.packbits((vectors @ projections > 0).reshape(len(vectors), keys, -1), axis=2)
    whole = np.zeros((len(vectors), keys, 4), np.uint8)
    whole[:, :, : signs.shape[2]] = signs
    mixed = whole.view(np.uint32)[:, :, 0] * _MIXING
    return np.ascontiguousarray((mixed >> np.uint32(32 - bits)).astype(np.int32).T)


def _signature(vectors: np.ndarray, projections: np.ndarray) -> np.ndarray:
    """The signs (N, words) uint64 of `_SIGNS` projections."""
    return np.packbits(vectors @ projections > 0, axis=1).view(np.uint64)
