"""Correlated pictures among very many: hashed into blocks, so that a picture is compared with its block and not with all.

A key is the signs of some random projections of a descriptor. Two descriptors at an angle a agree on each sign with
probability 1 - a / pi (Charikar, 2002), on a key of k signs with that to the power of k. There are as many independent keys as
it takes to miss a pair at the limit of the correlation with probability `MISS`; at a correlation of 0.97 it is below 1e-5.
Pairs that share a key are held to more signs and then to the limit itself: no false pair comes of hashing.
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
_SIGNS = 256  # of the signature to which pairs with one key are held
_MAX_DIFFERENT = 53  # signs of it; at the limit of the correlation 31 differ on average, more than 53 in 1 of 30,000 pairs
_MAX_OF_FIRST = 22  # signs of its first quarter
_SEED = 7405  # of the projections: the same pictures have the same blocks


@dataclass(frozen=True)
class Hashing:
    """How many signs a key has and how many keys a picture."""

    signs: int
    keys: int

    @staticmethod
    def of(count: int) -> "Hashing":
        """About one picture a block and key; keys by `MISS`."""
        signs = max(1, round(math.log2(count)))
        agreeing = (1 - math.acos(MIN_CORRELATION) / math.pi) ** signs
        return Hashing(signs, math.ceil(math.log(MISS) / math.log(1 - agreeing)))


def correlated_in_blocks(pictures: Pictures, progress: Progress = silent) -> Iterator[np.ndarray]:
    """Rows (first, second, view, correlation), float64, of pairs that correlate; a pair may come several times.

    Memory: `TABLE_BYTES` and 32 bytes a picture, whatever their number.
    """
    count, hashing = len(pictures), Hashing.of(len(pictures))
    random = np.random.default_rng(_SEED)
    own = random.normal(size=(CELLS**2, _SIGNS)).astype(np.float32)
    signatures = np.concatenate([_signature(_describe(pictures, rows, 0), own) for rows in blocks_of(count, _ROWS)])
    at_once = max(1, TABLE_BYTES // (4 * count + (4 << hashing.signs)))
    groups = [min(at_once, hashing.keys - begin) for begin in range(0, hashing.keys, at_once)]
    done, total = 0, len(groups) * len(VIEWS) * count
    for keys in groups:
        projections = random.normal(size=(CELLS**2, keys * hashing.signs)).astype(np.float32)
        tables = _tables(pictures, projections, keys, hashing.signs)
        for view in range(len(VIEWS)):
            for rows in blocks_of(count, _ROWS):
                seen = _describe(pictures, rows, view)
                pairs = _alike(_keys(seen, projections, keys), tables, _signature(seen, own), signatures, rows, count)
                for part in np.array_split(pairs, -(-len(pairs) // _ROWS) or 1):
                    yield _correlated(seen, pictures, part // count, part % count, int(rows[0]), view)
                done += len(rows)
                progress(done, total, "find copies")


@dataclass(frozen=True)
class _Table:
    """The pictures in order of their keys: those of key k are ``order[starts[k] : starts[k + 1]]``."""

    order: np.ndarray
    starts: np.ndarray

    @staticmethod
    def of(keys: np.ndarray, signs: int) -> "_Table":
        starts = np.zeros((1 << signs) + 1, np.int32)
        np.cumsum(np.bincount(keys, minlength=1 << signs), out=starts[1:])
        return _Table(np.argsort(keys, kind="stable").astype(np.int32), starts)

    def matches(self, keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The places in `keys`, and the pictures with that key; at most `_PAIRS` at once unless one key has more."""
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


def _tables(pictures: Pictures, projections: np.ndarray, keys: int, signs: int) -> list[_Table]:
    found = np.empty((keys, len(pictures)), np.int32)
    for rows in blocks_of(len(pictures), _ROWS):
        found[:, rows] = _keys(_describe(pictures, rows, 0), projections, keys)
    return [_Table.of(one, signs) for one in found]


def _alike(
    keys: np.ndarray, tables: list[_Table], own: np.ndarray, signatures: np.ndarray, rows: np.ndarray, count: int
) -> np.ndarray:
    """Pairs with a common key and similar signatures, each as first * count + second, ascending."""
    found = [np.empty(0, np.int64)]
    for table, some in zip(tables, keys, strict=True):
        for place, other in table.matches(some):
            for word in range(own.shape[1]):  # the later words of the few pairs that are not out yet
                rest = _MAX_DIFFERENT if word else _MAX_OF_FIRST
                near = np.bitwise_count(own[place, : word + 1] ^ signatures[other, : word + 1]).sum(axis=1) <= rest
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


def _keys(vectors: np.ndarray, projections: np.ndarray, keys: int) -> np.ndarray:
    """The keys (keys, N) int32 of descriptors."""
    signs = (vectors @ projections > 0).reshape(len(vectors), keys, -1)
    places = (1 << np.arange(signs.shape[2])).astype(np.float32)  # exact in float32 up to 24 signs
    return np.ascontiguousarray((signs.astype(np.float32) @ places).astype(np.int32).T)


def _signature(vectors: np.ndarray, projections: np.ndarray) -> np.ndarray:
    """The signs (N, words) uint64 of `_SIGNS` projections."""
    return np.packbits(vectors @ projections > 0, axis=1).view(np.uint64)
