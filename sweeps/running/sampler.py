"""Optuna's suggestions for an arm, from nothing but the ledger.

Optuna's study lives for one suggestion: it is rebuilt in memory from the arm's trials, so that there is no second
store to disagree with the ledger, and a trial whose seeds or attempts change later is simply rebuilt differently.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.records import State, Trial
from sweeps.spec.search import OptunaSearch
from sweeps.spec.space import distributions

_STATES = {State.COMPLETE: TrialState.COMPLETE, State.FAIL: TrialState.FAIL, State.PRUNED: TrialState.PRUNED}


def suggest(
    search: OptunaSearch,
    trials: Sequence[Trial],
    limits: Callable[[Trial], Mapping[str, float]],
    *,
    study_seed: int,
    number: int,
) -> dict[str, Any]:
    """Suggests the parameters of an arm's next trial.

    Complete trials count with their objectives and with one constraint a cost, `cost − limit ≤ 0`; those that wait or
    run count as running, so that TPE does not suggest their neighborhood again; failed ones count as failed.

    Source: TPE with constraints, Watanabe & Hutter (2023), "c-TPE: Tree-structured Parzen Estimator with Inequality
    Constraints", as implemented by Optuna 5.

    Args:
        search: The arm's search.
        trials: The arm's trials so far.
        limits: The cost limits of a trial, by name.
        study_seed: Seed of the study's search.
        number: Number that the trial will have; with `study_seed` it seeds the sampler, so that a suggestion depends
            on the ledger alone.

    Returns:
        Name → value.
    """
    space = distributions(search)
    seed = int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])
    with _quiet_optuna():
        study = optuna.create_study(
            directions=list(search.objectives.values()), sampler=optuna.samplers.TPESampler(seed=seed)
        )
        study.add_trials([to_optuna(trial, search, space, limits(trial)) for trial in trials])
        return study.ask(fixed_distributions=space).params


def to_optuna(
    trial: Trial, search: OptunaSearch, space: Mapping[str, BaseDistribution], limits: Mapping[str, float]
) -> FrozenTrial:
    """A trial in Optuna's form, its constraints set.

    Args:
        trial: A trial of the arm.
        search: The arm's search, whose objectives become the values.
        space: Distribution of each parameter.
        limits: The trial's cost limits, by name.

    Returns:
        Optuna's trial.
    """
    described: dict[str, Any] = {"params": trial.params, "distributions": dict(space)}
    if trial.mean_return is None or trial.mean_cost is None:
        return create_trial(state=_STATES.get(trial.state, TrialState.RUNNING), **described)
    cost = sum(trial.mean_cost[name].mean for name in limits)
    values = {"return": trial.mean_return.mean, "cost": cost}
    return create_trial(
        state=TrialState.COMPLETE,
        values=[values[name] for name in search.objectives],
        constraints={name: trial.mean_cost[name].mean - limit for name, limit in limits.items()},
        **described,
    )


@contextmanager
def _quiet_optuna() -> Generator[None]:
    """Keeps "A new study created in memory" off the screen: it would come once a trial."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
