"""Policies read from a checkpoint act as the algorithm that wrote it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from algorithms.normalizer import OBSERVATION_CLIP
from algorithms.ppo_lagrangian import PPOLagrangianConfig
from algorithms.ppo_lagrangian.policies import checkpoint_policies
from sweeps.policy import Policy, PolicyDescription

pytestmark = [pytest.mark.usefixtures("local_ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SEEDS = (0, 7)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_policy_acts_as_its_network_does(tmp_path: Path, normalize: bool) -> None:
    algorithm = (
        PPOLagrangianConfig()
        .environment("analytic/ring")
        .training(
            steps_per_iteration=400,
            num_envs=4,
            num_epochs=2,
            minibatch_size=64,
            hidden_sizes=(16, 8),
            normalize_observations=normalize,
        )
        .lagrangian(update="ga", cost_limit=5.0)
        .seeds(SEEDS)
        .budget(env_steps=4_000)
        .build_algo()
    )
    algorithm.train()
    algorithm.save_to_path(str(tmp_path))
    runner, networks = algorithm.env_runner, algorithm.learner_group._learner._networks
    observations = np.random.default_rng(0).normal(0.0, 3.0, (len(SEEDS), 5, runner.env.observation_size))
    with torch.no_grad():
        means = networks.policy_means(torch.from_numpy(runner.normalizer.normalize(observations)))
    bounds = {"action_low": runner.env.action_low, "action_high": runner.env.action_high}
    low, high = bounds["action_low"], bounds["action_high"]
    expected = np.clip(means.numpy(), -1.0, 1.0) * (high - low) / 2.0 + (high + low) / 2.0
    log_std = networks.log_std().detach().numpy()
    algorithm.stop()

    tensors = checkpoint_policies(tmp_path, (16, 8), len(low), normalized=normalize)

    np.testing.assert_array_equal(tensors["log_std"], log_std)
    description = PolicyDescription(
        study="s",
        trial=0,
        arm="ga",
        task="analytic/ring",
        algorithm="ppo_lagrangian",
        params={},
        seeds=SEEDS,
        seed=0,
        cost_limits={"cost": 5.0},
        returns=(0.0, 0.0),
        costs={"cost": (0.0, 0.0)},
        activation="tanh",
        squash="clip",
        observation_clip=OBSERVATION_CLIP if normalize else None,
    )
    for index, seed in enumerate(SEEDS):
        policy = Policy(description, {**tensors, **bounds}, seed)
        np.testing.assert_allclose(policy.act(observations[index]), expected[index], atol=1e-5)
        np.testing.assert_allclose(policy.act(observations[index, 0]), expected[index, 0], atol=1e-5)
