"""Multiplier networks in SAC-Lagrangian: what weighs on the policy, what critics learn, and exact continuation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from algorithms.functional.constraints import feasibility_target, reachability_target
from algorithms.functional.soft_actor_critic import cost_targets
from algorithms.ppo_lagrangian import PPOLagrangianConfig
from algorithms.sac_lagrangian import SACLagrangianConfig
from algorithms.sac_lagrangian.calibration import record_states
from algorithms.sac_lagrangian.losses import PolicyTerms
from algorithms.sac_lagrangian.replay import Batch
from algorithms.sac_lagrangian.statewise_penalty import StatewisePenalty
from sweeps.analysis.calibration import calibrations
from sweeps.calibration_record import read_record, write_record
from tests.algorithms.sac_lagrangian.trial import Trial

SMALL: dict[str, Any] = {
    "steps_per_iteration": 100, "num_envs": 2, "train_every": 10, "gradient_steps": 4, "policy_delay": 2,
    "learning_starts": 100, "buffer_size": 1_000, "batch_size": 16, "hidden_sizes": (8,), "cost_critics": 2,
}  # fmt: skip
NETWORK: dict[str, Any] = {"update": "network", "multiplier_hidden_sizes": (8,), "lr": 0.01, "penalty_weight": 0.5}


def make_config(
    seeds: tuple[int, ...] = (0, 1), task: str = "analytic/bandit", limit: float = 5.0, **changed: Any
) -> SACLagrangianConfig:
    return (
        SACLagrangianConfig()
        .environment(task)
        .training(**SMALL)
        .lagrangian(**{**NETWORK, **changed}, cost_limit=limit)
        .seeds(seeds)
        .budget(env_steps=10_000)
    )


def make_penalty(task: str = "analytic/bandit", limit: float = 5.0, **changed: Any) -> StatewisePenalty:
    return StatewisePenalty(make_config(task=task, limit=limit, **changed), 4, "cpu")


def make_batch() -> tuple[Batch, PolicyTerms]:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(2, 6, *shape, generator=generator)

    batch = Batch(
        drawn(4), drawn(1), drawn(), (drawn(1) > 0.0).float(), torch.tensor([[False] * 5 + [True]] * 2), drawn(4)
    )
    return batch, PolicyTerms(drawn(), drawn(), 10.0 * drawn(1).abs())


@pytest.mark.parametrize(
    ("changed", "threshold"),
    [
        # (5 / 20) / (1 − 0.99) = 25 for the bandit's 20 steps; 25 per 500 and per 1000 steps.
        ({}, 25.0),
        ({"task": "SafetyPointCircle1-v0", "limit": 25.0}, 5.0),
        ({"task": "Goal1", "limit": 25.0}, 2.5),
        ({"state_limit": 1.5}, 1.5),
        ({"constraint": "feasibility", "feasibility_threshold": 0.2}, 0.2),
        ({"constraint": "reachability"}, 0.0),
    ],
    ids=str,
)
def test_a_state_may_not_exceed_the_threshold_of_its_constraint(changed: dict[str, Any], threshold: float):
    penalty, (_, terms) = make_penalty(**changed), make_batch()
    assert penalty.threshold == pytest.approx(threshold)
    torch.testing.assert_close(penalty.violation(terms), terms.cost_values[..., 0] - threshold)


def test_critics_learn_the_target_of_the_constraint():
    (batch, terms), later = make_batch(), make_batch()[1].cost_values / 20.0
    del terms
    ended = batch.terminated.unsqueeze(-1)
    expected = {
        "cost_value": cost_targets(batch.costs, batch.terminated, later, cost_gamma=0.99),
        "feasibility": feasibility_target(batch.costs, later, ended, discount=0.99),
        "reachability": reachability_target(batch.costs, later, ended, discount=0.99, cost_threshold=0.4),
    }
    for constraint, target in expected.items():
        penalty = make_penalty(constraint=constraint, cost_threshold=0.4)
        torch.testing.assert_close(penalty.cost_targets(batch, later), target)


def test_the_policy_sees_the_effective_multiplier_of_before_the_networks_step():
    penalty, (batch, terms) = make_penalty(state_limit=1.0, init=0.5), make_batch()
    seen = penalty.multiplier(batch, terms)
    # λ = 0.5 everywhere before the first step, ρ = 0.5, λ_max = 50.
    expected = (0.5 + 0.5 * (terms.cost_values - 1.0)).clamp(0.0, 50.0)
    torch.testing.assert_close(seen, expected)
    assert not torch.allclose(penalty.network.value(batch.observations), torch.tensor(0.5))


def test_without_a_penalty_the_policy_sees_the_network():
    penalty, (batch, terms) = make_penalty(penalty="off", init=0.5), make_batch()
    torch.testing.assert_close(penalty.multiplier(batch, terms), torch.full((2, 6, 1), 0.5))


def test_a_network_is_refused_with_two_constraints_and_with_ppo():
    with pytest.raises(ValueError, match="one constraint, but got 2 cost limits"):
        make_config().lagrangian(cost_limit={"even": 1.0, "odd": 1.0}).validate()
    with pytest.raises(ValueError, match="PPO has no Q_c"):
        PPOLagrangianConfig().environment("analytic/bandit").lagrangian(update="network").validate()


def without_times(trial: Trial) -> dict[str, np.ndarray]:
    return {key: values for key, values in trial.learner.seed_metrics.items() if "time/" not in key}


def penalty_of(trial: Trial) -> StatewisePenalty:
    assert isinstance(trial.learner.penalty, StatewisePenalty)
    return trial.learner.penalty


@pytest.mark.parametrize("target", ["regression", "ascent"])
def test_training_continues_to_the_bit_from_a_checkpoint(tmp_path: Path, target: str):
    changed = {"target": target, "penalty_growth": 1.5, "penalty_every": 3, "update_every": 2, "state_limit": 0.0}
    straight, resumed = (Trial(make_config(**changed)) for _ in range(2))
    for _ in range(3):
        straight.iterate()
    resumed.load(tmp_path, straight.save(tmp_path))
    record_states(straight.config, straight.learner.networks, penalty_of(straight))  # steps environments of its own
    for _ in range(2):
        ours, theirs = straight.iterate(), resumed.iterate()
        np.testing.assert_array_equal(ours.costs, theirs.costs)
        np.testing.assert_equal(without_times(straight), without_times(resumed))
    states = [penalty_of(trial).get_state() for trial in (straight, resumed)]
    for name in ("layers", "target"):
        assert all(np.array_equal(a, b) for a, b in zip(*(s["network"][name] for s in states), strict=True))
    np.testing.assert_array_equal(states[0]["probes"], states[1]["probes"])
    assert len(states[0]["probes"]) == 4  # the first iteration made no gradient step
    # ρ grew: it started at 0.5.
    assert (straight.metrics("multiplier/penalty_weight") > 0.5).all()


def test_a_seed_comes_out_the_same_alone_and_among_others():
    among, alone = Trial(make_config((0, 3))), Trial(make_config((3,)))
    for _ in range(3):
        for trial in (among, alone):
            trial.iterate()
    for key, values in without_times(alone).items():
        assert among.metrics(key)[1] == pytest.approx(values[0], rel=1e-4, abs=1e-5), key


def test_the_record_for_calibration_has_what_the_policy_visits(tmp_path: Path):
    trial = Trial(make_config())
    for _ in range(3):
        trial.iterate()
    arrays = record_states(trial.config, trial.learner.networks, penalty_of(trial))
    # Two episodes of 20 steps in each of two environments and two seeds; the batch has 16 of at most 32 probes.
    assert arrays["multiplier"].shape == arrays["cost"].shape == (2, 40, 2)
    assert arrays["probes"].shape == (2, 2, 16)
    assert arrays["ended"].sum() == 8
    assert np.isnan(arrays["position"]).all()
    assert set(np.unique(arrays["cost"])) <= {0.0, 1.0}
    assert arrays["multiplier"].min() > 0.0
    assert arrays["multiplier"].std() > 0.0
    write_record(tmp_path, 0, 1, arrays)
    record = read_record(tmp_path, 0)
    assert record is not None
    assert [measured.seed for measured in calibrations(record)] == [0, 1]
