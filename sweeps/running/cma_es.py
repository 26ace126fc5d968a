"""CMA-ES over an arm's trials, replayed from nothing: no state of the optimizer is stored.

Optuna's own CMA-ES keeps its state, pickled, in the attributes of its trials and knows no constraints. This one feeds
the same library (`cmaes`) the finished trials in the order of their numbers, one generation after the other.

Source: Hansen (2016), "The CMA Evolution Strategy: A Tutorial"; only ranks of solutions enter, so that constraints come
in by ranking them after Deb (2000), "An efficient constraint handling method for genetic algorithms": feasible ones by
their objective, before infeasible ones by their violation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from cmaes import CMA

from sweeps.analysis.objectives import Judgment
from sweeps.running.unit_cube import to_params, to_point
from sweeps.spec.objectives import DIRECTIONS
from sweeps.spec.search import OptunaSearch, Range

_SIGMA = 0.3  # of the cube's edge; Hansen: the optimum shall lie within some sigma of the start


def suggest_by_cma_es(
    search: OptunaSearch, finished: Sequence[tuple[dict[str, Any], Judgment]], *, seed: int
) -> dict[str, Any]:
    """Suggests the next configuration.

    Args:
        search: A search over ranges with one objective.
        finished: Parameters and judgment of each finished trial, by number; those that fill no generation yet do not
            count.
        seed: Of this suggestion.

    Returns:
        Name → value.
    """
    space = {name: where for name, where in search.space.items() if isinstance(where, Range)}
    size, dimension = search.generation, len(space)
    bounds = np.tile([0.0, 1.0], (dimension, 1))
    optimizer = CMA(np.full(dimension, 0.5), _SIGMA, bounds=bounds, population_size=size, seed=seed)
    for start in range(0, len(finished) - size + 1, size):
        generation = sorted(finished[start : start + size], key=lambda item: _rank(search, item[1]))
        optimizer.tell([(np.array(to_point(space, params)), float(i)) for i, (params, _) in enumerate(generation)])
    return to_params(space, optimizer.ask().tolist())


def _rank(search: OptunaSearch, judgment: Judgment) -> tuple[bool, float]:
    """Sorts the best first."""
    if not judgment.feasible:
        return True, sum(max(violation, 0.0) for violation in judgment.violations.values())
    (name,) = search.objectives
    value = judgment.objectives[name]
    if value is None:
        return True, 0.0  # after the feasible ones, before those that break a limit
    return False, -value.mean if DIRECTIONS[name] == "maximize" else value.mean
