"""How far two sets of outputs lie apart: entropic optimal transport."""

import math

import torch
from torch.nn import functional


def transport_cost(outputs: torch.Tensor, others: torch.Tensor, *, entropy: float, steps: int) -> torch.Tensor:
    """sum_ij P_ij (1 - cos(outputs_i, others_j)), P the plan of Sinkhorn's iterations between the two uniform sets.

    The gradient flows through the cost and not the plan: at the optimum they are the same (Danskin's theorem).

    Shape:
        outputs: (B, K); others: (M, K); result: a scalar from 0 to 2.
    """
    cost = 1 - functional.normalize(outputs.float(), dim=1) @ functional.normalize(others.float(), dim=1).T
    return (plan(cost.detach(), entropy=entropy, steps=steps) * cost).sum()


@torch.no_grad()
def plan(cost: torch.Tensor, *, entropy: float, steps: int) -> torch.Tensor:
    """Minimises <P, cost> - entropy H(P) with uniform marginals, in `steps` iterations; the columns are exact.

    Shape:
        cost, result: (B, M); the result's entries sum to 1.
    """
    rows, columns = (-math.log(count) for count in cost.shape)
    first, second = cost.new_zeros(cost.shape[0]), cost.new_zeros(cost.shape[1])
    for _ in range(steps):
        first = -entropy * torch.logsumexp((second - cost) / entropy + columns, dim=1)
        second = -entropy * torch.logsumexp((first[:, None] - cost) / entropy + rows, dim=0)
    return torch.exp((first[:, None] + second - cost) / entropy + rows + columns)
