"""Which families of classifiers go through every step: one small member each of torchvision's and timm's, on one batch.

``python tools/try_networks.py`` tries what `docs/models.json` does not have yet, each network in a process of its own with
limits on time and memory, and writes the table of `docs/models.md`. ``--again`` names families to try once
more, or ``failed``. Weights are random: nothing is downloaded, and nothing is said of how well a
network learns or forgets.
"""

import argparse
import json
import logging
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import nn

from aru.compute.device import Compute
from aru.core.config import AttackConfig, FinetuneConfig, MaskConfig, ResetConfig, TrainConfig
from aru.data.datasets import own_sets
from aru.methods.aru.attack import attack
from aru.methods.aru.finetuning import finetune
from aru.methods.aru.masking import mask
from aru.methods.aru.resetting import reset
from aru.metrics.membership.signals import gradient_norm
from aru.metrics.representation.activations import activations, penultimate
from aru.metrics.representation.cka import linear_cka
from aru.metrics.utility import utility
from aru.nets.adapted import adapt
from aru.nets.units import unit_layers
from aru.train.loop import fit, predict

FOLDER = Path(__file__).parent.parent / "docs"
RECORDS, PAGE = FOLDER / "models.json", FOLDER / "models.md"
BEGIN, END = "<!-- table of networks: begin -->", "<!-- table of networks: end -->"
STEPS = ("train", "attack", "mask", "reset", "finetune", "predict", "evaluate", "audit")
SIDES = (32, 64, 96, 128, 192, 224, 256)  # pixels
IMAGES, CLASSES = 8, 4
SECONDS, BYTES = 45, 12 * 1024**3  # limits of one network
_SMALL = (
    "atto",
    "femto",
    "pico",
    "nano",
    "xxt",
    "xxs",
    "xs",
    "xt",
    "tiny",
    "_t",
    "050",
    "_s",
    "small",
    "_b0",
    "18",
    "26",
    "0",
)
_CPU = Compute(torch.device("cpu"))
_TRAIN = TrainConfig(epochs=1, batch_size=IMAGES, lr=1e-4, augment=False)
_TUNE = FinetuneConfig(epochs=1, batch_size=IMAGES, lr=1e-4, augment=False)


def families() -> dict[str, tuple[str, list[str]]]:
    """Family -> library and its members. A family is the module that defines it: names alone would split and mix them."""
    found: dict[str, tuple[str, list[str]]] = {}
    modules = torchvision.models
    of_torchvision = {name: modules.get_model_builder(name).__module__ for name in modules.list_models(module=modules)}
    of_timm = {name: timm.models.model_entrypoint(name).__module__ for name in timm.list_models(pretrained=False)}
    for library, members in (("torchvision", of_torchvision), ("timm", of_timm)):
        grouped = defaultdict(list)
        for name, module in members.items():
            if not name.startswith("test_"):  # timm's toys for its own tests
                grouped[module.rpartition(".")[2]].append(name)
        found |= {f"{library}/{family}": (library, names) for family, names in sorted(grouped.items())}
    return found


def smallest(library: str, members: list[str]) -> str:
    """The member with the fewest parameters among those whose names say that they are small."""
    ranked = sorted(members, key=lambda name: (_smallness(name), len(name)))
    sizes = {}
    for name in ranked[:3]:
        with torch.device("meta"):
            try:
                sizes[name] = sum(parameter.numel() for parameter in construct(library, name, None).parameters())
            except Exception:  # whatever a constructor that computes with its weights raises: another member will do
                continue
    return min(sizes, key=lambda name: sizes[name]) if sizes else ranked[0]


def _smallness(name: str) -> int:
    return min((rank for rank, word in enumerate(_SMALL) if word in name), default=len(_SMALL))


def construct(library: str, name: str, side: int | None) -> nn.Module:
    """The network with random weights; told the side of its images where its constructor takes that."""
    if library == "torchvision":
        options: dict[str, Any] = {"image_size": side} if side and name.startswith("vit_") else {}
        if name in ("googlenet", "inception_v3"):
            options["init_weights"] = False  # their own takes a minute
        return torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **options)
    if side is not None:
        try:
            return timm.create_model(name, pretrained=False, num_classes=CLASSES, img_size=side)
        except TypeError as error:
            if "img_size" not in str(error):
                raise
    return timm.create_model(name, pretrained=False, num_classes=CLASSES)


