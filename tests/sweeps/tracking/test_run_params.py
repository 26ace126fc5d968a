"""What identifies a trial."""

from sweeps.records import State, Trial
from sweeps.spec import StudySpec
from sweeps.tracking.run_params import run_params

SPEC = StudySpec.model_validate(
    {
        "name": "study",
        "task": "Circle1",
        "cost_limit": 25.0,
        "env_steps": 100_000,
        "seeds": 2,
        "hyperparameters": {"preset": "desk", "gamma": 0.98},
        "arms": {
            "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.5, 1.0]}},
            "ga": {"lagrangian": {"update": "ga", "lr": 0.07}},
        },
    }
)


def trial(arm, **params):
    return Trial(0, "key", arm, params, State.RUNNING)


def test_an_arm_without_a_search_shows_what_it_fixes():
    params = run_params(SPEC, trial("ga"))
    assert params.items() >= {"arm": "ga", "update": "ga", "lr": 0.07, "cost_limit": 25.0}.items()
    assert (params["task"], params["algorithm"]) == ("Circle1", "ppo_lagrangian")


def test_the_algorithms_hyperparameters_are_those_that_differ_from_its_defaults():
    params = run_params(SPEC, trial("ga"))
    # desk takes 4 000 steps an iteration and 10 passes; the file changes γ; everything else is Table A.1's.
    assert params.items() >= {"steps_per_iteration": 4000, "num_epochs": 10, "gamma": 0.98}.items()
    assert "clip_param" not in params


def test_searched_values_stand_beside_them():
    params = run_params(SPEC, trial("fixed", multiplier=0.5))
    assert (params["update"], params["multiplier"]) == ("fixed", 0.5)


def test_a_searched_cost_limit_is_the_one_of_the_trial():
    assert run_params(SPEC, trial("ga", cost_limit=10.0))["cost_limit"] == 10.0


def test_what_an_extension_changes_is_no_parameter():
    assert not {"env_steps", "seeds"} & set(run_params(SPEC, trial("ga")))
