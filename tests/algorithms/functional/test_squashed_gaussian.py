import math

import pytest
import torch

from algorithms.functional.squashed_gaussian import split_outputs, squashed_sample


def test_the_density_of_a_squashed_action_is_the_gaussians_over_the_slope_of_tanh() -> None:
    # u = 0.5 + 2 · 0.25 = 1; log N = −½ · 0.25² − log 2 − ½ log 2π = −1.64334; log(1 − tanh² 1) = −0.86756.
    action, log_prob = squashed_sample(torch.tensor([[0.5]]), torch.tensor([[math.log(2.0)]]), torch.tensor([[0.25]]))
    assert action.item() == pytest.approx(math.tanh(1.0))
    gaussian = -0.5 * 0.25**2 - math.log(2.0) - 0.5 * math.log(2.0 * math.pi)
    assert log_prob.item() == pytest.approx(gaussian - math.log(1.0 - math.tanh(1.0) ** 2), abs=1e-6)


def test_the_density_integrates_to_one() -> None:
    """∫ π(a) da over (−1, 1), with a = tanh u on a fine grid of u, where da = (1 − tanh² u) du."""
    mean, log_std = torch.tensor(0.3, dtype=torch.float64), torch.tensor(-0.4, dtype=torch.float64)
    unsquashed = torch.linspace(-8.0, 8.0, 200_001, dtype=torch.float64)
    noise = (unsquashed - mean) / log_std.exp()
    action, log_prob = squashed_sample(mean.expand(len(noise), 1), log_std.expand(len(noise), 1), noise.unsqueeze(1))
    width = (1.0 - action.squeeze(1).square()) * (unsquashed[1] - unsquashed[0])
    assert (log_prob.exp() * width).sum().item() == pytest.approx(1.0, abs=1e-6)


def test_entries_of_an_action_add_up_and_far_actions_stay_finite() -> None:
    mean, noise = torch.tensor([[0.0, 30.0]]), torch.zeros(1, 2)
    action, log_prob = squashed_sample(mean, torch.zeros(1, 2), noise)
    parts = [squashed_sample(mean[:, i : i + 1], torch.zeros(1, 1), noise[:, i : i + 1])[1] for i in range(2)]
    torch.testing.assert_close(log_prob, parts[0] + parts[1])
    # log(1 − tanh² 30) = 2 (log 2 − 30), although tanh 30 is 1 in float32.
    assert parts[1].item() == pytest.approx(-0.5 * math.log(2.0 * math.pi) - 2.0 * (math.log(2.0) - 30.0), rel=1e-6)
    assert action[0, 1] == 1.0


def test_outputs_are_means_and_clamped_logarithms() -> None:
    mean, log_std = split_outputs(torch.tensor([[1.0, -2.0, 7.0, -50.0]]))
    assert mean.tolist() == [[1.0, -2.0]]
    assert log_std.tolist() == [[2.0, -20.0]]
