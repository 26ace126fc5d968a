"""State-wise multipliers against hand-worked numbers, finite differences and the exact augmented-Lagrangian step."""

import math

import pytest
import torch
from torch import Tensor

from algorithms.functional.statewise import (
    ascent_loss,
    positive_output,
    raw_output,
    regression_loss,
    shifted_multiplier,
)


def row(*values: float) -> Tensor:
    """`[1, N]` float64."""
    return torch.tensor([values], dtype=torch.float64)


def test_the_shift_adds_the_penalty_and_projects_to_its_bounds():
    # ρ = 2, λ_max = 5: 1 + 2·0.5 = 2; 1 − 2·0.25 = 0.5; 1 − 2·3 → 0; 4 + 2·1 → 5.
    shifted = shifted_multiplier(row(1, 1, 1, 4), row(0.5, -0.25, -3, 1), penalty_weight=2.0, multiplier_max=5.0)
    assert shifted.tolist() == [[2.0, 0.5, 0.0, 5.0]]


def test_the_penalty_weight_may_differ_by_seed_and_the_shift_has_no_gradient():
    multiplier = torch.ones(2, 1, requires_grad=True)
    shifted = shifted_multiplier(
        multiplier, torch.ones(2, 1), penalty_weight=torch.tensor([[0.5], [2.0]]), multiplier_max=9.0
    )
    assert shifted.tolist() == [[1.5], [3.0]]
    assert not shifted.requires_grad


def test_the_effective_multiplier_weighs_the_constraints_gradient_in_the_gradient_of_the_augmented_lagrangian():
    # Two states, f = a², g = 0.3 − a in one and 0.3 − 2a in the other, at a = 0.1: g > 0; at a = 2: the penalty is off.
    for point in (0.1, 2.0):
        action = torch.full((2,), point, dtype=torch.float64, requires_grad=True)
        slope, multiplier, rho = torch.tensor([1.0, 2.0], dtype=torch.float64), row(0.5, 0.8)[0], 3.0
        violation = 0.3 - slope * action
        penalty = (multiplier + rho * violation).clamp(min=0.0).square() - multiplier.square()
        (action.square() + penalty / (2.0 * rho)).sum().backward()
        effective = shifted_multiplier(
            multiplier.unsqueeze(0), violation.detach().unsqueeze(0), penalty_weight=rho, multiplier_max=1e9
        )[0]
        expected = 2.0 * action.detach() - effective * slope
        assert action.grad is not None
        assert action.grad.tolist() == pytest.approx(expected.tolist())


def test_the_losses_equal_hand_worked_numbers():
    # Regression: ((1 − 3)² + (2 − 2.5)²) / 2 = 2.125. Ascent: −(1·0.5 + 2·(−0.25)) / 2 = 0.
    assert regression_loss(row(1, 2), row(3, 2.5)).tolist() == [2.125]
    assert ascent_loss(row(1, 2), row(0.5, -0.25), multiplier_max=9.0).tolist() == [0.0]
    # −(1·0.5 + 2·1) / 2 = −1.25.
    assert ascent_loss(row(1, 2), row(0.5, 1), multiplier_max=9.0).tolist() == [-1.25]


def test_ascent_pulls_along_the_violation_but_not_beyond_the_cap():
    multiplier = row(1.0, 5.0, 5.0).requires_grad_()
    ascent_loss(multiplier, row(0.6, 0.6, -0.6), multiplier_max=5.0).sum().backward()
    assert multiplier.grad is not None
    # −g / N; the second state is at the cap and violated, the third may come down.
    assert multiplier.grad[0].tolist() == pytest.approx([-0.2, 0.0, 0.2])


