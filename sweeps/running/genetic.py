"""NSGA-II and NSGA-III without memory: the generation of a trial follows from its place among the finished ones.

Optuna writes the generation into each trial when it asks for it. Our trials come from the ledger, so the finished
trials are counted off by number: the first `population_size` are generation 0, the next generation 1, and so on.
"""

from optuna import Study
from optuna.samplers import NSGAIIISampler, NSGAIISampler
from optuna.samplers._ga import BaseGASampler
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override


class _CountsGenerations(BaseGASampler):
    @override
    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return len(_finished(study)) // self._size

    @override
    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        start = generation * self._size
        return _finished(study)[start : start + self._size]

    @property
    def _size(self) -> int:
        assert self.population_size is not None
        return self.population_size


class StatelessNSGAII(_CountsGenerations, NSGAIISampler):
    """Source: Deb et al. (2002), "A fast and elitist multiobjective genetic algorithm: NSGA-II"."""


class StatelessNSGAIII(_CountsGenerations, NSGAIIISampler):
    """Source: Deb & Jain (2014), "An Evolutionary Many-Objective Optimization Algorithm ... Part I"."""


def _finished(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
