"""The general adapter: the contract on Safety-Gymnasium and on a plain environment, and what it refuses."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Sequence

from environments.batch import EnvBatch
from environments.gymnasium_batch import GymnasiumBatch
from environments.safety_gymnasium import make as make_safety
from tests.contracts.env_batch import EnvBatchContract, MakeBatch


class Walk(gymnasium.Env[Any, Any]):
    """A random walk pushed by the action; costs in `info`; terminates beyond `edge`."""

    def __init__(self, *, edge: float = np.inf, report: str = "total", space: Any = None, action: Any = None) -> None:
        self.observation_space = space or Box(-np.inf, np.inf, (2,))
        self.action_space = action or Box(-1.0, 1.0, (1,))
        self.edge = edge
        self.report = report
        self.position = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.position = self.np_random.normal(size=2)
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.position = self.position + self.np_random.normal(size=2) + np.ravel(action)
        cost = float(abs(self.position[0]) > 1.0)
        reported = {
            "total": {"cost": cost},
            "kinds": {"cost": cost + 2.0, "cost_left": cost, "cost_right": 2.0},
            "nothing": {},
            "negative": {"cost": -1.0},
            "nan": {"cost": float("nan")},
        }
        return (
            self._observe(),
            float(action.sum()),
            bool(abs(self.position[1]) > self.edge),
            False,
            reported[self.report],
        )

    def _observe(self) -> Any:
        if isinstance(self.observation_space, Dict):
            return {"x": self.position[:1].astype(np.float32), "side": int(self.position[1] > 0)}
        return self.position.astype(np.float32)


def register(name: str, **kwargs: Any) -> str:
    env_id = f"{name}-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(env_id, entry_point=Walk, max_episode_steps=12, kwargs=kwargs)
    return env_id


def make_batch(env_id: str, env_seeds: list[int], cost_names: tuple[str, ...] = ("cost",)) -> GymnasiumBatch:
    return GymnasiumBatch(env_id, num_envs=len(env_seeds), env_seeds=np.array(env_seeds), cost_names=cost_names)


class TestAPlainEnvironment(EnvBatchContract):
    steps_to_an_end = 30

    @pytest.fixture
    def make(self) -> MakeBatch:
        return lambda env_seeds: make_batch(register("Walk"), env_seeds)


class TestATerminatingEnvironment(EnvBatchContract):
    steps_to_an_end = 60
    truncates_only = False

    @pytest.fixture
    def make(self) -> MakeBatch:
        return lambda env_seeds: make_batch(register("EdgyWalk", edge=4.0), env_seeds)


class TestCircle1(EnvBatchContract):
    steps_to_an_end = 501

    @pytest.fixture
    def make(self) -> MakeBatch:
        return lambda env_seeds: make_batch("SafetyPointCircle1-v0", env_seeds)


class TestAVelocityTask(EnvBatchContract):
    steps_to_an_end = 60
    truncates_only = False  # a random Hopper falls within some 20 steps

    @pytest.fixture
    def make(self) -> MakeBatch:
        return lambda env_seeds: make_batch("SafetyHopperVelocity-v1", env_seeds)


@pytest.mark.slow
class TestGoal1(EnvBatchContract):
    steps_to_an_end = 1001

    @pytest.fixture
    def make(self) -> MakeBatch:
        return lambda env_seeds: make_batch("SafetyPointGoal1-v0", env_seeds)


def test_an_environment_does_what_the_plain_one_does_with_its_seed() -> None:
    batch = make_batch("SafetyPointGoal1-v0", [4, 9])
    env: Any = make_safety("SafetyPointGoal1-v0")
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(batch.reset()[1], env.reset(seed=9)[0])
    for _ in range(20):
        actions = rng.uniform(-1, 1, (2, 2))
        step = batch.step(actions)
        observation, reward, cost, *_ = env.step(actions[1])
        np.testing.assert_array_equal(step.observations[1], observation)
        assert (step.rewards[1], step.costs[1, 0]) == (reward, cost)


def test_costs_are_those_of_the_kinds_asked_for_in_their_order() -> None:
    batch = make_batch(register("KindsWalk", report="kinds"), [1], ("right", "cost", "left"))
    batch.reset()
    (right, total, left) = batch.step(np.zeros((1, 1))).costs[0]

    assert right == 2.0
    assert total == right + left


def test_kinds_of_cost_of_a_safety_gymnasium_task_sum_to_its_cost() -> None:
    names = ("cost", "hazards", "gremlins", "buttons")
    batch = make_batch("SafetyPointButton1-v0", [2], names)
    batch.reset()
    rng = np.random.default_rng(1)
    costs = np.concatenate([batch.step(rng.uniform(-1, 1, (1, 2))).costs for _ in range(150)])

    assert costs[:, 0].sum() > 0
    np.testing.assert_array_equal(costs[:, 0], costs[:, 1:].sum(axis=1))


def test_an_environment_without_a_cost_is_refused_by_name_and_step() -> None:
    batch = make_batch(register("FreeWalk", report="nothing"), [1, 2])
    batch.reset()

    with pytest.raises(ValueError, match=r"environment 0 \(FreeWalk-v0\) at step 1 of its episode reported none"):
        batch.step(np.zeros((2, 1)))


def test_an_unknown_kind_of_cost_is_refused_with_the_known_ones() -> None:
    batch = make_batch(register("KindsWalk", report="kinds"), [1], ("middle",))
    batch.reset()

    with pytest.raises(ValueError, match=r"'cost_middle'.*\['cost', 'cost_left', 'cost_right'\]"):
        batch.step(np.zeros((1, 1)))


@pytest.mark.parametrize("report", ["negative", "nan"])
def test_a_cost_that_is_none_is_refused(report: str) -> None:
    batch = make_batch(register(f"{report.title()}Walk", report=report), [1])
    batch.reset()

    with pytest.raises(ValueError, match=r"`0 <= cost < inf` must hold.*reported cost="):
        batch.step(np.zeros((1, 1)))


def test_discrete_actions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`action_space` must be a Box of floats, but DiscreteWalk-v0 has Discrete"):
        make_batch(register("DiscreteWalk", action=Discrete(2)), [1])


def test_observations_that_cannot_be_flattened_are_refused() -> None:
    space = Sequence(Box(0.0, 1.0))
    with pytest.raises(ValueError, match="`observation_space` must flatten to a Box, but SequenceWalk-v0 has Sequence"):
        make_batch(register("SequenceWalk", space=space), [1])


def test_dictionaries_of_observations_are_flattened() -> None:
    space = Dict({"x": Box(-np.inf, np.inf, (1,)), "side": Discrete(2)})
    batch = make_batch(register("DictWalk", space=space), [1, 2])
    observations = batch.reset()

    # Gymnasium flattens in the order of the keys: side (one-hot of 2), then x.
    assert observations.shape == (2, batch.observation_size) == (2, 3)
    np.testing.assert_array_equal(observations[:, :2].sum(axis=1), [1.0, 1.0])


def test_actions_keep_the_shape_of_their_space() -> None:
    batch = make_batch(register("MatrixWalk", action=Box(-1.0, 1.0, (1, 2))), [1])
    batch.reset()

    assert batch.action_size == 2
    assert batch.step(np.array([[0.25, 0.5]])).rewards[0] == 0.75


def test_a_step_both_terminated_and_truncated_counts_as_terminated() -> None:
    class Ends(Walk):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            return self._observe(), 0.0, True, True, {"cost": 0.0}

    gymnasium.register("Ends-v0", entry_point=Ends, max_episode_steps=5)
    batch: EnvBatch = make_batch("Ends-v0", [1])
    batch.reset()
    step = batch.step(np.zeros((1, 1)))

    assert (step.terminated.tolist(), step.truncated.tolist()) == ([True], [False])


def test_episode_costs_are_those_of_the_plain_environment_over_whole_episodes() -> None:
    env_id = register("Walk")
    batch = make_batch(env_id, [1])
    batch.reset()
    summed, totals = 0.0, []
    for _ in range(36):
        step = batch.step(np.full((1, 1), 0.5))
        summed += step.costs[0, 0]
        if step.truncated[0]:
            totals.append(summed)
            summed = 0.0
    env = gymnasium.make(env_id)
    env.reset(seed=1)
    expected = []
    for _ in range(3):
        infos = [env.step(np.full(1, 0.5, np.float32)) for _ in range(12)]
        expected.append(sum(info["cost"] for *_, info in infos))
        env.reset()

    assert totals == expected
    assert sum(totals) > 0
