"""The standard level: the same model beside a retrained one that never saw the forgotten people.

Signed gaps, relearning, what the features still hold, and who else was hurt. One retrained model is one training seed: the
limits leave room for how much two of them differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from aru.audit.audit_file import Further, Table, Value
from aru.audit.case import AUDITED, Case
from aru.audit.criteria import STANDARD
from aru.audit.few_people import GAP, bootstrap_only, of_set, over_people, too_few
from aru.audit.quick import Draws, draw_people, matched_figures, stand_in_auc
from aru.audit.relative import as_criterion, relative
from aru.audit.verdicts import Found, Measurement, NotRun, from_interval, measured, worst_of
from aru.core.errors import InputError
from aru.core.names import FORGET, ORIGINAL, RETAIN, RETRAINED, SETS, TEST, UNLEARNED, UNSEEN
from aru.core.progress import Progress, silent
from aru.metrics.distance.gaps import distance, js_divergence
from aru.metrics.distance.weights import linear_barrier
from aru.metrics.people.bystanders import bystanders
from aru.metrics.relearning.relearn import RelearnConfig, relearning
from aru.metrics.representation.cka import representation
from aru.metrics.representation.feature_use import feature_use
from aru.metrics.representation.filtering import filter_sensitivity
from aru.metrics.representation.probing import probing
from aru.metrics.utility import per_example_loss, utility_columns
from aru.stats.stand_ins import LEAST_PEOPLE

Part = Callable[[Case], tuple[Found, Further]]
Column = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], np.ndarray]
RELEARNED_IMAGES = 60
"""Forget images below which relearning is not tested: each is a sixtieth of an accuracy, the limits are a tenth. Decided, not
calibrated."""
GROUPS = "Accuracy lost by groups of test people"
"""The heading of the figures by subgroup."""
LEAST_BYSTANDERS = 20
"""People of a group that is judged; of fewer, one person's photos decide."""
NO_REFERENCE = "there is no retrained model to compare with: set evaluate.retrained to true and run the stage `retrain`"
REFERENCE_ITSELF = "the model is the retrained reference itself"


def standard(case: Case, *, reported: bool = True, progress: Progress = silent) -> tuple[Found, Further]:
    """The measurements by criterion and, under headings, further figures; without a retrained model all are not run.

    A part that cannot be measured on so few people or images says why, and does not stop the others. reported: also the parts
    that measure no criterion.
    """
    if RETRAINED not in case.models:
        return dict.fromkeys(STANDARD, NotRun(NO_REFERENCE)), {}
    found: Found = {}
    further: dict[str, Table] = {}
    parts = [one for one in PARTS if one[0] or reported]
    for number, (names, part) in enumerate(parts):
        try:
            measurements, tables = part(case)
        except InputError as error:
            measurements, tables = dict.fromkeys(names, NotRun(str(error))), {}
        found |= measurements
        further |= tables
        progress(number + 1, len(parts), f"audit, {', '.join(names) or 'details'}")
    return found, further


def _gaps(case: Case) -> tuple[Found, Further]:
    """Gaps of accuracy, tug of war and divergence, and the gap of the class-matched loss attack."""
    groups: dict[str, np.ndarray] = {role: case.people(role) for role in SETS}
    result = distance(
        case.logits[AUDITED], [case.logits[RETRAINED]], case.targets, groups=groups, resamples=case.resamples, seed=case.seed
    )["unlearned"]
    figures = {
        name: (value["figure"], partial(from_interval, value["figure"], value["interval"])) for name, value in result.items()
    }
    gap, js = (_on_unseen(case, column) for column in (_accuracy_gap, _divergence))
    draws = draw_people(case)
    table: Table = {name: {"figure": value["figure"], "interval": value["interval"]} for name, value in result.items()}
    return {
        "attack_gap": _attack_gap(case, draws),
        "forget_gap": over_people(case, *figures["gap/forget/accuracy"], gap, within=GAP),
        "test_gap": of_set(case, TEST, *figures["gap/test/accuracy"]),
        "tow": bootstrap_only(case, *figures["tow"]),
        "js_forget": over_people(case, *figures["forget/js"], js),
        "agreement_test": of_set(case, TEST, *figures["test/agreement"]),
        "retain_accuracy": _ability(case, draws),
    }, {"Distance to the retrained model": table}