@pytest.mark.parametrize("eta", [0.5, 0.2])
def test_with_one_parameter_a_state_a_gradient_step_is_the_under_relaxed_augmented_lagrangian_step(eta: float):
    # λ ← λ + 2η max(−λ, ρ g), exact for η = ½: λ = 1, 1, 0.2 with ρ g = 0.8, −0.6, −0.5.
    multiplier, violation = row(1.0, 1.0, 0.2).requires_grad_(), row(0.4, -0.3, -0.25)
    target = shifted_multiplier(multiplier.detach(), violation, penalty_weight=2.0, multiplier_max=9.0)
    (3 * regression_loss(multiplier, target)).sum().backward()  # the sum over the three states
    assert multiplier.grad is not None
    stepped = (multiplier - eta * multiplier.grad).tolist()[0]
    exact = [1.8, 0.4, 0.0]
    assert stepped == pytest.approx([m + 2 * eta * (y - m) for m, y in zip((1.0, 1.0, 0.2), exact, strict=True)])


def test_repeated_exact_steps_reach_the_multipliers_of_a_problem_with_a_known_answer():
    # max −k/2 (a − m)² subject to a ≤ d, state by state. The inner solution is a = (k m − λ + ρ d) / (k + ρ), or m
    # where the penalty is off there: λ + ρ (m − d) ≤ 0. The optimum is λ* = k (m − d)₊.
    k, m, d, rho = row(1.0, 2.0, 0.5), row(1.5, 0.8, 1.0), row(0.7, 0.7, 1.2), 2.0
    multiplier = torch.zeros_like(k)
    for _ in range(60):
        inner = torch.where(multiplier + rho * (m - d) > 0.0, (k * m - multiplier + rho * d) / (k + rho), m)
        multiplier = shifted_multiplier(multiplier, inner - d, penalty_weight=rho, multiplier_max=9.0)
    assert multiplier.tolist()[0] == pytest.approx([0.8, 0.2, 0.0], abs=1e-9)


@pytest.mark.parametrize("loss", ["regression", "ascent"])
@pytest.mark.parametrize("output", ["softplus", "tanh"])
def test_gradients_equal_finite_differences(loss: str, output: str):
    violation, cap = row(0.4, -0.3, 0.1, -0.2), 3.0

    def of(raw: Tensor) -> Tensor:
        multiplier = positive_output(raw, output, cap)  # pyright: ignore[reportArgumentType]
        if loss == "ascent":
            return ascent_loss(multiplier, violation, multiplier_max=cap).sum()
        return regression_loss(multiplier, row(1.0, 0.2, 0.0, 2.0)).sum()

    raw, step = row(-0.5, 0.3, 1.2, 0.0).requires_grad_(), 1e-6
    of(raw).backward()
    assert raw.grad is not None
    for index in range(4):
        shift = torch.zeros_like(raw)
        shift[0, index] = step
        slope = (of(raw.detach() + shift) - of(raw.detach() - shift)) / (2 * step)
        assert raw.grad[0, index].item() == pytest.approx(slope.item(), rel=1e-6, abs=1e-9)


def test_outputs_are_positive_and_have_the_known_values():
    assert positive_output(row(0.0), "softplus", 4.0).item() == pytest.approx(math.log(2.0))
    # ½·4·(1 + tanh 0) = 2, and 2 (1 + tanh(2·3/4)) = 2 (1 + 0.905148…).
    assert positive_output(row(0.0, 3.0), "tanh", 4.0).tolist()[0] == pytest.approx([2.0, 3.810296])
    assert positive_output(row(-50.0, 50.0), "tanh", 4.0).tolist()[0] == pytest.approx([0.0, 4.0])
    with pytest.raises(ValueError, match="must be softplus or tanh"):
        positive_output(row(0.0), "relu", 4.0)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("output", ["softplus", "tanh"])
@pytest.mark.parametrize("multiplier", [1e-6, 0.001, 1.7])
def test_the_raw_output_of_a_multiplier_gives_it_back(output: str, multiplier: float):
    raw = raw_output(multiplier, output, 2.0)  # pyright: ignore[reportArgumentType]
    back = positive_output(row(raw), output, 2.0)  # pyright: ignore[reportArgumentType]
    assert back.item() == pytest.approx(multiplier)


def test_a_start_outside_the_bounds_or_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"`0 < init < multiplier_max` must hold, but got 2\.0 and 2\.0"):
        raw_output(2.0, "softplus", 2.0)
    with pytest.raises(ValueError, match="must be softplus or tanh"):
        raw_output(1.0, "relu", 2.0)  # pyright: ignore[reportArgumentType]
