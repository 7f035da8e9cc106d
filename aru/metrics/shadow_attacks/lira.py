"""The likelihood-ratio attack with per-example Gaussians: online, offline, and against unlearning (U-LiRA).

Sources: Carlini et al. 2022 (arXiv 2112.03570); Hayes et al. 2024 (arXiv 2403.01218).
The signal is phi (`signals.logit_confidence`), which is near to Gaussian; a higher score says member.
"""

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from aru.metrics.shadow_attacks.shadow_signals import LEAST, PoolSignals, Variance, check_pool, gaussians


def lira_online(signals: PoolSignals, *, variance: Variance = "auto") -> np.ndarray:
    """log N(target; mu_in, s_in) - log N(target; mu_out, s_out), nats, example by example.

    Mean and deviation of each side come from that side's own shadows. variance: `example`, each example's own;
    `pooled`, one a side, the deviations of all examples from their own means; `auto`, pooled where a side has fewer
    than 32 shadows; `official`, `official-fixed`, as the paper's code does it, whose fixed deviation of both sides is that of
    the shadows that saw the example. Shape: result (M,). Raises InputError where an example has fewer than 2 shadows on a
    side.
    """
    shadows, seen, target = check_pool(signals, seen=LEAST, unseen=LEAST)
    held_mean, held_deviation = gaussians(shadows, seen, variance)
    mean, deviation = gaussians(shadows, ~seen, variance)
    if variance == "official-fixed":
        deviation = held_deviation
    return norm.logpdf(target, held_mean, held_deviation) - norm.logpdf(target, mean, deviation)


def lira_offline(signals: PoolSignals, *, variance: Variance = "auto") -> np.ndarray:
    """-log Pr[Z > target], Z ~ N(mu_out, s_out): how hard the target is to explain by not having seen the example.

    Nats; the order is that of the paper's 1 - Pr[Z > target], which rounds to 1 eight deviations out. Shadows that
    saw the example are not used. With `official` and `official-fixed` it is -log N(target; mu_out, s_out), as in the paper's
    code: a target far below its shadows counts as a member, too. Shape: result (M,).
    """
    shadows, seen, target = check_pool(signals, seen=0, unseen=LEAST)
    law = norm.logpdf if variance in ("official", "official-fixed") else norm.logsf
    return -law(target, *gaussians(shadows, ~seen, variance))


def u_lira(signals: PoolSignals, *, variance: Variance = "auto") -> np.ndarray:
    """p_u / (p_u + p_o), in [0, 1]: the chance, at even odds, that the target had the example and unlearned it.

    `signals.shadows` are models after unlearning: those that `seen` marks held the example and unlearned it; the
    others never saw it, best with the same unlearning applied to other examples. The target is none of them. An
    unlearning like retraining gives 0.5 on average, over targets of both kinds (`pool.held_out`).
    """
    return expit(lira_online(signals, variance=variance))
