"""Which families of classifiers go through every step: one small member each of torchvision's and timm's, on one batch.

``python -m tools.try_networks`` tries what `docs/models.json` does not have yet, each network in a process of its own with
limits on time and memory; ``--again`` names families to try once more, or ``failed``. ``python -m tools.page_tables`` writes
the table of `docs/models.md` from it. Weights are random: nothing is downloaded, and nothing is said of how well a network
learns or forgets.
"""

import argparse
import logging
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch

from aru.compute.device import Compute
from aru.core.config import AttackConfig, FinetuneConfig, MaskConfig, ResetConfig, TrainConfig
from aru.core.files import read_json, write_json
from aru.data.datasets import own_sets
from aru.methods.aru.attack import attack
from aru.methods.aru.finetuning import finetune
from aru.methods.aru.masking import mask
from aru.methods.aru.resetting import reset
from aru.metrics.membership.signals import gradient_norm
from aru.metrics.representation.activations import activations, penultimate
from aru.metrics.representation.cka import linear_cka
from aru.metrics.utility import utility
from aru.nets.adapted import Adapted
from aru.nets.units import unit_layers, unit_weights
from aru.train.loop import fit, predict
from tools.network_families import CLASSES, built, by_size, families
from tools.page_tables import NETWORKS, NetworkRecord

IMAGES = 4
SECONDS, BYTES = 90, 12 * 1024**3  # limits of one network: time of a processor, address space
_CPU = Compute(torch.device("cpu"))
_TRAIN = TrainConfig(epochs=1, batch_size=IMAGES, lr=1e-4, augment=False)
_TUNE = FinetuneConfig(epochs=1, batch_size=IMAGES, lr=1e-4, augment=False)


class _Fault(Exception):
    """A step ended, but not as it should."""


def try_one(family: str, members: list[str]) -> NetworkRecord:
    """Every step on one batch of the first member that is a classifier: the steps that passed, and why the next did not."""
    record = NetworkRecord(family=family, network=members[0], passed=[], failed=None, error=None)

    @contextmanager
    def step(which: str) -> Iterator[None]:
        record["failed"] = which
        yield
        record["passed"].append(which)
        record["failed"] = None

    try:
        with step("build"):
            name, network, side = built(members)
        record |= {"network": name, "side": side, "parameters": _count(network.parameters())}
        _take_steps(network, side, record, step)
    except Exception as error:  # the table says what went wrong, whatever it was
        record["error"] = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return record


def _take_steps(
    network: Adapted, side: int, record: NetworkRecord, step: Callable[[str], AbstractContextManager[None]]
) -> None:
    images = torch.rand(IMAGES, 3, side, side, generator=torch.Generator().manual_seed(0))
    arrays = (images, torch.arange(IMAGES) % CLASSES)
    data = own_sets(arrays, arrays, outputs=CLASSES).forget
    with step("train"):
        fit(network, data, _TRAIN, generator=torch.Generator().manual_seed(0), compute=_CPU)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with step("attack"):
        noise = attack(network, data, AttackConfig(steps=1), seed=0, compute=_CPU)
        _require(bool(noise.any()), "the noise is zero everywhere: the loss has no gradient with respect to pixels")
    with step("mask"):
        record["layers"] = len(unit_layers(network))
        record["in_units"] = _count(unit_weights(network).values())
        _, marked = mask(network, data, noise, MaskConfig(), seed=0, compute=_CPU)
        _require(any(bool(part.any()) for part in marked.values()), "no unit is marked")
    with step("reset"):
        unlearned = reset(network, marked, ResetConfig(), seed=0, example=data.example())
        weights = unit_weights(unlearned)
        same = [name for name, value in unit_weights(network).items() if torch.equal(value, weights[name])]
        changed = [name for name in same if marked[name].any()]
        _require(not changed, f"{len(changed)} layers with marked units have their old values, as {changed[:1]}")
    with step("finetune"):
        finetune(unlearned, network, data, _TUNE, seed=0, compute=_CPU)
    with step("evaluate"):
        logits = predict(unlearned, data, compute=_CPU)
        _require(bool(torch.isfinite(logits).all()), "logits are not finite")
        utility(logits, data.targets)
    with step("audit"):
        gradient_norm(unlearned, data, compute=_CPU)
        linear_cka(*(penultimate(model, data, compute=_CPU) for model in (unlearned, network)))
        activations(unlearned, data, compute=_CPU)
    with step("original unchanged"):
        after = network.state_dict()
        differing = [name for name, value in before.items() if not torch.equal(value, after[name])]
        _require(not differing, f"{len(differing)} tensors of the original changed, as {differing[:1]}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _Fault(otherwise)


def _count(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def in_process(family: str, members: list[str]) -> NetworkRecord:
    """`try_one` in a forked process, which spares it the imports; ended when it takes too long or too much memory."""
    started, context = time.monotonic(), get_context("fork")
    answers, end = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(end, family, members))
    process.start()
    end.close()
    why = f"took more than {10 * SECONDS} s"  # on the wall: a busy machine gives a process a part of the time
    record: NetworkRecord | None = None
    if answers.poll(10 * SECONDS):
        try:
            record = answers.recv()
        except EOFError:
            process.join()
            slow = process.exitcode == -signal.SIGXCPU
            why = f"took more than {SECONDS} s of a processor" if slow else f"ended with code {process.exitcode}"
    process.kill()
    process.join()
    if record is None:
        record = NetworkRecord(family=family, network=members[0], passed=[], failed="build", error=why)
    return record | {"seconds": round(time.monotonic() - started, 1)}


def _send(end: Connection, family: str, members: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    end.send(try_one(family, members))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--again", nargs="*", default=[], metavar="FAMILY", help="families to try again, or failed, or all")
    again = parser.parse_args().again
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    records: dict[str, NetworkRecord] = read_json(NETWORKS) if NETWORKS.exists() and "all" not in again else {}
    for family, members in families().items():
        known = records.get(family)
        if known and family not in again and not ("failed" in again and known["failed"]):
            continue
        record = records[family] = in_process(family, by_size(members))
        print(family, record["network"], record["failed"] or "passed", record["error"] or "", flush=True)
        write_json(NETWORKS, records)


if __name__ == "__main__":
    main()