def built(library: str, name: str) -> tuple[nn.Module, int]:
    """The network for the smallest images that it takes in training, and their side."""
    fault: Exception | None = None
    for side in SIDES:
        torch.manual_seed(0)
        try:
            network = adapt(construct(library, name, side)).train()
            output = network(torch.rand(2, 3, side, side))
            output.sum().backward()
        except Exception as error:  # a size that a network does not take is said in many ways
            fault = error
            continue
        network.zero_grad(set_to_none=True)
        return network, side
    assert fault is not None
    raise fault


def try_one(library: str, name: str) -> dict[str, Any]:
    """Every step on one batch: which passed, and the first line of the error of the first that did not."""
    record: dict[str, Any] = {"network": name, "passed": [], "failed": None, "error": None}

    @contextmanager
    def step(which: str) -> Iterator[None]:
        record["failed"] = which
        yield
        record["passed"].append(which)
        record["failed"] = None

    try:
        with step("build"):
            network, side = built(library, name)
        record |= {"side": side, "parameters": sum(parameter.numel() for parameter in network.parameters())}
        images = torch.rand(IMAGES, 3, side, side, generator=torch.Generator().manual_seed(0))
        arrays = (images, torch.arange(IMAGES) % CLASSES)
        data = own_sets(arrays, arrays, outputs=CLASSES).forget
        random = torch.Generator().manual_seed(0)
        with step("train"):
            fit(network, data, _TRAIN, generator=random, compute=_CPU)
        with step("attack"):
            noise = attack(network, data, AttackConfig(steps=1), seed=0, compute=_CPU)
        with step("mask"):
            record["layers"] = len(unit_layers(network))
            _, marked = mask(network, data, noise, MaskConfig(), seed=0, compute=_CPU)
        with step("reset"):
            unlearned = reset(network, marked, ResetConfig(), seed=0, example=data.example())
        with step("finetune"):
            finetune(unlearned, network, data, _TUNE, seed=0, compute=_CPU)
        with step("predict"):
            logits = predict(unlearned, data, compute=_CPU)
        with step("evaluate"):
            utility(logits, data.targets)
        with step("audit"):
            gradient_norm(unlearned, data, compute=_CPU)
            linear_cka(*(penultimate(model, data, compute=_CPU) for model in (unlearned, network)))
            activations(unlearned, data, compute=_CPU)
    except Exception as error:  # the table says what went wrong, whatever it was
        record["error"] = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return record


def in_process(family: str, library: str, name: str) -> dict[str, Any]:
    """`try_one` in a forked process, which spares it the imports; ended when it takes too long or too much memory."""
    started, context = time.monotonic(), get_context("fork")
    answers, end = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(end, library, name))
    process.start()
    end.close()
    if answers.poll(SECONDS):
        try:
            record = answers.recv()
        except EOFError:
            process.join()
            record = _ended(f"the process ended with code {process.exitcode}", name)
    else:
        record = _ended(f"took more than {SECONDS} s", name)
    process.kill()
    process.join()
    return {"family": family, **record, "seconds": round(time.monotonic() - started, 1)}


def _send(end: Connection, library: str, name: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    end.send(try_one(library, name))


def _ended(why: str, name: str) -> dict[str, Any]:
    return {"network": name, "passed": [], "failed": "all", "error": why}


def write(records: dict[str, dict[str, Any]]) -> None:
    """The JSON, and the table between the page's markers."""
    RECORDS.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if PAGE.exists():
        head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n{table(records)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def table(records: dict[str, dict[str, Any]]) -> str:
    """One row a family; what did not pass, with its error, at the end of the row."""
    lines = ["| family | network | px | parameters | layers with units | " + " | ".join(STEPS) + " | why not |"]
    lines.append("|---|---|---:|---:|---:|" + "---|" * (len(STEPS) + 1))
    for family, record in sorted(records.items()):
        marks = ["yes" if step in record["passed"] else "no" if record["failed"] in (step, "all") else "-" for step in STEPS]
        size = f"{record['parameters'] / 1e6:.1f} M" if "parameters" in record else ""
        reason = (record["error"] or "").replace("|", "/")
        cells = [family, f"`{record['network']}`", record.get("side", ""), size, record.get("layers", ""), *marks, reason]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--again", nargs="*", default=[], metavar="FAMILY", help="families to try again, or failed")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    records = json.loads(RECORDS.read_text(encoding="utf-8")) if RECORDS.exists() else {}
    for family, (library, members) in families().items():
        known = records.get(family)
        again = family in arguments.again or ("failed" in arguments.again and known and known["failed"])
        if known and not again:
            continue
        records[family] = in_process(family, library, known["network"] if known else smallest(library, members))
        print(
            family,
            records[family]["network"],
            records[family]["failed"] or "passed",
            records[family]["error"] or "",
            flush=True,
        )
        write(records)


if __name__ == "__main__":
    main()