def _ability(case: Case, draws: Draws) -> Measurement | NotRun:
    """Accuracy of the original on test images minus that of the audited model on retained ones.

    How much better a model answers its training images than others is memory, and may go; what the original can do on people
    it never saw is ability, and retained people, who were trained on, are to have at least that.
    """
    parts = []
    for model, role in ((ORIGINAL, TEST), (AUDITED, RETAIN)):
        right = utility_columns(case.logits[model][role], case.targets[role]).means["accuracy"]
        weights = np.vstack((np.ones(len(right)), draws[role]))
        parts.append(weights @ right / weights.sum(axis=1))
    lost = parts[0] - parts[1]
    fewer = min((TEST, RETAIN), key=lambda role: len(set(case.people(role))))
    return of_set(case, fewer, lost[0], lambda: measured(lost))


def _attack_gap(case: Case, draws: Draws) -> Measurement | NotRun:
    """Class-matched AUC of the loss attack minus the retrained model's."""
    losses = {
        model: [per_example_loss(case.logits[model][role], case.targets[role]) for role in (FORGET, UNSEEN)]
        for model in (AUDITED, RETRAINED)
    }
    try:
        aucs = [matched_figures(case, (-forget, -unseen), draws)[0] for forget, unseen in losses.values()]
    except InputError as error:
        return NotRun(str(error))
    null = [partial(stand_in_auc, case, -unseen) for _, unseen in losses.values()]
    gap = aucs[0] - aucs[1]
    return over_people(case, gap[0], lambda: measured(gap), lambda *photos: null[0](*photos) - null[1](*photos), within=GAP)


def _on_unseen(case: Case, column: Column) -> Callable[[np.ndarray, np.ndarray], float]:
    """The mean of what two models differ by on unseen images that stand for the forget images."""
    if not len(case.sets.unseen):
        return lambda _standing, _others: float("nan")
    values = column(case.logits[AUDITED][UNSEEN], case.logits[RETRAINED][UNSEEN], case.targets[UNSEEN])
    return lambda standing, _others: float(values[standing].mean())


