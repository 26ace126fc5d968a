"""Who is stopped on a rung, and who never is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.history import History
from sweeps.ledger import Ledger, NewTrial, Writer, driving
from sweeps.records import Interval, ResultRow
from sweeps.running.execution import Job
from sweeps.running.rungs import Rungs, Standing, Verdict, reason_to_stop
from sweeps.spec import StudySpec
from sweeps.spec.limits import Stopping

ASHA = Stopping(rule="asha", min_trials=3)
MEDIAN = Stopping(rule="median", min_trials=3)
LIMITS = {"cost": 25.0}


def standing(mean_return: float, cost: float, half: float = 1.0) -> Standing:
    return Standing(
        Interval(mean_return, mean_return - half, mean_return + half, 3),
        {"cost": Interval(cost, cost - half, cost + half, 3)},
        LIMITS,
    )


def test_the_rungs_of_the_two_rules():
    assert ASHA.rungs == (0.2, 0.6, 0.7)
    assert MEDIAN.rungs == (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def test_no_cost_stops_a_trial_early():
    assert reason_to_stop(ASHA, 0.2, standing(1.0, 400.0), []) is None
    assert reason_to_stop(MEDIAN, 0.6, standing(1.0, 400.0), []) is None


def test_a_cost_whose_interval_lies_above_its_limit_stops_late():
    reason = reason_to_stop(ASHA, 0.7, standing(1.0, 26.5), [])
    assert reason == "after 70% of its budget cost 26.5 [25.5, 27.5] lies above the limit 25"
    assert reason_to_stop(ASHA, 0.7, standing(1.0, 25.9), []) is None  # its interval holds the limit


@pytest.mark.parametrize("stopping", [ASHA, MEDIAN])
def test_who_pays_for_safety_is_not_compared_with_those_who_do_not(stopping: Stopping):
    reckless = [standing(90.0 + n, 300.0) for n in range(9)]
    assert reason_to_stop(stopping, 0.2, standing(5.0, 10.0), reckless) is None


@pytest.mark.parametrize("stopping", [ASHA, MEDIAN])
def test_who_pays_for_safety_early_is_compared_late(stopping: Stopping):
    peers = [standing(value, 20.0) for value in (80.0, 90.0, 99.0)]
    assert reason_to_stop(stopping, 0.6, standing(5.0, 19.9), peers) is None
    assert reason_to_stop(stopping, 0.6, standing(5.0, 20.0), peers) is not None  # for the same cost others earn more
    assert reason_to_stop(stopping, 0.6, standing(5.0, 300.0), peers) is not None  # neither safe nor good
    assert reason_to_stop(stopping, 0.7, standing(5.0, 19.9), peers) is not None


def test_to_pay_for_one_of_several_constraints_is_to_pay_for_safety():
    def of_two(mean_return: float, first: float, second: float) -> Standing:
        costs = {name: Interval(cost, cost, cost, 3) for name, cost in (("first", first), ("second", second))}
        return Standing(Interval(mean_return, mean_return, mean_return, 3), costs, dict.fromkeys(costs, 25.0))

    peers = [of_two(90.0, 20.0, 20.0)] * 3
    assert reason_to_stop(ASHA, 0.2, of_two(5.0, 30.0, 19.0), peers) is None
    assert reason_to_stop(ASHA, 0.2, of_two(5.0, 30.0, 20.0), peers) is not None


def test_few_trials_that_cost_no_more_stop_nobody_early():
    peers = [standing(90.0, 20.0), standing(90.0, 20.0), standing(90.0, 21.0)]  # three are asked for
    assert reason_to_stop(ASHA, 0.2, standing(5.0, 20.5), peers) is None
    assert reason_to_stop(ASHA, 0.2, standing(5.0, 21.0), peers) is not None


def test_asha_lets_the_best_third_of_the_feasible_pass():
    peers = [standing(value, 20.0) for value in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)]
    # The best 6 // 3 = 2 are 60 and 50: an interval up to 49.9 lies below 50, one up to 50 does not.
    reason = reason_to_stop(ASHA, 0.2, standing(48.9, 20.0), peers)
    assert reason == (
        "after 20% of its budget return 48.9 [47.9, 49.9] lies below 50, "
        "the best 2 of 6 feasible trials that cost no more"
    )
    assert reason_to_stop(ASHA, 0.2, standing(49.0, 20.0), peers) is None


def test_the_median_rule_compares_with_the_median_of_the_feasible():
    peers = [*(standing(value, 20.0) for value in (10.0, 20.0, 60.0)), standing(99.0, 26.0)]
    assert reason_to_stop(MEDIAN, 0.5, standing(18.9, 30.0), peers) is not None
    assert reason_to_stop(MEDIAN, 0.5, standing(19.0, 30.0), peers) is None


def test_a_cost_at_its_limit_is_feasible():
    assert standing(90.0, 25.0).feasible
    assert not standing(90.0, 25.01).feasible


def test_few_feasible_trials_stop_nobody():
    peers = [standing(90.0, 20.0), standing(95.0, 20.0), standing(99.0, 26.0)]
    assert reason_to_stop(ASHA, 0.2, standing(1.0, 20.0), peers) is None


def test_late_an_interval_below_that_of_the_best_feasible_stops():
    peers = [standing(value, 20.0) for value in (10.0, 20.0, 60.0)]
    # The median is 20; late the best feasible counts, whose interval begins at 59.
    assert reason_to_stop(MEDIAN, 0.6, standing(50.0, 20.0), peers) is None
    reason = reason_to_stop(MEDIAN, 0.7, standing(50.0, 20.0), peers)
    assert reason is not None
    assert reason.endswith("lies below 59, the interval of the best feasible trial")
    assert reason_to_stop(MEDIAN, 0.7, standing(58.5, 20.0), peers) is None


def spec_of(**stopping: Any) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "s",
            "task": "analytic/bandit",
            "cost_limit": 25.0,
            "env_steps": 8_000,
            "seeds": 3,
            "hyperparameters": {"preset": "smoke", "steps_per_iteration": 400},
            "lagrangian": {"update": "fixed"},
            "stopping": {"rule": "asha", "seeds": True} | stopping,
        }
    )


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    study = ledger.create_study("s", "", "a" * 64, [0, 1, 2], [NewTrial("fixed:{}", "fixed", {})])
    with driving(ledger, study) as writer:
        yield writer
    ledger.close()


def judged(
    writer: Writer,
    costs: dict[int, tuple[float, ...]],
    *,
    returns: tuple[float, float, float] = (50.0, 50.0, 50.0),
    trial: int = 0,
    iteration: int = 14,
    stopped: tuple[int, ...] = (),
    **stopping: Any,
) -> Verdict:
    """The verdict over a trial whose seeds have done some of 20 iterations, with these costs of episodes."""
    spec, history = spec_of(**stopping), History()
    for seed, of_episodes in costs.items():
        of_seed = (returns[seed],) * len(of_episodes)
        history.add([ResultRow(trial, seed, iteration, 400 * iteration, 0.0, 1, {}, of_seed, {"cost": of_episodes})])
    execution = writer.ask(trial, (0, 1, 2), None)
    writer.start(execution)
    job = Job(execution, spec.resolve("fixed", {}), "", stopped)
    return Rungs(spec, writer, history).judge(job, {seed: history.summarize(trial, seed) for seed in costs})


def add_peers(writer: Writer, number: int) -> None:
    """Feasible trials with a return of 90, on every rung."""
    for n in range(number):
        peer = writer.add_trial(NewTrial(f"peer {n}", "fixed", {}), [0, 1, 2]).number
        for rung in ("0.2", "0.6", "0.7"):
            writer.pass_rung(peer, rung, {seed: {"return": 90.0, "cost": 20.0} for seed in (0, 1, 2)})


# Mean 31, s = sqrt(2.5): 31 ± 2.776 · 1.581 / sqrt(5) = 31 ± 1.963. Over the seeds' means 31, 20, 21 the interval is
# 24 ± 4.303 · 6.083 / sqrt(3) = 24 ± 15.1, which holds 25: the trial goes on.
OVER, WITHIN, CLOSE = (29.0, 30.0, 31.0, 32.0, 33.0), (20.0,) * 5, (21.0,) * 5


def test_a_seed_whose_own_cost_lies_above_the_limit_late_is_stopped_alone(writer: Writer) -> None:
    assert judged(writer, {0: OVER, 1: WITHIN, 2: CLOSE}) == Verdict(
        seeds={0: "after 70% of its budget cost 31 [29.04, 32.96] lies above the limit 25"}
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seeds": False}, "not asked for"),
        ({"iteration": 13}, "early: the rung before is at 60 %"),
        ({"start": 0.75, "late": 0.9}, "between rungs"),
    ],
)
def test_otherwise_no_seed_is_stopped(writer: Writer, change: dict[str, Any], why: str) -> None:
    assert judged(writer, {0: OVER, 1: WITHIN, 2: CLOSE}, **change) == Verdict(), why


def test_a_seed_whose_own_return_lies_below_the_best_feasible_late_is_stopped_alone(writer: Writer) -> None:
    add_peers(writer, 4)
    returns = (10.0, 90.0, 170.0)  # 90 ± 199 over seeds
    assert judged(writer, dict.fromkeys(range(3), WITHIN), returns=returns, iteration=13) == Verdict()  # early
    assert judged(writer, dict.fromkeys(range(3), WITHIN), returns=returns) == Verdict(
        seeds={0: "after 70% of its budget return 10 [10, 10] lies below 90, the best 1 of 4 feasible trials"}
    )


def test_a_trial_is_no_peer_of_its_own(writer: Writer) -> None:
    add_peers(writer, 3)  # four are asked for
    assert judged(writer, dict.fromkeys(range(3), WITHIN), returns=(10.0, 10.0, 10.0)) == Verdict()
    another = writer.add_trial(NewTrial("another", "fixed", {}), [0, 1, 2]).number
    verdict = judged(writer, dict.fromkeys(range(3), WITHIN), returns=(10.0, 10.0, 10.0), trial=another)
    assert verdict.trial is not None  # the first is a peer of the second


@pytest.mark.parametrize("fourth", ["failed", "retest", "partly there", "there"])
def test_failed_trials_retests_and_those_with_seeds_to_come_are_no_peers(writer: Writer, fourth: str) -> None:
    add_peers(writer, 3)
    new = NewTrial("fourth", "fixed", {}, retest_of=1 if fourth == "retest" else None)
    number = writer.add_trial(new, [0, 1, 2]).number
    seeds = (0, 1) if fourth == "partly there" else (0, 1, 2)
    writer.pass_rung(number, "0.7", {seed: {"return": 90.0, "cost": 20.0} for seed in seeds})
    if fourth == "failed":
        execution = writer.ask(number, (0, 1, 2), None)
        writer.start(execution)
        writer.fail(execution, "boom")
    verdict = judged(writer, dict.fromkeys(range(3), WITHIN), returns=(10.0, 10.0, 10.0))
    assert (verdict.trial is not None) == (fourth == "there")  # of four, which are asked for


def test_a_retest_is_measured_and_never_stopped(writer: Writer) -> None:
    again = writer.add_trial(NewTrial("again", "fixed", {}, retest_of=0), [0, 1, 2])
    assert judged(writer, dict.fromkeys(range(3), OVER), trial=again.number) == Verdict()
    assert all("0.7" in (run.rungs or {}) for run in writer.ledger.trials(writer.study)[1].seed_runs)


def test_a_rung_is_passed_once_also_by_another_driver(writer: Writer) -> None:
    assert judged(writer, dict.fromkeys(range(3), WITHIN)) == Verdict()
    assert judged(writer, dict.fromkeys(range(3), OVER), iteration=15) == Verdict()


def test_a_trial_that_has_used_its_budget_is_on_no_rung(writer: Writer) -> None:
    assert judged(writer, dict.fromkeys(range(3), OVER), iteration=20) == Verdict()
    assert all(run.rungs is None for run in writer.ledger.trials(writer.study)[0].seed_runs)


def test_few_episodes_and_an_interval_that_holds_the_limit_stop_no_seed(writer: Writer) -> None:
    assert judged(writer, {0: OVER[:4], 1: (10.0, 20.0, 30.0, 40.0, 50.0), 2: CLOSE}) == Verdict()


def test_where_every_seed_is_hopeless_the_trial_is(writer: Writer) -> None:
    # Means 26, 26, 200: 84 ± 249 over seeds, and each alone is above 25.
    verdict = judged(writer, {0: (26.0,) * 5, 1: (26.0,) * 5, 2: (200.0,) * 5})
    assert verdict.trial is not None
    assert verdict.trial.startswith("each of its seeds is stopped: seed 0: ")


def test_a_stopped_seed_is_judged_no_more_and_counts_as_it_was(writer: Writer) -> None:
    costs = {0: OVER, 1: WITHIN, 2: CLOSE}
    assert judged(writer, costs, stopped=(0,)) == Verdict()
    runs = writer.ledger.trials(writer.study)[0].seed_runs
    assert [run.rungs for run in runs] == [{"0.7": {"return": 50.0, "cost": cost}} for cost in (31.0, 20.0, 21.0)]


def test_the_seeds_that_are_left_pass_rungs_though_a_stopped_one_has_not(writer: Writer) -> None:
    spec, history = spec_of(), History()
    for seed, iteration in ((0, 9), (1, 14), (2, 14)):
        row = ResultRow(0, seed, iteration, 400 * iteration, 0.0, 1, {}, (50.0,) * 5, {"cost": (20.0,) * 5})
        history.add([row])
    execution = writer.ask(0, (0, 1, 2), None)
    writer.start(execution)
    job = Job(execution, spec.resolve("fixed", {}), "", (0,))
    Rungs(spec, writer, history).judge(job, {seed: history.summarize(0, seed) for seed in range(3)})
    assert all("0.7" in (run.rungs or {}) for run in writer.ledger.trials(writer.study)[0].seed_runs)
