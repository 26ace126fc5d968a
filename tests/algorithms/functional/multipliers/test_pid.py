"""The PID controller against golden traces and hand-worked terms."""

from typing import Any

import pytest
import torch

from algorithms.functional.multipliers.pid import PIDState, pid_start, pid_step

COSTS = (60, 55, 48, 40, 33, 27, 24, 20, 18, 22, 26, 30)
# Traces worked out independently, limit 25.
DEFAULT_GAINS = (
    0.556,
    1.02325,
    1.373638,
    1.594006,
    1.702355,
    1.716288,
    1.684023,
    1.590872,
    1.468878,
    1.411485,
    1.38746,
    1.429637,
)
README_GAINS = (
    0.004675,
    0.007816,
    0.010215,
    0.01177,
    0.012586,
    0.012772,
    0.012643,
    0.012096,
    0.011341,
    0.011009,
    0.011099,
    0.011609,
)


def run(costs: tuple[float, ...], limit: float = 25.0, **parameters: Any) -> list[PIDState]:
    start = {name: parameters[name] for name in ("form", "delay") if name in parameters}
    init = parameters.pop("init", 0.001)
    state = pid_start((1, 1), init=init, dtype=torch.float64, **start)
    states: list[PIDState] = []
    for cost in costs:
        state = pid_step(state, torch.full((1, 1), float(cost)), limit, **parameters)
        states.append(state)
    return states


def trace(costs: tuple[float, ...], limit: float = 25.0, **parameters: Any) -> list[float]:
    return [state.multiplier.item() for state in run(costs, limit, **parameters)]


def test_omnisafes_form_follows_the_golden_trace_of_its_default_gains():
    assert trace(COSTS) == pytest.approx(DEFAULT_GAINS, abs=5e-7)


def test_omnisafes_form_follows_the_golden_trace_of_the_gains_that_are_too_small():
    assert trace(COSTS, kp=1e-4, ki=1e-4, kd=0.0) == pytest.approx(README_GAINS, abs=5e-7)


def test_omnisafes_derivative_ramps_from_its_cold_start_and_falls_after_the_delay():
    # C_t = 30 (1 − 0.95^t): 1.5, 2.925, …, 12.038 at the tenth; then C_11 − C_1 = 12.936 − 1.5 = 11.436.
    values = trace((30,) * 12, kp=0.0, ki=0.0, kd=1.0, init=0.0)
    assert values[:2] == pytest.approx([1.5, 2.925])
    assert values[9] == pytest.approx(30 * (1 - 0.95**10))
    assert values[10] == pytest.approx(30 * (0.95 - 0.95**11))
    assert max(values) == values[9]


def test_omnisafes_form_equals_hand_worked_terms():
    # a_p = 0.5, a_d = 0.75, delay 1, K = (2, 0.1, 4), d = 10, I_0 = 1; costs 20, 24.
    # 1: e = 10: I = 1 + 1 = 2;  P = 0.5·10 = 5;  C = 0.25·20 = 5;  D = 5 − 0 = 5;  λ = 10 + 2 + 20 = 32.
    # 2: e = 14: I = 2 + 1.4 = 3.4;  P = 0.5·5 + 0.5·14 = 9.5;  C = 0.75·5 + 0.25·24 = 9.75;  D = 9.75 − 5 = 4.75;
    #    λ = 19 + 3.4 + 19 = 41.4.
    states = run((20, 24), 10.0, kp=2.0, ki=0.1, kd=4.0, ema_p=0.5, ema_d=0.75, delay=1, init=1.0)
    assert [state.multiplier.item() for state in states] == pytest.approx([32.0, 41.4])
    assert [states[1].p.item(), states[1].i.item(), states[1].d.item()] == pytest.approx([19.0, 3.4, 19.0])


def test_the_derivative_counts_rising_costs_only():
    # a_d = 0, delay 1: rises of 60, 5 and −20 cost units.
    for form, first in (("omnisafe", 60.0), ("stooke", 0.0)):
        states = run((60, 65, 45), form=form, kp=0.0, ki=0.0, kd=1.0, ema_d=0.0, delay=1)
        assert [state.d.item() for state in states] == [first, 5.0, 0.0]


def test_stookes_form_equals_hand_worked_terms():
    # K = (0.1, 0.01, 0.5), d = 25; costs 60, 65, 20, 0.
    # 1: e = 35,  I = 35, D = 0 (first):  3.5 + 0.35 + 0   = 3.85
    # 2: e = 40,  I = 75, D = 5:          4.0 + 0.75 + 2.5 = 7.25
    # 3: e = −5,  I = 70, D = 0 (fell):  −0.5 + 0.70 + 0   = 0.2
    # 4: e = −25, I = 45, D = 0:         −2.5 + 0.45       → 0
    states = run((60, 65, 20, 0), form="stooke", kp=0.1, ki=0.01, kd=0.5)
    assert [state.multiplier.item() for state in states] == pytest.approx([3.85, 7.25, 0.2, 0.0])
    assert [states[1].p.item(), states[1].i.item(), states[1].d.item()] == pytest.approx([4.0, 0.75, 2.5])
    assert states[3].integral.item() == 45.0


