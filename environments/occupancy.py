"""The exact optimum of an analytic CMDP: linear programmes over occupancies, in the units of an episode.

Lagsweep's return and cost are undiscounted sums over an episode, and `solve` gives the optimum of exactly those: the
best J_r over every policy, time-dependent ones included, with J_c ≤ d, and the multiplier λ* = dJ_r*/dd, in
reward per unit of cost. It bounds what a policy that does not see the time can reach. On `analytic/bandit` such a
policy reaches it, since no action changes what comes next. On `analytic/ring` the gap is what knowing the end is
worth; `evaluate` gives the episode of any policy exactly, so the optimum of stationary policies lies between
`evaluate` of one that keeps the limit and `solve`.

`solve_discounted` gives the values usual in theory: discounted and normalized by (1 − γ), that is per step. Times
`horizon` they are the undiscounted values of an episode only where the start is distributed as the states are later,
which holds for the bandit and nearly for the ring.

The multiplier of PPO-Lagrangian is in other units. Its policy step follows A_r/σ(A_r) − λ A_c, reward advantages
standardized and cost advantages only centered, so it comes to rest at

    λ = λ* / σ(A_r),

with the standard deviation of the advantages at the optimum, which `advantage_std` gives exactly. Our derivation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from environments.analytic import CMDP
from environments.batch import Floats


@dataclass(frozen=True, eq=False)
class Solution:
    """An optimum.

    Attributes:
        mean_return: J_r*.
        mean_cost: J_c of every cost of the CMDP, by name.
        multiplier: λ* ≥ 0 of each limited cost, by name; not unique where the limit is a vertex of the front.
        policy: Probability of each action: `[H, S, K]` from `solve`, `[S, K]` from `solve_discounted`; uniform
            where the optimum never goes.
    """

    mean_return: float
    mean_cost: dict[str, float]
    multiplier: dict[str, float]
    policy: Floats


def solve(cmdp: CMDP, cost_limit: float | Mapping[str, float]) -> Solution:
    """Solves for the undiscounted optimum of an episode.

        max_x Σ x r   subject to   Σ x c ≤ d,   Σ_k x[0, s, k] = μ(s),   Σ_k x[t+1, s, k] = Σ x[t, s', k] P(s | s', k)

    Source: Altman (1999), "Constrained Markov Decision Processes", the occupancy programme, expanded over time.

    Args:
        cmdp: The problem.
        cost_limit: d of `cost` per episode, or one limit a cost by name; none is the unconstrained optimum.

    Returns:
        The optimum over all policies, in units of an episode.

    Raises:
        ValueError: If a limit names no cost of the CMDP, or no policy keeps the limits.
    """
    visits, arrivals = _balances(cmdp)
    later = sparse.eye_array(cmdp.horizon, k=-1)
    balance = sparse.kron(sparse.eye_array(cmdp.horizon), visits) - sparse.kron(later, arrivals)
    inflow = np.concatenate([cmdp.initial, np.zeros((cmdp.horizon - 1) * cmdp.num_states)])
    return _solve(cmdp, cost_limit, balance, inflow, repeats=cmdp.horizon)


def solve_discounted(cmdp: CMDP, cost_limit: float | Mapping[str, float], *, gamma: float) -> Solution:
    """Solves for the discounted optimum of an endless episode, normalized per step by (1 − γ).

    Source: Altman (1999), "Constrained Markov Decision Processes", the discounted occupancy programme.

    Args:
        cmdp: The problem; its horizon is ignored.
        cost_limit: Limit of the normalized discounted `cost`, or one limit a cost by name.
        gamma: Discount in [0, 1).

    Returns:
        The optimum, which a stationary policy attains.

    Raises:
        ValueError: If a limit names no cost of the CMDP, or no policy keeps the limits.
    """
    visits, arrivals = _balances(cmdp)
    return _solve(cmdp, cost_limit, visits - gamma * arrivals, (1 - gamma) * cmdp.initial, repeats=1)


def evaluate(cmdp: CMDP, policy: Floats) -> tuple[float, dict[str, float]]:
    """The exact undiscounted return and costs of an episode.

    Args:
        cmdp: The problem.
        policy: `[S, K]`, or `[H, S, K]` where it depends on time; probability of each action.

    Returns:
        Return per episode, and cost per episode by name.
    """
    occupancy = (_state_distributions(cmdp, policy)[..., None] * policy).sum(axis=0)
    costs = {name: float((occupancy * cost).sum()) for name, cost in cmdp.costs.items()}
    return float((occupancy * cmdp.rewards).sum()), costs


def advantage_std(cmdp: CMDP, policy: Floats, *, gamma: float, lambda_: float) -> float:
    """σ(A_r) over a batch of whole episodes, where the critic is exact.

    With the exact value V of the policy the residuals δ_t = r_t + γ V(s_{t+1}) − V(s_t) have mean 0 given the past,
    so those of different steps are uncorrelated, and A_t = Σ_{k < H − t} (γλ)^k δ_{t+k}, cut by the truncation, has

        Var A_t = Σ_{k < H − t} (γλ)^{2k} E[δ²_{t+k}],   σ² = mean over t of Var A_t.

    Our derivation.

    Args:
        cmdp: The problem.
        policy: `[S, K]`; probability of each action.
        gamma: Discount in [0, 1).
        lambda_: λ of GAE in [0, 1].

    Returns:
        σ(A_r), in units of reward.
    """
    chain = np.einsum("sk,skn->sn", policy, cmdp.transitions)
    mean_reward = (policy * cmdp.rewards).sum(axis=1)
    values = np.linalg.solve(np.eye(cmdp.num_states) - gamma * chain, mean_reward)
    residuals = cmdp.rewards[..., None] + gamma * values - values[:, None, None]
    variances = np.einsum("sk,skn,skn->s", policy, cmdp.transitions, residuals**2)
    per_step = _state_distributions(cmdp, policy) @ variances
    total, carried = 0.0, 0.0
    for variance in per_step[::-1]:
        carried = variance + (gamma * lambda_) ** 2 * carried
        total += carried
    return float(np.sqrt(total / cmdp.horizon))


def _balances(cmdp: CMDP) -> tuple[sparse.csr_array, sparse.csr_array]:
    """`[S, S·K]` each: what visits a state, and what an occupancy sends to it."""
    visits = np.repeat(np.eye(cmdp.num_states), cmdp.num_actions, axis=1)
    arrivals = cmdp.transitions.reshape(-1, cmdp.num_states).T
    return sparse.csr_array(visits), sparse.csr_array(arrivals)


def _solve(
    cmdp: CMDP, cost_limit: float | Mapping[str, float], balance: sparse.sparray, inflow: Floats, *, repeats: int
) -> Solution:
    limits = dict(cost_limit) if isinstance(cost_limit, Mapping) else {"cost": cost_limit}
    unknown = [name for name in limits if name not in cmdp.costs]
    if unknown:
        raise ValueError(f"`cost_limit` must name costs among {sorted(cmdp.costs)}, but got {unknown}.")
    costs = np.array([np.tile(cmdp.costs[name].ravel(), repeats) for name in limits])
    result = linprog(
        -np.tile(cmdp.rewards.ravel(), repeats),
        A_ub=costs if limits else None,
        b_ub=list(limits.values()) if limits else None,
        A_eq=balance,
        b_eq=inflow,
        method="highs",
    )
    if result.x is None:
        raise ValueError(f"`cost_limit` must be one that some policy keeps, but got {limits}: {result.message}")
    occupancy = result.x.reshape(repeats, cmdp.num_states, cmdp.num_actions)
    return Solution(
        mean_return=-float(result.fun),
        mean_cost={name: float((occupancy * cost).sum()) for name, cost in cmdp.costs.items()},
        multiplier={name: -float(price) for name, price in zip(limits, result.ineqlin.marginals, strict=True)},
        policy=_policy(occupancy) if repeats > 1 else _policy(occupancy)[0],
    )


def _policy(occupancy: Floats) -> Floats:
    visits = occupancy.sum(axis=-1, keepdims=True)
    uniform = np.full_like(occupancy, 1 / occupancy.shape[-1])
    return np.divide(occupancy, visits, out=uniform, where=visits > 1e-12)


def _state_distributions(cmdp: CMDP, policy: Floats) -> Floats:
    """`[H, S]`; probability of each state at each step."""
    policies = np.broadcast_to(policy, (cmdp.horizon, cmdp.num_states, cmdp.num_actions))
    distributions = [cmdp.initial]
    for step in policies[:-1]:
        distributions.append(np.einsum("s,sk,skn->n", distributions[-1], step, cmdp.transitions))
    return np.stack(distributions)
