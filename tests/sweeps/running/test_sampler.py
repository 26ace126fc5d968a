"""Suggestions of TPE from the ledger's trials."""

import math
from typing import Any

import pytest
from optuna.trial import TrialState

from sweeps.records import Interval, State, Trial
from sweeps.running.sampler import suggest, to_optuna
from sweeps.spec.search import OptunaSearch
from sweeps.spec.space import distributions

SEARCH = OptunaSearch.model_validate(
    {"kind": "optuna", "trials": 40, "space": {"kp": {"low": 1e-4, "high": 1.0, "log": True, "type": "float"}}}
)
LIMIT = {"cost": 25.0}


def trial(
    number: int, kp: float, *, mean_return: float = 0.0, cost: float = 0.0, state: State = State.COMPLETE
) -> Trial:
    complete = state is State.COMPLETE
    return Trial(
        number=number,
        key=f"pid:{kp}",
        arm="pid",
        params={"kp": kp},
        state=state,
        mean_return=Interval(mean_return, mean_return, mean_return, 1) if complete else None,
        mean_cost={"cost": Interval(cost, cost, cost, 1)} if complete else None,
    )


def next_kp(
    trials: list[Trial], number: int | None = None, study_seed: int = 0, search: OptunaSearch = SEARCH
) -> float:
    number = len(trials) if number is None else number
    return suggest(search, trials, lambda _: LIMIT, study_seed=study_seed, number=number)["kp"]


def test_a_suggestion_depends_on_the_trials_the_study_seed_and_the_number_alone() -> None:
    trials = [trial(n, 10.0 ** (-4 + n / 4), mean_return=-n) for n in range(12)]

    assert next_kp(trials) == next_kp(trials)
    assert len({next_kp(trials), next_kp(trials, study_seed=1), next_kp(trials, number=50), next_kp(trials[:-1])}) == 4


def test_stays_in_the_space() -> None:
    assert all(1e-4 <= next_kp([], number=n) <= 1.0 for n in range(50))


def test_climbs_the_return() -> None:
    trials: list[Trial] = []
    for number in range(40):
        kp = next_kp(trials)
        trials.append(trial(number, kp, mean_return=-abs(math.log10(kp) + 2.0)))

    late = [abs(math.log10(t.params["kp"]) + 2.0) for t in trials[20:]]
    assert sum(late) / len(late) < 0.5  # uniform over [1e-4, 1] would be 1.0 away on average


def test_keeps_to_the_feasible_side_though_return_grows_beyond_it() -> None:
    trials: list[Trial] = []
    for number in range(40):
        kp = next_kp(trials)
        position = math.log10(kp)  # -4 … 0; cost is within its limit up to -2
        trials.append(trial(number, kp, mean_return=position, cost=25.0 + 10.0 * (position + 2.0)))

    late = [math.log10(t.params["kp"]) for t in trials[20:]]
    assert sum(late) / len(late) < -1.3  # six study seeds: -1.74 … -2.08; without the constraint -0.39 … -0.74


def test_complete_trials_carry_values_and_constraints() -> None:
    search = SEARCH.model_copy(update={"objectives": {"return": "maximize", "cost": "minimize"}})

    frozen = to_optuna(trial(0, 0.1, mean_return=7.0, cost=30.0), search, distributions(SEARCH), LIMIT)

    assert (frozen.state, frozen.values, frozen.constraints) == (TrialState.COMPLETE, [7.0, 30.0], {"cost": 5.0})


@pytest.mark.parametrize(
    ("state", "expected"),
    [(State.WAITING, TrialState.RUNNING), (State.RUNNING, TrialState.RUNNING), (State.FAIL, TrialState.FAIL)],
)
def test_others_carry_only_their_state(state: State, expected: TrialState) -> None:
    frozen: Any = to_optuna(trial(0, 0.1, state=state), SEARCH, distributions(SEARCH), LIMIT)

    assert (frozen.state, frozen.values, frozen.params) == (expected, None, {"kp": 0.1})


def test_running_trials_push_suggestions_away() -> None:
    done = [trial(n, 10.0 ** (-4 + n / 3), mean_return=-abs(-4 + n / 3 + 2.0)) for n in range(12)]
    running = [trial(12 + n, 1e-2, state=State.RUNNING) for n in range(8)]

    assert next_kp(done, number=30) != next_kp(done + running, number=30)
