from dataclasses import replace

import numpy as np
import pytest
import torch

from algorithms.normalizer import no_moments
from algorithms.parameters import PPOParameters
from algorithms.ppo_lagrangian.batch import TrainBatch, by_seed, train_batch
from algorithms.rollout import Episodes, Rollout
from tests.algorithms.networks import make_networks

STEPS, SEEDS, ENVS = 12, 3, 2
PARAMETERS = PPOParameters(gamma=0.9, lambda_=0.8, cost_gamma=0.95, cost_lambda=0.7)


@pytest.fixture
def rollout() -> Rollout:
    """Steps in which episodes are terminated, truncated and left running, each at other times in each seed."""
    rng = np.random.default_rng(3)
    shape = (STEPS, SEEDS, ENVS)
    terminated = rng.random(shape) < 0.15
    truncated = (rng.random(shape) < 0.2) & ~terminated
    assert terminated.any()
    assert truncated[:, :, 0].any()
    cut_at = np.stack(np.nonzero(truncated))
    floats = {
        name: torch.from_numpy(rng.normal(size=size).astype(np.float32))
        for name, size in {
            "observations": (STEPS + 1, SEEDS, ENVS, 4),
            "actions": (*shape, 2),
            "log_probs": shape,
            "rewards": shape,
            "costs": (*shape, 1),
        }.items()
    }
    return Rollout(
        **floats,
        terminated=torch.from_numpy(terminated),
        truncated=torch.from_numpy(truncated),
        cut_at=cut_at,
        cut_observations=rng.normal(size=(cut_at.shape[1], 4)).astype(np.float32),
        episodes=Episodes(np.empty(0, np.int64), np.empty(0), np.empty((0, 1))),
        moments=no_moments(SEEDS, 4),
    )


def naive_advantages(rollout: Rollout, which: int, gamma: float, lambda_: float) -> np.ndarray:
    """GAE of one critic (1: rewards, 2: costs) by its definition: a sum of errors until the episode ends."""
    networks = make_networks()
    signal = rollout.rewards if which == 1 else rollout.costs[..., 0]
    cuts = {tuple(at): row for at, row in zip(rollout.cut_at.T, rollout.cut_observations, strict=True)}

    def value(observation: torch.Tensor, seed: int) -> float:
        padded = torch.zeros(SEEDS, 1, 4)
        padded[seed, 0] = observation
        return networks.outputs(padded)[seed, which, 0, 0].item()

    def delta(t: int, seed: int, env: int) -> float:
        after = cuts.get((t, seed, env))
        following = rollout.observations[t + 1, seed, env] if after is None else torch.from_numpy(after)
        next_value = 0.0 if rollout.terminated[t, seed, env] else value(following, seed)
        return signal[t, seed, env].item() + gamma * next_value - value(rollout.observations[t, seed, env], seed)

    ended = (rollout.terminated | rollout.truncated).numpy()
    advantages = np.zeros((STEPS, SEEDS, ENVS))
    for start, seed, env in np.ndindex(advantages.shape):
        last = next((t for t in range(start, STEPS) if ended[t, seed, env]), STEPS - 1)
        terms = [(gamma * lambda_) ** (t - start) * delta(t, seed, env) for t in range(start, last + 1)]
        advantages[start, seed, env] = sum(terms)
    return advantages.transpose(1, 0, 2).reshape(SEEDS, -1)


def make_batch(rollout: Rollout, multiplier: float, parameters: PPOParameters = PARAMETERS) -> TrainBatch:
    return train_batch(make_networks(), rollout, parameters, torch.full((SEEDS, 1), multiplier))


def test_a_penalized_reward_is_what_its_critic_learns(rollout: Rollout) -> None:
    penalized = PARAMETERS.model_copy(update={"objective": "penalized_reward"})
    batch = make_batch(rollout, 2.0, penalized)
    by_hand = replace(rollout, rewards=rollout.rewards - 2.0 * rollout.costs[..., 0])
    torch.testing.assert_close(batch.rows.targets, make_batch(by_hand, 0.0).rows.targets)
    torch.testing.assert_close(batch.signals, make_batch(by_hand, 0.0).signals)


def test_advantages_follow_the_definition_through_every_kind_of_end(rollout: Rollout) -> None:
    reward = naive_advantages(rollout, 1, 0.9, 0.8)
    cost = naive_advantages(rollout, 2, 0.95, 0.7)
    standard = (reward - reward.mean(1, keepdims=True)) / reward.std(1, keepdims=True)
    centered = cost - cost.mean(1, keepdims=True)
    batch = make_batch(rollout, 2.0)
    np.testing.assert_allclose(batch.signals[..., 0], standard, atol=2e-5)
    np.testing.assert_allclose(batch.signals[..., 1], centered, atol=2e-5)
    np.testing.assert_allclose(batch.reward_std, reward.std(1), rtol=1e-5)


def test_targets_are_advantages_plus_values(rollout: Rollout) -> None:
    batch = make_batch(rollout, 0.0)
    values = make_networks().outputs(by_seed(rollout.observations[:-1]))
    for which, gammas in ((1, (0.9, 0.8)), (2, (0.95, 0.7))):
        expected = naive_advantages(rollout, which, *gammas) + values[:, which, :, 0].detach().numpy()
        np.testing.assert_allclose(batch.rows.targets[:, which - 1], expected, atol=2e-5)


def test_rows_of_a_seed_stay_together(rollout: Rollout) -> None:
    batch = make_batch(rollout, 0.0)
    expected = rollout.actions[:, 1].reshape(-1, 2)
    assert torch.equal(batch.rows.actions[1], expected)
    means = make_networks().policy_means(by_seed(rollout.observations[:-1]))
    torch.testing.assert_close(batch.old_means, means)
