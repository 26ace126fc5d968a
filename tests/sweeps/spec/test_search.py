"""What a search may say, and how what it may not say is refused."""

from typing import Any

import pytest

from sweeps.errors import SpecError
from sweeps.spec import StudySpec
from sweeps.spec.search import OptunaSearch

KP = {"low": 0.01, "high": 1.0, "log": True}
EMA = {"low": 0.0, "high": 0.9, "when": {"form": "omnisafe"}}
FORM = {"choices": ["omnisafe", "stooke"]}


def spec_of(search: dict[str, Any], update: str = "pid", **changes: Any) -> StudySpec:
    text = StudySpec.model_validate(
        {"name": "s", "task": "analytic/ring", "cost_limit": 12.0, "env_steps": 40_000, "seeds": 2}
        | {"arms": {"a": {"lagrangian": {"update": update}, "search": search}}}
        | changes
    ).to_yaml()
    return StudySpec.from_text(text)


def optuna(**changes: Any) -> dict[str, Any]:
    return {"kind": "optuna", "trials": 6, "space": {"kp": KP}, **changes}


def refusal(text: str) -> SpecError:
    head = "name: s\ntask: analytic/ring\ncost_limit: 12\nenv_steps: 40_000\nseeds: 2\n"
    with pytest.raises(SpecError) as caught:
        StudySpec.from_text(head + text)
    return caught.value


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "nsga3", "cmaes", "qmc", "random"])
def test_every_sampler_comes_back_from_a_file(sampler: str):
    search = spec_of(optuna(sampler=sampler)).arms["a"].search
    assert isinstance(search, OptunaSearch)
    assert search.sampler == sampler


def test_conditions_and_enqueued_points_come_back_from_a_file():
    space = {"form": FORM, "ema_p": EMA, "kp": KP}
    points = [{"form": "omnisafe", "ema_p": 0, "kp": 1}, {"form": "stooke", "kp": 0.01}]
    search = spec_of(optuna(space=space, enqueue=points)).arms["a"].search
    assert isinstance(search, OptunaSearch)
    assert search.space["ema_p"].when == {"form": ("omnisafe",)}
    assert search.enqueue == ({"form": "omnisafe", "ema_p": 0.0, "kp": 1.0}, {"form": "stooke", "kp": 0.01})


def test_study_wide_settings_come_back_from_a_file():
    spec = spec_of(
        optuna(),
        aggregate={"quantile": 0.25},
        cost_bound="upper",
        stopping={"rule": "median"},
        budget={"wall_time": "12h", "gpu_hours": 3.0},
        retest={"top": 2, "seeds": 3},
    )
    assert spec.model_dump(include={"aggregate", "cost_bound"}) == {
        "aggregate": {"quantile": 0.25},
        "cost_bound": "upper",
    }
    assert spec.retest is not None
    assert spec.retest.seed_list == (1_000_000, 1_000_001, 1_000_002)


