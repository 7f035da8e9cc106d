"""Every method against the same invariants: a flat table of methods x promises."""

import random
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aru.compute.device import Compute
from aru.core.config import Config, DataConfig, FinetuneConfig
from aru.core.errors import InputError, TrainingError
from aru.data.images import Sets
from aru.methods import registry
from aru.methods.aru.attack import attack
from aru.methods.aru.finetuning import finetune_loss
from aru.methods.aru.masking import mask
from aru.methods.aru.resetting import reset
from aru.methods.catalogue import MODULES
from aru.methods.registry import CONTROLS, METHODS, find
from aru.nets.fresh import fresh
from aru.nets.models import build
from aru.nets.units import unit_weights
from aru.train.loop import predict
from tests.helpers.methods_quick import quick
from tests.helpers.toys import CPU, SmallNet, same_weights, sets, small_net
from tests.helpers.untouched import untouched
from tests.methods.test_pipeline import Canary

ALL = pytest.mark.parametrize("name", METHODS)
TRAINED = pytest.mark.parametrize("name", [name for name in METHODS if name != "nothing"])


def run(name, *, model=None, given=None, seed=0, config=None, compute=CPU, **options):
    return METHODS[name].function(
        model or small_net(), given or sets(), config or quick(name), seed=seed, compute=compute, **options
    )


def test_the_registry_names_the_promised_methods():
    promised = (
        "retrain finetune cf-k eu-k neggrad advanced-neggrad unsir scrub bad-teacher random-labels l1-sparse salun "
        "ssd msg ct kde fcs sfron amun gli piu-fr dlfd safer a-amu sharp-minmax regun rurk aru "
        "nothing random-mask random-noise no-attack reset-all"
    )
    assert list(METHODS) == promised.split()
    assert all(set(method.needs) <= {"forget", "retain"} for method in METHODS.values())
    assert all(method.name == name and method.source for name, method in METHODS.items())


def test_every_file_that_defines_methods_is_in_the_registry():
    folder = Path(registry.__file__).parent
    files = [path for path in folder.rglob("*.py") if re.search("^METHODS = ", path.read_text(encoding="utf-8"), re.MULTILINE)]
    defined = {path.relative_to(folder).with_suffix("").as_posix().replace("/", ".") for path in files}
    assert defined == set(MODULES.values())


