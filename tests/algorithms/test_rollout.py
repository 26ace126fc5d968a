import numpy as np
import torch

from algorithms.normalizer import no_moments
from algorithms.rollout import EpisodeSums, Rollout, RolloutBuilder, join
from environments.batch import BatchStep


def make_step(rewards: list[float], terminated: list[bool], truncated: list[bool]) -> BatchStep:
    """One step of two environments of one seed; the cost is ten times the reward."""
    reward = np.array(rewards)
    observations = np.zeros((2, 3))
    return BatchStep(
        observations, reward, 10.0 * reward[:, None], np.array(terminated), np.array(truncated), observations
    )


def build(steps: list[BatchStep], sums: EpisodeSums) -> Rollout:
    builder = RolloutBuilder((len(steps), 1, 2), 3, 1, 1)
    builder.observations[:] = 0.0
    builder.actions.zero_()
    for t, step in enumerate(steps):
        truncated = builder.record(t, step, sums)
        if truncated.any():
            builder.cut(t, truncated, np.full((1, 2, 3), t + 0.5, np.float32))
    return builder.build(torch.zeros(len(steps), 1, 2), no_moments(1, 3))


def test_episodes_are_summed_whole_also_across_rollouts() -> None:
    sums = EpisodeSums(1, 2, 1)
    first = build([make_step([1.0, 2.0], [False] * 2, [False] * 2)] * 2, sums)
    assert len(first.episodes.returns) == 0
    second = build([make_step([4.0, 8.0], [False, True], [False, False])], sums)
    # Environment 1: 2 + 2 + 8 = 12, at ten times the cost; environment 0 goes on with 1 + 1 + 4.
    np.testing.assert_array_equal(second.episodes.returns, [12.0])
    np.testing.assert_array_equal(second.episodes.costs, [[120.0]])
    third = build([make_step([16.0, 32.0], [False, False], [True, True])], sums)
    np.testing.assert_array_equal(third.episodes.returns, [22.0, 32.0])


def test_a_terminated_episode_is_never_called_truncated() -> None:
    rollout = build([make_step([1.0, 1.0], [True, False], [True, True])], EpisodeSums(1, 2, 1))
    assert rollout.terminated.flatten().tolist() == [True, False]
    assert rollout.truncated.flatten().tolist() == [False, True]
    np.testing.assert_array_equal(rollout.cut_at, [[0], [0], [1]])
    np.testing.assert_array_equal(rollout.cut_observations, [[0.5, 0.5, 0.5]])


def test_episodes_belong_to_their_seed() -> None:
    sums = EpisodeSums(2, 1, 1)
    episodes = sums.add(np.array([[1.0], [2.0]]), np.array([[[3.0]], [[4.0]]]), np.array([[True], [True]]))
    assert episodes is not None
    returns, costs = episodes.of_seed(1)
    assert returns.tolist() == [2.0]
    assert costs.tolist() == [[4.0]]


def test_joined_rollouts_stand_side_by_side() -> None:
    sums = [EpisodeSums(1, 2, 1), EpisodeSums(1, 2, 1)]
    quiet, cut = [make_step([1.0, 2.0], [False] * 2, [False] * 2)], [make_step([3.0, 4.0], [False] * 2, [False, True])]
    joined = join([build(quiet, sums[0]), build(cut, sums[1])], no_moments(1, 3))
    assert joined.rewards.tolist() == [[[1.0, 2.0, 3.0, 4.0]]]
    np.testing.assert_array_equal(joined.cut_at, [[0], [0], [3]])
    np.testing.assert_array_equal(joined.episodes.returns, [4.0])
    assert len(joined) == 4
