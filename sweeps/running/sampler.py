"""Suggestions for an arm, from nothing but the ledger.

Optuna's study lives for one suggestion: it is rebuilt in memory from the arm's trials, so that there is no second
store to disagree with the ledger, and a trial whose seeds or attempts change later is simply rebuilt differently.
Samplers that keep state between trials are given it from the trials' order: generations are counted off
(`sweeps.running.genetic`), CMA-ES is replayed (`sweeps.running.cma_es`), Sobol points are numbered.
"""

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy.stats import qmc

from sweeps.analysis.objectives import Judgment
from sweeps.records import State, Trial
from sweeps.running.cma_es import suggest_by_cma_es
from sweeps.running.genetic import StatelessNSGAII, StatelessNSGAIII
from sweeps.running.unit_cube import to_params
from sweeps.spec.dimensions import active_names
from sweeps.spec.search import OptunaSearch
from sweeps.spec.space import distributions

_STATES = {State.COMPLETE: TrialState.COMPLETE, State.FAIL: TrialState.FAIL, State.PRUNED: TrialState.PRUNED}

Judge = Callable[[Trial], Judgment | None]


def suggest(
    search: OptunaSearch, trials: Sequence[Trial], judge: Judge, *, study_seed: int, number: int
) -> dict[str, Any]:
    """Suggests the parameters of an arm's next trial.

    Complete trials count with their objectives and with one constraint a cost, `cost − limit ≤ 0`; stopped ones with
    their constraints; those that wait or run count as running, so that TPE does not suggest their neighborhood again;
    failed ones count as failed.

    Source: Optuna 5's samplers, with constraints set natively; TPE's are those of Watanabe & Hutter (2023), "c-TPE:
    Tree-structured Parzen Estimator with Inequality Constraints".

    Args:
        search: The arm's search.
        trials: The arm's trials so far, by number; without those that only repeat the best on fresh seeds.
        judge: What a trial amounts to.
        study_seed: Seed of the study's search.
        number: Number that the trial will have; with `study_seed` it seeds the sampler, so that a suggestion depends
            on the ledger alone.

    Returns:
        Name → value, only names whose conditions hold.
    """
    seed = int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])
    if search.sampler == "qmc":
        points = qmc.Sobol(len(search.space), rng=study_seed)
        return to_params(search.space, points.random(2 ** len(trials).bit_length())[len(trials)].tolist())
    if search.sampler == "cmaes":
        judged = [(trial.params, judge(trial)) for trial in trials if _has_result(trial)]
        finished = [(params, judgment) for params, judgment in judged if judgment is not None]
        return suggest_by_cma_es(search, finished, seed=seed)
    space = distributions(search)
    with _quiet_optuna():
        study = optuna.create_study(directions=list(search.objectives.values()), sampler=_sampler(search, seed))
        study.add_trials([to_optuna(trial, search, space, judge(trial)) for trial in trials])
        return _ask(study, search, space)


def to_optuna(
    trial: Trial, search: OptunaSearch, space: Mapping[str, BaseDistribution], judgment: Judgment | None
) -> FrozenTrial:
    """A trial in Optuna's form, its constraints set.

    A trial that was stopped, or whose objective is undefined, is PRUNED; of a single objective it carries the value
    that it had reached.

    Args:
        trial: A trial of the arm.
        search: The arm's search, whose objectives become the values.
        space: Distribution of each parameter.
        judgment: What the trial amounts to, or None.

    Returns:
        Optuna's trial.
    """
    of_trial = {name: distribution for name, distribution in space.items() if name in trial.params}
    described: dict[str, Any] = {"params": trial.params, "distributions": of_trial}
    if judgment is None or not _has_result(trial):
        return create_trial(state=_STATES.get(trial.state, TrialState.RUNNING), **described)
    described["constraints"] = judgment.violations
    reached = [judgment.objectives[name] for name in search.objectives]
    values = [value.mean for value in reached if value is not None]
    if trial.state is State.COMPLETE and len(values) == len(reached):
        return create_trial(state=TrialState.COMPLETE, values=values, **described)
    intermediate = {0: values[0]} if len(reached) == 1 and values else {}
    return create_trial(state=TrialState.PRUNED, intermediate_values=intermediate, **described)


def _has_result(trial: Trial) -> bool:
    return trial.state in {State.COMPLETE, State.PRUNED}


def _sampler(search: OptunaSearch, seed: int) -> BaseSampler:
    if search.sampler == "gp":
        return GPSampler(seed=seed, warn_independent_sampling=False)
    if search.sampler == "nsga2":
        return StatelessNSGAII(population_size=search.generation, seed=seed)
    if search.sampler == "nsga3":
        return StatelessNSGAIII(population_size=search.generation, seed=seed)
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed)


def _ask(study: optuna.Study, search: OptunaSearch, space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    trial, params = study.ask(), dict[str, Any]()
    for name, distribution in space.items():
        if name in active_names(search.space, {**params, name: None}):
            params[name] = _suggest_one(trial, name, distribution)
    return params


def _suggest_one(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    where: Any = distribution
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, where.low, where.high, step=where.step, log=where.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, where.low, where.high, step=where.step, log=where.log)


@contextmanager
def _quiet_optuna() -> Generator[None]:
    """Keeps "A new study created in memory" and what is experimental off the screen: it would come once a trial."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
