"""Unlearning methods behind one signature: `METHODS[name].function(model, sets, config, seed=..., compute=...)`."""

from difflib import get_close_matches

from aru.core.errors import InputError
from aru.methods import (
    advanced_neggrad,
    amun,
    bad_teacher,
    ct,
    fcs,
    finetune,
    gli,
    kde,
    l1_sparse,
    last_blocks,
    msg,
    neggrad,
    random_labels,
    retrain,
    salun,
    scrub,
    sfron,
    ssd,
    unsir,
)
from aru.methods.aru import controls as aru_method
from aru.methods.method import Method, Unlearn

__all__ = ["CONTROLS", "METHODS", "Method", "Unlearn", "find"]

_PEERS = [
    retrain.METHOD,
    finetune.METHOD,
    last_blocks.CF_K,
    last_blocks.EU_K,
    neggrad.METHOD,
    advanced_neggrad.METHOD,
    unsir.METHOD,
    scrub.METHOD,
    bad_teacher.METHOD,
    random_labels.METHOD,
    l1_sparse.METHOD,
    salun.METHOD,
    ssd.METHOD,
    msg.METHOD,
    ct.METHOD,
    kde.METHOD,
    fcs.METHOD,
    sfron.METHOD,
    amun.METHOD,
    gli.METHOD,
]
CONTROLS: tuple[str, ...] = tuple(method.name for method in aru_method.CONTROLS)
METHODS: dict[str, Method] = {method.name: method for method in [*_PEERS, aru_method.ARU, *aru_method.CONTROLS]}


def find(name: str) -> Method:
    """The method of this name; an unknown one is answered with the nearest known."""
    if name not in METHODS:
        near = get_close_matches(name, list(METHODS), n=1, cutoff=0.5)
        raise InputError(
            f"unknown method {name!r}" + (f"; did you mean {near[0]!r}?" if near else "") + f" Known: {', '.join(METHODS)}"
        )
    return METHODS[name]
