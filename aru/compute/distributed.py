"""Data-parallel training: processes that share each batch and take the same steps.

Each process has the whole model, computes its share of the images, and adds its part to the gradients of all
(DistributedDataParallel). One process needs none of this, and imports nothing for it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from aru.compute.place import RENDEZVOUS, Place
from aru.compute.synced_batchnorm import synced_batchnorms
from aru.core.errors import InputError
from aru.core.stopwatch import Stopwatch


@dataclass(frozen=True)
class Group:
    """The processes of one training, seen from one of them: `rank` of `size`, on `device`.

    All take part in `parallel`, `total`, `count_cpu` and `check_same`, in the same order; alone, these change nothing.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def share(self, count: int) -> slice:
        """Which images of a batch of `count` are this process's; shares differ by one image at most, and may be empty."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def part(self, loss: torch.Tensor, images: int, count: int) -> torch.Tensor:
        """What to take the gradient of, of the mean `loss` of `images` of a batch of `count`.

        DistributedDataParallel takes the mean of the processes' gradients; that of these is the gradient of the mean over the
        batch, however uneven the shares.
        """
        return loss if self.size == 1 else loss * (images * self.size / count)

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over the processes; all get the same bits."""
        if self.size == 1:
            return value
        import torch.distributed

        summed = value.detach().clone()
        torch.distributed.all_reduce(summed)
        return summed

    def count_cpu(self, clock: Stopwatch) -> None:
        """Have `clock` count the CPU time of the others, too, up to now."""
        if self.size > 1:
            own = torch.tensor(clock.own_cpu_seconds, dtype=torch.float64, device=self.device)
            clock.others_cpu_seconds = (self.total(own) - own).item()

    def check_same(self, epochs: int) -> None:
        """Raise InputError, in all processes, unless all have found a checkpoint after the same number of epochs."""
        if self.size > 1:
            found = torch.zeros(self.size, dtype=torch.int64, device=self.device)
            found[self.rank] = epochs
            if len(numbers := set(self.total(found).tolist())) > 1:
                raise InputError(
                    f"the processes would go on after {' and '.join(map(str, sorted(numbers)))} epochs: they found different "
                    "checkpoints. All machines need the same folder work/, on a disk that they share"
                )

    @contextmanager
    def parallel(self, model: nn.Module) -> Iterator[nn.Module]:
        """What to call in place of a placed model in the block: BatchNorm sees the whole batch, gradients are of all of it."""
        if self.size == 1:
            yield model
            return
        from torch.nn.parallel import DistributedDataParallel

        with synced_batchnorms(model, self.device):
            # static_graph: a parameter that no output depends on is left out, as one process does
            yield DistributedDataParallel(model, static_graph=True)


ALONE = Group()
"""One process."""


@contextmanager
def joined(place: Place, device: torch.device) -> Iterator[Group]:
    """The group of all processes for the length of a block; waits until all have come. Through NCCL on GPUs, Gloo on CPUs.

    After a failure the group is left as it is: to leave in order would wait for processes that may be gone.
    """
    import torch.distributed

    torch.distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=os.environ.get(RENDEZVOUS, "env://"),
        rank=place.rank,
        world_size=place.size,
        device_id=device if device.type == "cuda" else None,
    )
    yield Group(place.rank, place.size, device)
    torch.distributed.destroy_process_group()