def test_stookes_integral_does_not_go_below_zero():
    # e = −25, −25, 5: I = 0, 0, 5.
    assert run((0, 0, 30), form="stooke")[-1].integral.item() == 5.0


def test_omnisafes_integral_does_not_go_below_zero():
    # I = 0, 0, 0.01·5.
    assert run((0, 0, 30))[-1].i.item() == pytest.approx(0.05)


@pytest.mark.parametrize(
    "changed",
    [
        {"kp": 0.2}, {"ki": 0.02}, {"kd": 0.02}, {"delay": 2}, {"ema_p": 0.5}, {"ema_d": 0.5}, {"init": 0.1},
        {"diff_norm": True}, {"sum_norm": False, "penalty_max": 1.0}, {"form": "stooke"}, {"multiplier_max": 1.0},
    ],
    ids=str,
)  # fmt: skip
def test_every_parameter_of_omnisafes_form_changes_the_trace(changed: dict[str, Any]):
    assert trace(COSTS, **changed) != pytest.approx(trace(COSTS), abs=1e-6)


@pytest.mark.parametrize("changed", [{"kp": 0.2}, {"ki": 0.02}, {"kd": 0.02}, {"multiplier_max": 1.0}], ids=str)
def test_every_parameter_of_stookes_form_changes_the_trace(changed: dict[str, Any]):
    assert trace((60, 65, 70), form="stooke", **changed) != pytest.approx(trace((60, 65, 70), form="stooke"), abs=1e-6)


def test_the_penalty_cap_has_an_effect_only_without_both_norms_as_published():
    published = trace(COSTS, penalty_max=1.0, sum_norm=True)
    capped = trace(COSTS, penalty_max=1.0, sum_norm=False)
    assert max(published) > 1.0
    assert max(capped) == 1.0


def test_the_penalty_cap_has_no_effect_beside_diff_norm_either():
    assert run((500,) * 5, diff_norm=True, sum_norm=False, penalty_max=0.5)[-1].multiplier.item() == 1.0


def test_diff_norm_caps_integral_and_multiplier_at_one():
    states = run((500,) * 5, diff_norm=True, sum_norm=False, penalty_max=50.0)
    assert states[-1].i.item() == 1.0
    assert states[-1].multiplier.item() == 1.0
    assert run((500,) * 5)[-1].i.item() > 1.0


@pytest.mark.parametrize("form", ["omnisafe", "stooke"])
def test_the_integral_does_not_wind_up_beyond_the_cap_on_lambda(form: str):
    # After many violations at the cap 1, K_I e = −0.25 at cost 0 lets λ leave the cap at once.
    states = run((500,) * 50 + (0,), form=form, kp=0.0, kd=0.0, multiplier_max=1.0)
    assert states[-2].multiplier.item() == 1.0
    assert states[-1].multiplier.item() == pytest.approx(0.75)


def test_a_cap_without_an_integral_gain_leaves_a_finite_state():
    state = run((60, 65), form="stooke", ki=0.0, multiplier_max=2.0)[-1]
    assert state.multiplier.item() == 2.0
    assert all(bool(torch.isfinite(field).all()) for field in state)


def test_every_seed_may_have_its_own_gains_delay_and_norms():
    parameters = {
        "kp": (0.1, 0.3), "ki": (0.01, 0.02), "kd": (0.5, 0.05), "delay": (2, 4), "ema_p": (0.9, 0.2),
        "ema_d": (0.5, 0.1), "diff_norm": (False, True), "sum_norm": (False, True), "penalty_max": (2.0, 9.0),
    }  # fmt: skip
    columns = {name: torch.tensor(values).unsqueeze(1) for name, values in parameters.items()}
    columns = {k: v.double() if v.is_floating_point() else v for k, v in columns.items()}
    state = pid_start((2, 1), delay=columns["delay"], dtype=torch.float64)
    together: list[list[float]] = []
    for cost in COSTS:
        state = pid_step(state, torch.full((2, 1), float(cost)), 25.0, **columns)  # pyright: ignore
        together.append(state.multiplier.squeeze(1).tolist())
    for seed in range(2):
        alone = trace(COSTS, **{name: values[seed] for name, values in parameters.items()})
        assert [row[seed] for row in together] == pytest.approx(alone, abs=1e-6)


def test_an_unknown_form_and_a_delay_beyond_the_states_are_refused():
    with pytest.raises(ValueError, match="must be omnisafe or stooke, but got 'zn'"):
        pid_step(pid_start((1, 1)), torch.zeros(1, 1), 25.0, form="zn")  # pyright: ignore
    with pytest.raises(ValueError, match="1 ≤ delay ≤ 3"):
        pid_step(pid_start((1, 1), delay=3), torch.zeros(1, 1), 25.0, delay=4)
