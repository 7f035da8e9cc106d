"""Compiled calls: the same training, graphs of full batches alone, no trace left; a missing compiler is named."""

import pytest
import torch
from torch import nn

from aru.compute.compiling import missing_compiler
from aru.compute.device import Compute, make_compute
from aru.compute.keys import arithmetic
from aru.core.config import AttackConfig, RuntimeConfig, TrainConfig
from aru.methods.aru.attack import attack
from aru.train.loop import fit
from tests.helpers.toys import CPU, generator, image_set, small_net

COMPILED = Compute(CPU.device, compile=True)


@pytest.fixture
def graphs(monkeypatch) -> list[torch.Size]:
    """The shapes of the images for which a graph is made; the graph itself runs as it is."""
    found, whole = [], nn.Module.compile

    def backend(graph, inputs):
        found.extend(one.shape for one in inputs if one.dim() == 4 and one.shape[1:] == (3, 16, 16))
        return graph.forward

    monkeypatch.setattr(nn.Module, "compile", lambda model, **options: whole(model, backend=backend, **options))
    torch._dynamo.reset()
    return found


def test_a_compiled_training_is_the_same_and_makes_one_graph_of_full_batches(graphs):
    config, data = TrainConfig(epochs=3, batch_size=8, augment=True), image_set(21)
    plain, compiled = small_net(), small_net()
    expected = fit(plain, data, config, generator=generator(), compute=CPU)
    assert fit(compiled, data, config, generator=generator(), compute=COMPILED) == expected
    assert graphs == [(8, 3, 16, 16)]
    assert compiled._compiled_call_impl is None
    for name, tensor in plain.state_dict().items():
        assert torch.equal(compiled.state_dict()[name], tensor), name


def test_a_compiled_attack_is_the_same(graphs):
    config, data, model = AttackConfig(steps=3, batch_size=4), image_set(11), small_net()
    expected = attack(model, data, config, seed=0, compute=CPU)
    assert torch.equal(attack(model, data, config, seed=0, compute=COMPILED), expected)
    assert graphs == [(4, 3, 16, 16)] and model._compiled_call_impl is None


def test_what_the_compiler_cannot_do_runs_as_it_is(monkeypatch):
    whole, tried = nn.Module.compile, []

    def backend(graph, inputs):
        tried.append(graph)
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(nn.Module, "compile", lambda model, **options: whole(model, backend=backend, **options))
    torch._dynamo.reset()
    config, data = AttackConfig(steps=1, batch_size=4), image_set(4)
    expected = attack(small_net(), data, config, seed=0, compute=CPU)
    assert torch.equal(attack(small_net(), data, config, seed=0, compute=COMPILED), expected) and tried


def test_a_missing_compiler_is_named_and_results_of_compiled_models_have_their_own_keys(monkeypatch):
    runtime = RuntimeConfig(device="cpu", compile=True)
    monkeypatch.setattr("aru.compute.compiling.shutil.which", lambda name: "/usr/bin/" + name)
    there = make_compute(runtime)
    assert there.compile and not there.fast_kernels and missing_compiler(CPU.device) is None
    monkeypatch.setattr("aru.compute.compiling.shutil.which", lambda name: None)
    with pytest.warns(UserWarning, match="a C.* compiler .* is not here: models run without it"):
        missing = make_compute(runtime)
    plain = make_compute(RuntimeConfig(device="cpu"))
    assert missing == plain
    with pytest.raises(ValueError, match="runtime.compile is true with runtime.processes = 2, which was never tried"):
        RuntimeConfig(compile=True, processes=2)
    assert arithmetic(runtime, missing) == arithmetic(RuntimeConfig(), plain) != arithmetic(runtime, there)
