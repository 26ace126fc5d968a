"""What every `EnvBatch` must do: subclass `EnvBatchContract` and fill its fixture."""

from typing import Protocol

import numpy as np
import pytest

from environments.batch import BatchStep, EnvBatch


class MakeBatch(Protocol):
    """Builds a batch of the implementation under test."""

    def __call__(self, env_seeds: list[int]) -> EnvBatch: ...


def draw_actions(batch: EnvBatch, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(batch.action_low, batch.action_high, (batch.num_envs, batch.action_size))


def roll(batch: EnvBatch, steps: int, *, rows: slice = slice(None), width: int | None = None) -> list[BatchStep]:
    """Random steps; `rows` of a batch of `width` environments get the actions that they would get there."""
    rng = np.random.default_rng(5)
    width = width or batch.num_envs
    shape = (width, batch.action_size)
    return [batch.step(rng.uniform(batch.action_low, batch.action_high, shape)[rows]) for _ in range(steps)]


class EnvBatchContract:
    """Episodes must be cut by `horizon` within `steps_to_an_end` random steps.

    Attributes:
        steps_to_an_end: Steps within which some episode of three ends.
        truncates_only: Whether no episode of the task ever terminates.
    """

    steps_to_an_end: int
    truncates_only: bool = True

    @pytest.fixture
    def make(self) -> MakeBatch:
        """To be filled: what builds a batch."""
        raise NotImplementedError

    def test_arrays_have_the_shapes_and_types_of_the_contract(self, make: MakeBatch) -> None:
        batch = make([1, 2, 3])
        observations = batch.reset()
        step = batch.step(np.zeros((3, batch.action_size)))

        assert (batch.num_envs, batch.cost_names) == (3, ("cost",))
        assert batch.env_seeds.tolist() == [1, 2, 3]
        assert batch.action_low.shape == batch.action_high.shape == (batch.action_size,)
        for array in (observations, step.observations, step.final_observations):
            assert (array.shape, array.dtype) == ((3, batch.observation_size), np.float64)
        assert (step.rewards.shape, step.rewards.dtype) == ((3,), np.float64)
        assert (step.costs.shape, step.costs.dtype) == ((3, 1), np.float64)
        for array in (step.terminated, step.truncated):
            assert (array.shape, array.dtype) == ((3,), np.bool_)

    def test_arrays_belong_to_the_caller(self, make: MakeBatch) -> None:
        batch = make([1, 2])
        first = batch.reset()
        before = first.copy()
        step = batch.step(np.ones((2, batch.action_size)))
        kept = [array.copy() for array in step]
        batch.step(-np.ones((2, batch.action_size)))

        np.testing.assert_array_equal(first, before)
        for array, copy in zip(step, kept, strict=True):
            np.testing.assert_array_equal(array, copy)

    def test_costs_are_never_negative(self, make: MakeBatch) -> None:
        batch = make([1, 2, 3])
        batch.reset()

        assert all((step.costs >= 0).all() for step in roll(batch, 20))

    def test_an_episode_that_ends_is_reset_within_the_step(self, make: MakeBatch) -> None:
        batch = make([1, 2, 3])
        batch.reset()
        is_new: list[bool] = []
        for step in roll(batch, self.steps_to_an_end):
            ended = step.terminated | step.truncated
            np.testing.assert_array_equal(step.final_observations[~ended], step.observations[~ended])
            is_new += (step.final_observations[ended] != step.observations[ended]).any(axis=1).tolist()

        assert len(is_new) > 0
        assert sum(is_new) > len(is_new) / 2  # where states are few, an episode may begin where the last one ended

    def test_the_time_limit_truncates_and_never_terminates(self, make: MakeBatch) -> None:
        batch = make([1, 2, 3])
        assert batch.horizon is not None
        batch.reset()
        clocks = np.zeros(3, dtype=int)
        for step in roll(batch, self.steps_to_an_end):
            clocks += 1
            assert not (step.terminated & step.truncated).any()
            np.testing.assert_array_equal(step.truncated, (clocks == batch.horizon) & ~step.terminated)
            assert not (self.truncates_only and step.terminated.any())
            clocks[step.terminated | step.truncated] = 0

    def test_an_environment_sees_the_same_whatever_runs_beside_it(self, make: MakeBatch) -> None:
        steps = self.steps_to_an_end
        alone, beside = make([7]), make([3, 7, 11])

        np.testing.assert_array_equal(alone.reset()[0], beside.reset()[1])
        for one, many in zip(roll(alone, steps, rows=slice(1, 2), width=3), roll(beside, steps), strict=True):
            for array, other in zip(one, many, strict=True):
                np.testing.assert_array_equal(array[0], other[1])

    def test_another_seed_gives_another_episode(self, make: MakeBatch) -> None:
        batch = make([1, 2])
        trace = [batch.reset(), *(step.observations for step in roll(batch, 5))]

        assert any(not np.array_equal(observations[0], observations[1]) for observations in trace)

    def test_resetting_starts_again_from_the_seeds(self, make: MakeBatch) -> None:
        batch = make([1, 2])
        first = batch.reset()
        steps = roll(batch, 8)

        np.testing.assert_array_equal(batch.reset(), first)
        for before, after in zip(steps, roll(batch, 8), strict=True):
            np.testing.assert_array_equal(before.observations, after.observations)

    def test_actions_beyond_the_bounds_are_clipped(self, make: MakeBatch) -> None:
        inside, outside = make([1]), make([1])
        inside.reset()
        outside.reset()
        high = inside.action_high[None]

        for array, other in zip(inside.step(high), outside.step(high + 100.0), strict=True):
            np.testing.assert_array_equal(array, other)

    def test_bad_actions_name_the_environment(self, make: MakeBatch) -> None:
        batch = make([1, 2, 3])
        batch.reset()
        actions = np.zeros((3, batch.action_size))
        actions[2, 0] = np.nan

        with pytest.raises(ValueError, match="environment 2 got"):
            batch.step(actions)
        with pytest.raises(ValueError, match=r"actions\.shape"):
            batch.step(actions[:2])

    def test_stepping_before_the_first_reset_is_refused(self, make: MakeBatch) -> None:
        batch = make([1])

        with pytest.raises(RuntimeError, match="reset"):
            batch.step(np.zeros((1, batch.action_size)))

    def test_a_saved_state_continues_exactly(self, make: MakeBatch) -> None:
        batch = make([1, 2])
        if not batch.saves_state:
            with pytest.raises(NotImplementedError, match="saves_state=False"):
                batch.get_state()
            return
        batch.reset()
        roll(batch, 13)
        state = batch.get_state()
        expected = roll(batch, self.steps_to_an_end)
        restored = make([1, 2])
        restored.set_state(state)

        for one, other in zip(expected, roll(restored, self.steps_to_an_end), strict=True):
            for array, same in zip(one, other, strict=True):
                np.testing.assert_array_equal(array, same)
