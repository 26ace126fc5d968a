"""Options that change nothing, each shown to change nothing, and to change something where the rule lets it."""

from typing import Any

import pytest
import torch

from algorithms.functional.multipliers.updates import start_multiplier, step_multiplier
from algorithms.inert import find_inert
from algorithms.parameters import (
    ADRC,
    PID,
    AugmentedLagrangian,
    GradientAscent,
    NetworkMultiplier,
    NuPI,
    Parameters,
    PPOParameters,
    SACParameters,
)

COSTS = (60.0, 55.0, 70.0, 40.0, 20.0, 10.0, 30.0, 45.0, 15.0, 90.0)


def trace(parameters: Parameters) -> list[float]:
    given = parameters.model_dump()
    update = given.pop("update")
    state, values = start_multiplier(update, (1, 1), given, dtype=torch.float64), list[float]()
    for cost in COSTS:
        state = step_multiplier(update, state, torch.full((1, 1), cost, dtype=torch.float64), 25.0, given)
        values.append(state.multiplier.item())
    return values


def names(parameters: Parameters, *searched: str) -> list[str]:
    return [inert.name for inert in find_inert(parameters, searched)]


@pytest.mark.parametrize(
    ("base", "option", "acts"),
    [
        (GradientAscent(), {"limit_shape": "linear"}, {"limit_start": 50.0}),
        (GradientAscent(), {"limit_iterations": 3}, {"limit_start": 50.0}),
        *[
            (PID(form="stooke"), option, {"form": "omnisafe"} | more)
            for option, more in (
                ({"ema_p": 0.5}, {}),
                ({"ema_d": 0.5}, {}),
                ({"delay": 2}, {}),
                ({"sum_norm": False}, {"penalty_max": 0.5}),
                ({"diff_norm": True}, {"kp": 1.0}),
                ({"penalty_max": 0.5}, {"sum_norm": False}),
                ({"init": 5.0}, {}),
            )
        ],
        (PID(), {"penalty_max": 0.5}, {"sum_norm": False}),
        (PID(diff_norm=True, penalty_max=0.5), {"sum_norm": False}, {"diff_norm": False}),
        (PID(diff_norm=True, kp=1.0), {"multiplier_max": 1.5}, {"diff_norm": False}),
        (PID(kp=0.0), {"ema_p": 0.5}, {"kp": 0.1}),
        (PID(kd=0.0), {"ema_d": 0.5}, {"kd": 0.1}),
        (PID(kd=0.0), {"delay": 2}, {"kd": 0.1}),
        (NuPI(kp=0.0), {"nu": 0.5}, {"kp": 0.1}),
        (ADRC(transient_rate=0.0, k_ap=0.25, plant_gain=1e4, init=1.0), {"transient_rate": 0.5}, {"k_ad": 0.5}),
        (AugmentedLagrangian(), {"penalty_cap": 0.05}, {"penalty_growth": 2.0, "penalty": 0.01}),
        (AugmentedLagrangian(), {"required_decrease": 0.9}, {"penalty_growth": 2.0}),
        (AugmentedLagrangian(penalty=1.0), {"penalty_growth": 2.0}, {"penalty": 0.1}),
        (AugmentedLagrangian(penalty=0.0), {"penalty_growth": 2.0}, {"penalty": 0.1}),
    ],
    ids=str,
)
def test_an_inert_option_changes_no_lambda_and_another_does(
    base: Parameters, option: dict[str, Any], acts: dict[str, Any]
):
    (name,) = option
    changed = base.model_copy(update=option)
    assert name not in names(base) or base == changed
    assert name in names(changed)
    assert trace(changed) == pytest.approx(trace(base), abs=1e-9)
    acting = base.model_copy(update=acts)
    assert name not in names(acting.model_copy(update=option))
    assert trace(acting.model_copy(update=option)) != pytest.approx(trace(acting), abs=1e-6)


@pytest.mark.parametrize(
    ("parameters", "inert"),
    [
        (PPOParameters(scale_ema=0.5, scale_clip=2.0, scale_init="one"), ["scale_ema", "scale_clip", "scale_init"]),
        (PPOParameters(scale_ema=0.5, scale_invariance="iteration"), []),
        (PPOParameters(objective="difference", scale_invariance="iteration"), ["scale_invariance"]),
        (PPOParameters(objective="penalized_reward", cost_gamma=0.5), ["cost_gamma"]),
        (SACParameters(alpha_lr=0.1), ["alpha_lr"]),
        (SACParameters(alpha_lr=0.1, auto_alpha=True, scale_ema=0.5), ["scale_ema"]),
        (
            NetworkMultiplier(constraint="feasibility", state_limit=1.0, cost_threshold=1.0),
            ["state_limit", "cost_threshold"],
        ),
        (NetworkMultiplier(feasibility_threshold=0.2), ["feasibility_threshold"]),
        (NetworkMultiplier(target="ascent", multiplier_tau=0.1, penalty_weight=0.5), ["multiplier_tau"]),
        (NetworkMultiplier(target="ascent", penalty="off", penalty_weight=0.5), ["penalty_weight"]),
        (NetworkMultiplier(penalty_cap=2.0), ["penalty_cap"]),
        (NetworkMultiplier(penalty_cap=2.0, penalty_growth=2.0), []),
        (PID(), []),
    ],
    ids=str,
)
def test_what_others_leave_without_effect_is_named(parameters: Parameters, inert: list[str]):
    assert names(parameters) == inert


def test_a_searched_option_counts_and_a_searched_cause_decides_nothing():
    assert names(PID(form="stooke"), "delay") == ["delay"]
    assert names(PID(form="stooke", delay=3), "form") == []
    assert names(PID(), "kp") == []
