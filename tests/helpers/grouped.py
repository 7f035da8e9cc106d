"""Processes that are one group, forked from the test's own: what they import is there already."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aru.compute.distributed import Group, joined
from aru.compute.place import RENDEZVOUS, Place

CPU = torch.device("cpu")


def variables(rank: int, size: int, folder: Path) -> dict[str, str]:
    """What a launcher sets for one of the processes."""
    meeting = {RENDEZVOUS: f"file://{folder / 'rendezvous'}", "GLOO_SOCKET_IFNAME": "lo"}
    return {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)} | meeting


def in_processes(size: int, folder: Path, work: Callable[[int], Any]) -> list[Any]:
    """What `work` returns in each of `size` processes with the variables of a group, or the text of what it raises."""
    folder.mkdir()
    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            _do(rank, size, folder, work)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]


def in_group(size: int, folder: Path, work: Callable[[Group], Any]) -> list[Any]:
    """`in_processes`, of a group that has been joined."""

    def join(rank: int) -> Any:
        with joined(Place(rank, rank, size), CPU) as group:
            return work(group)

    return in_processes(size, folder, join)


def _do(rank: int, size: int, folder: Path, work: Callable[[int], Any]) -> None:
    try:
        os.environ |= variables(rank, size, folder)
        torch.save(work(rank), folder / f"{rank}.pt")
    except BaseException as error:
        traceback.print_exc(file=sys.stderr)
        torch.save(f"{type(error).__name__}: {error}", folder / f"{rank}.pt")
    finally:
        os._exit(0)
