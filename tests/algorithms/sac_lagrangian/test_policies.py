import pickle
from pathlib import Path

import numpy as np
import torch

from algorithms.functional.squashed_gaussian import LOG_STD_RANGE, split_outputs
from algorithms.sac_lagrangian.policies import checkpoint_policies
from sweeps.policy import Policy, PolicyDescription
from tests.algorithms.sac_lagrangian.networks import ACTIONS, OBSERVATIONS, make_networks


def test_the_policies_of_a_checkpoint_act_and_explore_as_their_networks(tmp_path: Path) -> None:
    networks = make_networks(seeds=(3, 4)).float()
    networks.policies.data *= 40.0  # so that some log σ leave [−20, 2] on either side
    place = tmp_path / "learner_group/learner/rl_module/default_policy"
    place.mkdir(parents=True)
    (place / "module_state.pkl").write_bytes(pickle.dumps(networks.get_state()))
    tensors = checkpoint_policies(tmp_path, (5, 4), OBSERVATIONS, ACTIONS)
    bounds = {"action_low": np.array([-1.0, -2.0]), "action_high": np.array([1.0, 4.0])}
    description = PolicyDescription(
        study="s",
        trial=0,
        arm="ga",
        task="t",
        algorithm="sac_lagrangian",
        params={},
        seeds=(3, 4),
        seed=4,
        cost_limits={"cost": 25.0},
        returns=(0.0, 0.0),
        costs={"cost": (0.0, 0.0)},
        activation="relu",
        squash="tanh",
        observation_clip=None,
        log_std_range=LOG_STD_RANGE,
    )
    observations = np.random.default_rng(0).normal(size=(7, OBSERVATIONS))
    outputs = networks.policy_outputs(torch.from_numpy(observations).float().expand(2, 7, OBSERVATIONS))
    mean, log_std = (part.detach().double().numpy() for part in split_outputs(outputs))
    assert set(LOG_STD_RANGE) < set(log_std.flat)
    noise = np.random.default_rng(1).standard_normal((7, ACTIONS))
    for seed, row in ((3, 0), (4, 1)):
        policy = Policy(description, {**tensors, **bounds}, seed)
        explored = mean[row] + noise * np.exp(log_std[row])
        for unsquashed, acted in (
            (mean[row], policy.act(observations)),
            (explored, policy.act(observations, np.random.default_rng(1))),
        ):
            expected = np.tanh(unsquashed) * np.array([1.0, 3.0]) + np.array([0.0, 1.0])
            np.testing.assert_allclose(acted, expected, atol=1e-4)
