"""A policy as a folder of numbers."""

import json
import math

import numpy as np
import pytest

from sweeps.errors import NotFoundError, SpecError
from sweeps.policy import Policy, PolicyDescription, PolicyError, load_policy, save_policy

DESCRIPTION = PolicyDescription(
    study="demo",
    trial=3,
    arm="pid",
    task="Circle1",
    algorithm="ppo_lagrangian",
    params={"kp": 0.1},
    seeds=(0, 5),
    seed=5,
    cost_limits={"cost": 25.0},
    returns=(1.0, 2.0),
    costs={"cost": (20.0, 24.0)},
    activation="tanh",
    squash="clip",
    observation_clip=5.0,
)


def tensors():
    """Two seeds; one hidden unit; two actions, the second without bounds. Seed 5's output is seed 0's doubled."""
    return {
        "layer0.weight": np.array([[[1.0], [2.0]]] * 2),  # [S, O = 2, 1]
        "layer0.bias": np.array([[0.5]] * 2),
        "layer1.weight": np.array([[[0.4, 3.0]], [[0.8, 6.0]]]),  # [S, 1, A = 2]
        "layer1.bias": np.array([[0.0, 1.0], [0.0, 2.0]]),
        "observation_mean": np.array([[1.0, 0.0]] * 2),
        "observation_std": np.array([[2.0, 1.0]] * 2),
        "action_low": np.array([-2.0, -np.inf]),
        "action_high": np.array([4.0, np.inf]),
    }


def test_an_action_by_hand():
    # x = ((3 − 1)/2, (−0.25 − 0)/1) = (1, −0.25); hidden = tanh(1·1 + 2·(−0.25) + 0.5) = tanh(1) = 0.761594
    # outputs of seed 0: (0.4 · 0.761594, 3 · 0.761594 + 1) = (0.304638, 3.284782)
    # the first is scaled to [−2, 4]: 0.304638 · 3 + 1 = 1.913913; the second has no bounds and passes
    action = Policy(DESCRIPTION, tensors(), seed=0).act([3.0, -0.25])
    np.testing.assert_allclose(action, [1.913913, 3.284782], atol=1e-6)


def test_outputs_are_clipped_or_squashed_to_the_bounds():
    data = tensors()
    data["layer1.bias"][:, 0] = 9.0
    # clip: min(9.304…, 1) → the upper bound 4; tanh(0.7) = 0.604368 → 0.604368 · 3 + 1 = 2.813104
    assert Policy(DESCRIPTION, data, seed=0).act([3.0, -0.25])[0] == 4.0
    data["layer1.bias"][:, 0] = 0.7 - 0.4 * math.tanh(1.0)
    tanh = DESCRIPTION.model_copy(update={"squash": "tanh"})
    assert Policy(tanh, data, seed=0).act([3.0, -0.25])[0] == pytest.approx(2.813104, abs=1e-6)


def test_observations_are_clipped_before_the_network():
    # (201 − 1)/2 = 100 → 5: hidden = tanh(5 + 0.5) with x₂ = 0; without a clip tanh(100.5)
    data = tensors()
    clipped = Policy(DESCRIPTION, data, seed=0).act([201.0, 0.0])[1]
    assert clipped == pytest.approx(3.0 * math.tanh(5.5) + 1.0, abs=1e-12)
    free = Policy(DESCRIPTION.model_copy(update={"observation_clip": None}), data, seed=0).act([201.0, 0.0])[1]
    assert free == pytest.approx(4.0, abs=1e-12)


def test_relu_networks_act_too():
    relu = DESCRIPTION.model_copy(update={"activation": "relu"})
    # hidden = max(0, 1) = 1 → (0.4, 4); and max(0, 1 − 4 + 0.5) = 0 → (0, 1)
    policy = Policy(relu, tensors(), seed=0)
    np.testing.assert_allclose(policy.act([[3.0, -0.25], [3.0, -2.0]]), [[0.4 * 3.0 + 1.0, 4.0], [1.0, 1.0]])


def test_comes_back_as_it_was_with_the_best_seed_acting(tmp_path):
    save_policy(tmp_path / "policy", DESCRIPTION, tensors())
    policy = load_policy(tmp_path / "policy")
    assert (policy.seed, policy.observation_size, policy.description) == (5, 2, DESCRIPTION)
    np.testing.assert_array_equal(policy.act([3.0, -0.25]), Policy(DESCRIPTION, tensors(), 5).act([3.0, -0.25]))
    assert load_policy(tmp_path / "policy", seed=0).seed == 0
    assert sorted(path.name for path in (tmp_path / "policy").iterdir()) == ["policy.json", "policy.safetensors"]


def test_what_cannot_act_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match=r"policy\.json and policy\.safetensors` must hold"):
        load_policy(tmp_path)
    save_policy(tmp_path, DESCRIPTION, tensors())
    with pytest.raises(NotFoundError, match="no policy of seed 1; known: 0, 5"):
        load_policy(tmp_path, seed=1)
    with pytest.raises(ValueError, match=r"shape \[\.\.\., 2\], but got \(3,\)"):
        load_policy(tmp_path).act([1.0, 2.0, 3.0])
    newer = json.loads((tmp_path / "policy.json").read_text()) | {"version": 2}
    (tmp_path / "policy.json").write_text(json.dumps(newer))
    with pytest.raises(SpecError, match="has version 2"):
        load_policy(tmp_path)


@pytest.mark.parametrize(
    ("name", "tensor", "told"),
    [
        ("layer1.weight", np.ones((2, 3, 2)), r"layer1.weight must have shape \[2, 1, 2\], but has \[2, 3, 2\]"),
        ("layer0.weight", np.ones((2, 3, 1)), r"layer0.weight must have shape \[2, 2, 1\]"),
        ("layer0.weight", np.ones((2, 2)), r"layer0.weight must have shape \[2, 2, 2\]"),
        ("layer0.bias", np.ones((2, 2)), r"layer0.bias must have shape \[2, 1\]"),
        ("observation_std", np.ones((2, 3)), r"observation_std must have shape \[2, 2\]"),
        ("observation_std", np.array([[2.0, 0.0]] * 2), "observation_std must be > 0"),
        ("action_low", np.zeros(3), r"action_low must have shape \[2\]"),
        ("action_high", np.array(4.0), r"action_high must have shape \[2\]"),
        ("action_high", np.array([np.nan, np.inf]), "action_low <= action_high must hold"),
        ("action_high", np.array([-3.0, np.inf]), "action_low <= action_high must hold"),
        ("log_std", np.zeros((2, 3)), r"log_std must have shape \[2, 2\]"),
        ("log_std.weight", np.zeros((2, 1, 2)), "must come together"),
    ],
)
def test_tensors_that_do_not_fit_together_are_refused(tmp_path, name, tensor, told):
    save_policy(tmp_path, DESCRIPTION, tensors() | {name: tensor})
    with pytest.raises(PolicyError, match=told):
        load_policy(tmp_path)