def test_the_objectives_of_a_study_are_those_its_searches_share():
    both = {"best_feasible_return": "maximize", "violation_rate": "minimize"}
    assert spec_of(optuna(objectives=both)).objectives == both
    assert spec_of({"kind": "grid", "kp": [0.1]}).objectives == {"return": "maximize"}


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("sampler: tep, trials: 3, space: {kp: {low: 0, high: 1}}", "unknown value 'tep'"),
        ("trials: 3, objectives: {cost: maximize}, space: {kp: {low: 0, high: 1}}", "`cost: minimize` must hold"),
        ("trials: 3, population: 4, space: {kp: {low: 0, high: 1}}", "`population` needs a sampler among nsga2"),
        (
            "sampler: cmaes, trials: 3, space: {form: {choices: [omnisafe, stooke]}}",
            "`sampler: cmaes` searches unconditional ranges, but `form` is none",
        ),
        (
            "sampler: cmaes, trials: 3, objectives: {return: maximize, cost: minimize}, space: {kp: {low: 0, high: 1}}",
            "`sampler: cmaes` takes one objective",
        ),
        (
            "trials: 3, space: {ema_p: {low: 0, high: 0.9, when: {form: omnisafe}}}",
            "`form` must be searched by choices and stand before `ema_p`",
        ),
        (
            "trials: 3, space: {form: {choices: [omnisafe]}, ema_p: {low: 0, high: 0.9, when: {form: stoke}}}",
            "`form` is never 'stoke'",
        ),
        ("trials: 3, space: {kp: {low: 0, high: 1}}, enqueue: [{ki: 0}]", "must give exactly kp, but gives ki"),
        ("trials: 3, space: {kp: {low: 0, high: 1}}, enqueue: [{kp: 1.5}]", "`kp` must lie in its space, but got 1.5"),
        (
            "trials: 1, space: {kp: {low: 0, high: 1}}, enqueue: [{kp: 1}, {kp: 0}]",
            "`trials` must count those of `enqueue`, but got 1 < 2",
        ),
    ],
)
def test_what_an_optuna_search_may_not_say(search: str, message: str):
    error = refusal(f"lagrangian: {{update: pid}}\nsearch: {{kind: optuna, {search}}}\n")
    assert message in error.message
    assert error.location is not None
    assert error.location.line == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lagrangian: {update: ga}\nsearch: {kind: adaptive_profile, multiplier: {high: 2}}", "needs `update: fixed`"),
        (
            "lagrangian: {update: fixed}\nsearch: {kind: adaptive_profile, multiplier: {low: 2, high: 1}}",
            "`low < high` must hold",
        ),
        ("lagrangian: {update: ga}\nbudget: {}", "`budget` must limit something: env_steps, trials, wall_time"),
        ("lagrangian: {update: ga}\nbudget: {wall_time: 12}", "must be text"),
        ("lagrangian: {update: ga}\nbudget: {wall_time: 12 hours}", "a duration must be a positive number"),
        ("lagrangian: {update: ga}\nstopping: {rule: hyperband}", "unknown value 'hyperband'"),
        ("lagrangian: {update: ga}\naggregate: {quantile: 2}", "`quantile <= 1"),
    ],
)
def test_what_a_study_may_not_say(text: str, message: str):
    assert message in refusal(text).message


def test_trials_are_not_stopped_by_a_return_that_is_no_objective():
    for objectives in ({"return": "maximize", "violation_rate": "minimize"}, {"return": "maximize"}):
        assert spec_of(optuna(objectives=objectives), stopping={"rule": "asha"}).stopping is not None
    with pytest.raises(
        ValueError, match="which must be among the `objectives`, but arm 'a' searches for violation_rate"
    ):
        spec_of(optuna(objectives={"violation_rate": "minimize"}), stopping={"rule": "asha"})


def test_an_adaptive_profile_needs_a_single_constraint():
    with pytest.raises(ValueError, match="needs a single constraint, but there are even, odd"):
        spec_of(
            {"kind": "adaptive_profile", "multiplier": {"high": 2.0}},
            "fixed",
            task="analytic/bandit",
            cost_limit={"even": 3.0, "odd": 2.0},
        )


def test_a_searched_multiplier_may_not_start_above_its_cap():
    space = {"init": {"low": 0.0, "high": 2.0}, "multiplier_max": {"low": 1.0, "high": 4.0}}
    with pytest.raises(ValueError, match=r"`init <= multiplier_max` must hold, but got 2\.0 and 1\.0"):
        spec_of(optuna(space=space))
    with pytest.raises(ValueError, match=r"`init <= multiplier_max` must hold, but got 2\.0 and 1\.0"):
        spec_of({"kind": "grid", "init": [0.0, 2.0], "multiplier_max": [1.0, 4.0]})
    spec_of(optuna(space=space | {"init": {"low": 0.0, "high": 1.0}}))
