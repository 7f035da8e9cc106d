"""The audited model beside the original: how much of the original's own gap is left, and whether it still is that model.

A fixed limit on an attack's figure lets pass whoever starts below it: where the original itself gives little away, or where
few people are asked. Held to the same people's figure under the original, a model that is the original but for some noise
keeps all of the gap, and resamples in which both models see the same people leave little doubt of it; a retrained model keeps
none.
"""

from dataclasses import replace

import numpy as np
import torch

from aru.audit.case import AUDITED, Case
from aru.audit.verdicts import Measurement, NotRun, measured
from aru.core.errors import InputError
from aru.core.names import ORIGINAL
from aru.metrics.representation.activations import penultimate
from aru.metrics.representation.cka import linear_cka

LEAST_GAP = 0.02
"""Of the original's AUC above 0.5, by its whole interval: a share of less than that would be a share of chance."""


def remaining(audited: np.ndarray, original: np.ndarray) -> Measurement | NotRun:
    """The audited model's AUC above 0.5 over the original's, of one attack, people drawn alike for both.

    Shape: (1 + R,) each, the figure first and then its resamples. Not run where the original's own gap is not clear.
    """
    own = measured(original)
    low, high = own.interval or (own.figure, own.figure)
    if low < 0.5 + LEAST_GAP:
        return NotRun(
            f"the original itself gives too little away to tell what is left of it: its AUC is {own.figure:.3f} "
            f"[{low:.3f}, {high:.3f}], and an interval above {0.5 + LEAST_GAP:g} is needed"
        )
    return measured((audited - 0.5) / (original - 0.5))


def likeness(case: Case) -> Measurement | NotRun:
    """CKA of what the two models' classifiers see of the forget and unseen images; 1 is the original's own features.

    Always in float32: where features hardly vary from image to image, CKA compares what bfloat16 rounds.
    """
    exact = replace(case.compute, dtype=torch.float32)
    features = [
        torch.cat(
            [penultimate(case.models[name], data, compute=exact) for data in (case.sets.forget, case.sets.unseen) if len(data)]
        )
        for name in (AUDITED, ORIGINAL)
    ]
    try:
        cka = linear_cka(*features)
    except InputError as error:
        return NotRun(str(error))
    if cka is None:
        return NotRun("one of the two models sees all forget and unseen images alike: its features cannot be compared")
    return Measurement(cka, None, exact="the forget and unseen images as they are")