def _accuracy_gap(one: torch.Tensor, other: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """By image, how much oftener the first model is right. Shape: (M,)."""
    columns = [utility_columns(logits, targets).means["accuracy"] for logits in (one, other)]
    return columns[0] - columns[1]


def _divergence(one: torch.Tensor, other: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    return js_divergence(one, other, multi_label=targets.dim() == 2)


def _relearning(case: Case) -> tuple[Found, Further]:
    """How much sooner the forget accuracy returns than the retrained model's, on average over the measured steps.

    Beside the figure there is no interval, so it is asked of enough people and images alone: two retrained models differ by
    more than the limit on a few of them.
    """
    groups = case.people(FORGET)
    _enough_forgotten(case, RELEARNED_IMAGES)
    models: dict[str, nn.Module] = {UNLEARNED: case.models[AUDITED], RETRAINED: case.models[RETRAINED]}
    result = relearning(
        models, case.sets, groups, RelearnConfig(), original=case.models[ORIGINAL], seed=case.seed, compute=case.compute
    )
    found: Found = {}
    curves: dict[str, Mapping[str, Value]] = {}
    for images, relearned, part in ((RETAIN, result["retain"], FORGET), ("few", result["few"], "other")):
        pair = [np.array(relearned["curves"][model][part]) for model in models]
        found[f"relearning_{images}"] = Measurement(
            float((pair[0] - pair[1]).mean()), None, exact="one run of relearning, the same batches"
        )
        curves |= {
            f"{model}, trained on {images}, accuracy on {part}": dict(
                zip(map(str, relearned["steps"]), values.tolist(), strict=True)
            )
            for model, values in zip(models, pair, strict=True)
        }
    return found, {"Relearning: accuracy after so many steps": curves}


def _enough_forgotten(case: Case, images: int = 1) -> None:
    """Raise InputError where the forget set is too small for a figure that is not read against stand-ins."""
    people, count = len(set(case.people(FORGET))), len(case.sets.forget)
    if people < LEAST_PEOPLE:
        raise InputError(too_few(people, FORGET))
    if count < images:
        raise InputError(f"not tested at this size: {count} forget images; {images} are needed")


def _probes(case: Case) -> tuple[Found, Further]:
    """How much better the label and the identity of forgotten people are read off the features than the retrained's."""
    _enough_forgotten(case)
    models: dict[str, nn.Module] = {UNLEARNED: case.models[AUDITED], RETRAINED: case.models[RETRAINED]}
    result = probing(
        models,
        case.sets.forget,
        subjects=case.people(FORGET),
        photos=case.column(FORGET, "photo"),
        compute=case.compute,
        seed=case.seed,
        resamples=case.resamples,
    )
    found: Found = {}
    table: dict[str, Mapping[str, Value]] = {}
    for what, probe in (("label", result["label"]), ("identity", result["identity"])):
        ours = probe["linear"][UNLEARNED]
        found[f"{what}_probe"] = from_interval(ours["gap"], ours["gap_interval"])
        for kind, shares in (("linear", probe["linear"]), ("neighbours", probe["neighbours"])):
            table[f"{what}, {kind}"] = {model: shares[model]["share"] for model in models} | {"chance": probe["chance"]}
    return found, {"Probes of the features": table}


def _likeness(case: Case) -> tuple[Found, Further]:
    """Mean over the layers of CKA with the original, over that of the retrained model with the original."""
    names = (AUDITED, RETRAINED, ORIGINAL)
    exact = replace(case.compute, dtype=torch.float32)  # CKA sees what bfloat16 rounds
    result = representation({name: case.models[name] for name in names}, case.sets, compute=exact, roles=(FORGET,))[FORGET]
    layers: dict[str, dict[str, Value]] = {
        layer: {pair: values[layer]["cka"] for pair, values in result.items()} for layer in result[f"{AUDITED}/{ORIGINAL}"]
    }
    ours, reference = result[f"{AUDITED}/{ORIGINAL}"], result[f"{RETRAINED}/{ORIGINAL}"]
    pairs = [(ours[layer]["cka"], reference[layer]["cka"]) for layer in layers]
    rise = [one - other for one, other in pairs if one is not None and other is not None]
    if not rise:
        raise InputError("every layer answers alike to all forget images: there is no representation to compare")
    return {"cka": Measurement(float(np.mean(rise)), None, exact="the forget images as they are")}, {
        "Likeness of representations (CKA on forget images)": layers
    }


def _bystanders(case: Case) -> tuple[Found, Further]:
    """The accuracy that a group of test people has lost against the retrained model, of the group that lost most."""
    logits: dict[str, dict[str, torch.Tensor]] = {UNLEARNED: case.logits[AUDITED], RETRAINED: case.logits[RETRAINED]}
    hurt = bystanders(
        logits,
        case.targets,
        case.manifest,
        resamples=case.resamples,
        seed=case.seed,
        role=TEST,
        minimum_people=LEAST_BYSTANDERS,
    )
    groups = hurt["differences"][RETRAINED]["accuracy"]
    losses = {
        name: from_interval(-one["difference"], [-one["interval"][1], -one["interval"][0]])
        for name, one in groups.items()
        if one["interval"] and one["difference"] is not None
    }
    if not losses:
        raise InputError(f"no group of test people has {hurt['minimum_people']} of them: no loss can be measured")
    table: dict[str, Mapping[str, Value]] = {
        name: {"people": hurt["groups"][name]["people"], "loss": one.figure, "interval": list(one.interval or ())}
        for name, one in losses.items()
    }
    return {"bystanders": worst_of(losses.values())}, {GROUPS: table}


def _exposure(case: Case) -> tuple[Found, Further]:
    """How much better the loss attack finds retained people than under the retrained model."""
    logits: dict[str, dict[str, torch.Tensor]] = {UNLEARNED: case.logits[AUDITED], RETRAINED: case.logits[RETRAINED]}
    exposed = bystanders(logits, case.targets, case.manifest, resamples=case.resamples, seed=case.seed)["exposure"]
    if exposed is None:
        raise InputError("too few retained people who are not forgotten, too: their exposure cannot be measured")
    if "all" not in exposed["rise"][RETRAINED]:
        raise InputError("no retained person has a photo of a class that unseen images have: exposure cannot be measured")
    rise = exposed["rise"][RETRAINED]["all"]
    return {"bystander_exposure": from_interval(rise["difference"], rise["interval"])}, {}


def _features(case: Case) -> tuple[Found, Further]:
    """How evenly the layers use spatial frequencies, and how answers fare on filtered images; no criterion."""
    models: dict[str, nn.Module] = {
        UNLEARNED: case.models[AUDITED],
        ORIGINAL: case.models[ORIGINAL],
        RETRAINED: case.models[RETRAINED],
    }
    subjects = case.people(TEST)
    use = feature_use(
        models, case.sets.test, compute=case.compute, seed=case.seed, subjects=subjects, resamples=case.resamples
    )["models"]
    rests = filter_sensitivity(
        models, case.sets.test, compute=case.compute, seed=case.seed, subjects=subjects, resamples=case.resamples
    )
    accuracy: dict[str, dict[str, Value]] = {
        f"low-passed to {radius:.3g} cycles a pixel": {name: one[name]["share"] for name in models}
        for radius, one in zip(rests["radii"], rests["low_pass"], strict=True)
    }
    accuracy |= {
        f"high-passed from {radius:.3g}": {name: one[name]["share"] for name in models}
        for radius, one in zip(rests["radii"], rests["high_pass"], strict=True)
    }
    return {}, {
        "Evenness of feature use": {
            name: {"evenness": use[name]["evenness"], "interval": use[name]["interval"]} for name in models
        },
        "Accuracy on filtered test images": accuracy,
    }


def _barriers(case: Case) -> tuple[Found, Further]:
    """The greatest rise of the loss on the straight line of weights to the original; no criterion.

    A model without a barrier lies in the same basin as the original: what it learned is one short way back.
    """
    sets = {"forget images": case.sets.forget, "test images": case.sets.test}
    rises = {
        name: linear_barrier(
            case.models[which], case.models[ORIGINAL], sets, case.sets.retain, seed=case.seed, compute=case.compute
        )["barrier"]
        for name, which in ((UNLEARNED, AUDITED), (RETRAINED, RETRAINED))
    }
    table: dict[str, dict[str, Value]] = {data: {name: rise[data] for name, rise in rises.items()} for data in sets}
    return {}, {"Loss barrier to the original": table}


PARTS: tuple[tuple[tuple[str, ...], Part], ...] = (
    (("relative",), lambda case: ({"relative": as_criterion(relative(case))}, {})),
    (("attack_gap", "forget_gap", "test_gap", "tow", "js_forget", "agreement_test", "retain_accuracy"), _gaps),
    (("relearning_retain", "relearning_few"), _relearning),
    (("label_probe", "identity_probe"), _probes),
    (("cka",), _likeness),
    (("bystanders",), _bystanders),
    (("bystander_exposure",), _exposure),
    ((), _features),
    ((), _barriers),
)
"""The criteria that each part measures; the last ones measure none and only add details."""