SECTIONS = Config(data=DataConfig())
PARTS = {
    "attack": lambda model, given: attack(model, given.forget, SECTIONS.attack, seed=0, compute=CPU),
    "mask": lambda model, given: mask(
        model, given.forget, torch.zeros(len(given.forget), 3, 16, 16), SECTIONS.mask, seed=0, compute=CPU
    ),
    "mask in train mode": lambda model, given: mask(
        model,
        given.forget,
        torch.zeros(len(given.forget), 3, 16, 16),
        SECTIONS.mask.model_copy(update={"batchnorm": "train"}),
        seed=0,
        compute=CPU,
    ),
    "reset": lambda model, given: reset(
        model,
        {name: torch.ones(len(weight), dtype=torch.bool) for name, weight in unit_weights(model).items()},
        SECTIONS.reset,
        seed=0,
        example=torch.zeros(1, 3, 16, 16),
    ),
    "predict": lambda model, given: predict(model, given.test, compute=CPU),
    "the teacher of a fine-tune": lambda model, given: finetune_loss(model, FinetuneConfig(distillation=0.5), compute=CPU)(
        small_net(), *given.test.batch(torch.arange(4), CPU.device)
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_no_part_of_aru_changes_anything_of_the_given_model(part):
    model = small_net()
    with unchanged(model):
        PARTS[part](model, sets())


@contextmanager
def unchanged(model):
    """Nothing of a model changes: bits, modes, gradients, where its tensors lie, in which order and in which objects."""

    def where():
        return {
            name: (id(tensor), tensor.device, tensor.dtype, tensor.shape, tensor.stride(), tensor.data_ptr())
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]
        }

    with untouched(model):
        kinds, before = [type(module) for module in model.modules()], where()
        yield
        assert where() == before and [type(module) for module in model.modules()] == kinds


@ALL
def test_the_given_model_is_not_changed(name):
    model = small_net()
    with unchanged(model):
        result = run(name, model=model)
    assert not {id(tensor) for tensor in model.parameters()} & {id(tensor) for tensor in result.parameters()}


@ALL
def test_the_result_answers_and_can_be_unlearned_again(name):
    result = run(name)
    assert not any(module.training for module in result.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in result.parameters())
    assert all(torch.isfinite(tensor).all() for tensor in result.state_dict().values())


@ALL
def test_one_photo_can_be_forgotten(name):
    given = sets()
    result = run(name, given=replace(given, forget=given.forget.take(np.array([3]))))
    assert all(torch.isfinite(tensor).all() for tensor in result.state_dict().values())


@ALL
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(name):
    one, same, other = (run(name, seed=seed) for seed in (3, 3, 4))
    assert same_weights(one, same)
    assert same_weights(one, other) == METHODS[name].deterministic


@ALL
def test_images_of_declared_sets_alone_are_read(name):
    given = sets()
    images = given.forget.images.view(Canary)
    images.read = set()
    watched = Sets(*(replace(getattr(given, role), images=images) for role in ("forget", "retain", "test", "unseen")))
    run(name, given=watched)
    for role in ("forget", "retain", "test", "unseen"):
        rows = set(getattr(given, role).rows.tolist())
        assert bool(images.read & rows) == (role in METHODS[name].needs), f"{name} and {role}"


@ALL
def test_global_random_numbers_are_left_alone(name):
    def pythons_left_alone() -> bool:
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        run(name)
        assert torch.equal(states[0], torch.get_rng_state()) and np.array_equal(states[1], np.random.get_state()[1])
        return states[2] == random.getstate()

    # A method that draws does so each time; a thread that another test has left here draws of Python's now and then.
    assert any(pythons_left_alone() for _ in range(3))


@ALL
def test_multi_label_targets_work_or_are_refused(name):
    given = sets()
    rng = np.random.default_rng(0)
    labelled = Sets(
        *(
            replace(part, targets=torch.from_numpy(rng.integers(0, 2, (len(part), 3)).astype(np.float32)), outputs=3)
            for part in (given.forget, given.retain, given.test, given.unseen)
        )
    )
    model = fresh(SmallNet(outputs=3), seed=1).eval()
    if METHODS[name].multilabel:
        assert same_weights(run(name, model=model, given=labelled), model) == (name == "nothing")
    else:
        with pytest.raises(InputError, match=f"{name} .*multi-label"):
            run(name, model=model, given=labelled)


@TRAINED
def test_a_loss_that_is_not_finite_stops_the_method(name):
    model, config = small_net(), quick(name)
    with torch.no_grad():
        model.conv1.weight[0] = float("nan")
        model.fc.bias[0] = float("nan")
    if name == "retrain":  # it draws all weights anew: only its own steps can go wrong
        config = METHODS[name].configure(lr=1e38, epochs=3, batch_size=8)
    elif name == "reset-all":
        config = METHODS[name].configure(finetune={"lr": 1e38, "epochs": 3, "batch_size": 8})
    with pytest.raises(TrainingError, match=r"loss.* is -?(nan|inf)"):
        run(name, model=model, config=config)


@TRAINED
def test_progress_is_told_and_can_cancel(name):
    reports = []
    run(name, progress=lambda done, total, text: reports.append((done, total, text)))
    assert reports and all(1 <= done <= total and text for done, total, text in reports)
    assert reports[-1][0] == reports[-1][1]

    def cancel(done, total, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(name, progress=cancel)


@ALL
def test_half_precision_gives_finite_float_weights(name):
    result = run(name, compute=Compute(torch.device("cpu"), torch.bfloat16))
    assert all(tensor.dtype == torch.float32 and torch.isfinite(tensor).all() for tensor in result.parameters())


@pytest.mark.parametrize("name, preset", [(name, preset) for name, method in METHODS.items() for preset in method.presets])
def test_every_preset_runs(name, preset):
    run(name, config=quick(name, preset))


STRUCTURAL = {"cf-k"} | {name for name, method in METHODS.items() if method.check is not None}
"""The methods that look into the network; others see no more of it than parameters, BatchNorm and answers."""
REAL = [
    (architecture, name)
    for name in METHODS
    if name not in CONTROLS
    for architecture in ("shufflenet_v2_x0_5", "vit_tiny", *(["resnet18"] if name in STRUCTURAL else []))
]


@pytest.mark.parametrize("architecture, name", REAL)
def test_real_architectures_unlearn(name, architecture):
    model = build(architecture, 8, resolution=16, seed=1).eval()
    if architecture == "vit_tiny":  # torchvision's head is zero at first, and no gradient passes it
        torch.nn.init.normal_(model.heads.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    result = run(name, model=model, given=sets(forget=4, retain=6, test=2, unseen=2))
    assert type(result) is type(model) and result.state_dict().keys() == model.state_dict().keys()
    assert not same_weights(result, model)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"lr": -1.0}, r"scrub: lr = -1\.0"),
        ({"learning_rate": 0.1}, "unknown parameter 'learning_rate'"),
        ({"temprature": 2.0}, "did you mean 'temperature'"),
        ({"preset": "papr"}, "no preset 'papr'"),
    ],
)
def test_bad_parameters_are_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        find("scrub").configure(**changes)


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'salun'"):
        find("salum")


def test_changes_inside_a_section_keep_its_other_values():
    config = find("aru").configure("vitmul", mask={"ratio": 0.2})
    assert (config.mask.ratio, config.mask.unit, config.finetune.optimiser) == (0.2, "kernel", "adamw")
