"""Steps a `NavigationBatch` and plain environments side by side, with nothing carried over between them."""

from collections import Counter
from typing import Any

import mujoco
import numpy as np

from environments.batch import BatchStep
from environments.navigation import NavigationBatch
from environments.navigation.upstream import describe
from environments.safety_gymnasium import make
from tests.environments.navigation.driver import ROUND, drive


def compare(env_id: str, seeds: list[int], steps: int) -> Counter[str]:
    """Drives both through the same actions and requires the same of both at every step.

    Both run free: after the seed nothing is copied from one to the other. Positions, rewards and costs must be equal
    to the last bit (Circle's rewards to 1e-15: its velocity is put together in another order), observations to 1e-9.
    No pushing skill is needed for Push's goals: now and then the box is put on the goal, in both.

    Args:
        env_id: The task.
        seeds: One for each environment.
        steps: How many steps; resets within them are without a seed.

    Returns:
        How often what happened: `goal_met`, `episodes`, and each cost by its name.
    """
    names = describe(env_id).cost_names
    batch = NavigationBatch(env_id, len(seeds), np.array(seeds), names)
    plain: list[Any] = [make(env_id) for _ in seeds]
    first = np.array([env.reset(seed=seed)[0] for env, seed in zip(plain, seeds, strict=True)])
    assert largest_difference(batch.reset(), first) <= 1e-9
    happened: Counter[str] = Counter()
    rng = np.random.default_rng(0)
    for step in range(steps):
        if "Push" in env_id and step % ROUND == ROUND // 2:
            put_boxes_on_goals(batch, plain)
        actions = drive(batch, step, rng)
        result = batch.step(actions)
        for row, env in enumerate(plain):
            happened += compare_row(env, env_id, actions[row], result, row, names)
            assert largest_difference(batch._data[row].qpos, env.unwrapped.task.data.qpos) == 0.0
    return happened


def compare_row(
    env: Any, env_id: str, action: Any, result: BatchStep, row: int, names: tuple[str, ...]
) -> Counter[str]:
    """Steps one plain environment and compares; counts what happened."""
    observation, reward, cost, terminated, truncated, info = env.step(action)
    info = {"cost_cost": cost, **info}
    assert largest_difference(result.final_observations[row], observation) <= 1e-9
    assert abs(result.rewards[row] - reward) <= (1e-15 if "Circle" in env_id else 0.0)
    assert result.costs[row].tolist() == [info.get(f"cost_{name}", 0.0) for name in names]
    assert (result.terminated[row], result.truncated[row]) == (terminated, truncated and not terminated)
    if terminated or truncated:
        assert largest_difference(result.observations[row], env.reset()[0]) <= 1e-9
    happened = Counter({name: int(info.get(f"cost_{name}", 0.0)) for name in names})
    return happened + Counter(goal_met=int(info.get("goal_met", False)), episodes=int(terminated or truncated))


def largest_difference(one: Any, other: Any) -> float:
    """The largest difference of two arrays; NaN, which no bound holds, if either has one."""
    return float(np.abs(one - other).max())


def put_boxes_on_goals(batch: NavigationBatch, plain: list[Any]) -> None:
    """Moves the box onto the goal where the agent is not in the way, in both implementations."""
    for row, env in enumerate(plain):
        model, data = batch._models[row], batch._data[row]
        goal, agent = data.body("goal").xpos, data.body("agent").xpos
        if np.linalg.norm(goal - agent) > 0.8:
            for other in (data, env.unwrapped.task.data):
                other.joint("push_box").qpos[:2] = goal[:2]
            mujoco.mj_forward(model, data)  # a step takes the positions as they were after the last one
