"""The ADRC controller against hand-worked numbers and its identity with a PID controller."""

from itertools import pairwise
from typing import Any

import pytest
import torch

from algorithms.functional.multipliers.adrc import ADRCState, adrc_start, adrc_step

COSTS = (60.0, 55.0, 48.0, 52.0, 40.0, 33.0, 36.0, 30.0)


def run(costs: tuple[float, ...], limit: float = 25.0, *, init: float = 0.001, **parameters: Any) -> list[ADRCState]:
    gain = {name: parameters[name] for name in ("plant_gain",) if name in parameters}
    state = adrc_start((1, 1), init=init, dtype=torch.float64, **gain)
    states: list[ADRCState] = []
    for cost in costs:
        state = adrc_step(state, torch.full((1, 1), cost), limit, **parameters)
        states.append(state)
    return states


def trace(costs: tuple[float, ...], **parameters: Any) -> list[float]:
    return [state.multiplier.item() for state in run(costs, **parameters)]


def test_equals_a_hand_worked_trace_with_a_transient_reference():
    # ω = 0.5, k_ap = 1, k_ad = 2, c = 0.25, b = 2, d = 20, λ_0 = 1, so ξ = 2; costs 40, 44, 38.
    # 1: r = 40, r' = 0, J' = 0: r'' = −0.0625·20 = −1.25.  f̂ = 2.  λ = (2 + 0 + 0 + 1.25)/2 = 1.625.
    #    ξ = 2 − 1 − 0 + 0.5·2·1.625 = 2.625;  r = 40, r' = −1.25.
    # 2: J' = 4: r'' = −0.0625·20 + 0.5·1.25 = −0.625.  f̂ = 2.625 + 2 = 4.625.
    #    λ = (4.625 + 1·4 + 2·5.25 + 0.625)/2 = 9.875.  ξ = 2.625 − 1.3125 − 0.25·4 + 9.875 = 10.1875.
    #    r = 38.75, r' = −1.875.
    # 3: J' = −6: r'' = −0.0625·18.75 + 0.5·1.875 = −0.234375.  f̂ = 10.1875 − 3 = 7.1875.
    #    λ = (7.1875 − 0.75 + 2·(−4.125) + 0.234375)/2 = −0.7890625 → 0.
    #    ξ = 10.1875 − 5.09375 + 1.5 + 0 = 6.59375: fed with the projected λ.
    states = run(
        (40.0, 44.0, 38.0), 20.0, init=1.0, observer_bandwidth=0.5, k_ap=1.0, k_ad=2.0, transient_rate=0.25,
        plant_gain=2.0,
    )  # fmt: skip
    assert [state.multiplier.item() for state in states] == pytest.approx([1.625, 9.875, 0.0])
    assert [state.disturbance.item() for state in states] == pytest.approx([2.0, 4.625, 7.1875])
    assert states[-1].observer.item() == pytest.approx(6.59375)


def test_a_flat_reference_makes_it_a_pid_controller():
    omega, k_ap, k_ad, b, init, limit = 0.3, 0.2, 0.5, 4.0, 2.0, 25.0
    values = trace(COSTS, init=init, observer_bandwidth=omega, k_ap=k_ap, k_ad=k_ad, transient_rate=0.0, plant_gain=b)
    kp, ki, kd = (k_ap + omega * k_ad) / b, omega * k_ap / b, (k_ad + omega - omega * k_ad) / b
    constant = init - omega * k_ad * (COSTS[0] - limit) / b
    expected = [
        constant
        + kp * (cost - limit)
        + ki * sum(former - limit for former in COSTS[:k])
        + kd * (cost - COSTS[k - 1] if k else 0.0)
        for k, cost in enumerate(COSTS)
    ]
    assert min(expected) > 0.0
    assert values == pytest.approx(expected, abs=1e-12)


def test_a_reference_as_fast_as_the_critically_damped_loop_changes_nothing():
    matched = trace(COSTS, k_ap=0.09, transient_rate=0.3, init=5.0)
    assert matched == pytest.approx(trace(COSTS, k_ap=0.09, transient_rate=0.0, init=5.0))


def test_critical_damping_is_the_default():
    assert trace(COSTS, k_ap=0.09) == trace(COSTS, k_ap=0.09, k_ad=0.6)
    per_seed = adrc_step(adrc_start((1, 1)), torch.ones(1, 1), 0.0, k_ap=torch.tensor([[0.09]]))
    assert per_seed.multiplier.item() == pytest.approx(
        adrc_step(adrc_start((1, 1)), torch.ones(1, 1), 0.0, k_ap=0.09).multiplier.item()
    )


def test_the_reference_leads_from_the_first_cost_to_the_limit_without_overshoot():
    references = [state.reference.item() for state in run((60.0,) * 200, transient_rate=0.1)]
    assert references[0] == 60.0
    assert all(later <= former for former, later in pairwise(references))
    assert references[-1] == pytest.approx(25.0, abs=1e-3)


def test_a_flat_reference_is_the_limit_also_where_that_moves():
    state = adrc_start((1, 1), dtype=torch.float64)
    for limit in (40.0, 30.0):
        state = adrc_step(state, torch.full((1, 1), 60.0), limit, transient_rate=0.0)
        assert state.reference.item() == limit


def test_every_seed_may_have_its_own_gains():
    parameters = {
        "observer_bandwidth": (0.2, 0.5), "k_ap": (0.04, 0.3), "k_ad": (0.1, 0.2), "transient_rate": (0.0, 0.3),
        "plant_gain": (10.0, 3.0), "multiplier_max": (1.0, 9.0),
    }  # fmt: skip
    columns = {name: torch.tensor(values, dtype=torch.float64).unsqueeze(1) for name, values in parameters.items()}
    state = adrc_start((2, 1), plant_gain=columns["plant_gain"], dtype=torch.float64)
    together: list[list[float]] = []
    for cost in COSTS:
        state = adrc_step(state, torch.full((2, 1), cost), 25.0, **columns)
        together.append(state.multiplier.squeeze(1).tolist())
    for seed in range(2):
        alone = trace(COSTS, **{name: values[seed] for name, values in parameters.items()})
        assert [row[seed] for row in together] == pytest.approx(alone)


def test_the_observer_does_not_wind_up_while_lambda_is_projected():
    # Long feasible, λ = 0: the observer forgets as (1 − ω)^k, so that a violation raises λ at once.
    states = run((0.0,) * 200 + (60.0,) * 1, transient_rate=0.0)
    assert states[-2].multiplier.item() == 0.0
    assert abs(states[-2].observer.item()) < 1e-9
    assert states[-1].multiplier.item() > 0.0


def test_the_first_cost_makes_no_derivative():
    state = run((60.0,), transient_rate=0.0, k_ap=0.0, k_ad=5.0)[0]
    assert state.multiplier.item() == pytest.approx(0.001)


@pytest.mark.parametrize(
    "changed",
    [
        {"init": 0.5}, {"observer_bandwidth": 0.2}, {"k_ap": 0.3}, {"k_ad": 0.4}, {"transient_rate": 0.3},
        {"transient_rate": 0.0}, {"plant_gain": 2.0}, {"multiplier_max": 0.02},
    ],
    ids=str,
)  # fmt: skip
def test_every_parameter_changes_the_trace(changed: dict[str, Any]):
    assert trace(COSTS, **changed) != pytest.approx(trace(COSTS), abs=1e-4)
