"""The fast path against the plain environments, bit for bit and running free, on every task and kind of cost."""

from pathlib import Path

import numpy as np
import pytest

from environments.navigation import NavigationBatch
from environments.navigation.upstream import describe
from tests.environments.navigation.reference import compare

GOLDEN = Path(__file__).parents[1] / "golden" / "safety_gymnasium_first_steps.npz"
AGENTS = ("Point", "Car")
TASKS = [f"{family}{level}" for family in ("Circle", "Goal", "Push", "Button") for level in (0, 1, 2)]


@pytest.mark.parametrize(
    ("task", "seed", "steps", "events"),
    [
        ("PointCircle1", 3, 520, {"out_of_boundary", "episodes"}),
        ("PointGoal1", 10, 150, {"hazards", "goal_met"}),
        ("PointGoal2", 25, 150, {"hazards", "vases_contact", "vases_velocity", "goal_met"}),
        ("PointPush1", 59, 150, {"hazards", "goal_met"}),
        ("PointButton1", 0, 150, {"hazards", "buttons", "gremlins"}),
        ("PointButton1", 11, 150, {"goal_met"}),
        ("CarCircle2", 3, 150, {"out_of_boundary"}),
    ],
)
def test_steps_as_the_plain_environment_does(task: str, seed: int, steps: int, events: set[str]) -> None:
    happened = compare(f"Safety{task}-v0", seeds=[seed], steps=steps)

    assert events <= {name for name, count in happened.items() if count > 0}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("agent", AGENTS)
def test_twenty_episodes_are_those_of_the_plain_environment(agent: str, task: str) -> None:
    env_id = f"Safety{agent}{task}-v0"
    horizon = describe(env_id).rules.horizon

    happened = compare(env_id, seeds=list(range(10)), steps=2 * horizon + 20)

    assert happened["episodes"] >= 20
    assert happened["goal_met"] > 0 or task.startswith("Circle")
    for name in describe(env_id).cost_names:
        assert happened[name] > 0 or task.endswith("0"), name


@pytest.mark.parametrize(
    ("name", "seed", "steps"),
    [
        *((name, seed, 5) for name in ("Circle1", "Goal1", "Goal2", "Push1") for seed in (0, 1)),
        ("Button1", 0, 0),  # two of its gremlins, on the floor, move otherwise from the first step on
        ("Button1", 1, 5),
    ],
)
def test_episodes_begin_as_on_the_original_stack(name: str, seed: int, steps: int) -> None:
    with np.load(GOLDEN) as file:
        golden = {key: file[f"{name}/{seed}/{key}"] for key in ("observations", "rewards", "costs")}
    batch = NavigationBatch(f"SafetyPoint{name}-v0", 1, np.array([seed]))
    rng = np.random.default_rng(seed)

    np.testing.assert_allclose(batch.reset()[0], golden["observations"][0], rtol=0, atol=1e-9)
    for step in range(steps):
        result = batch.step(rng.uniform(-1, 1, 2)[None])
        np.testing.assert_allclose(result.observations[0], golden["observations"][step + 1], rtol=0, atol=1e-6)
        assert result.rewards[0] == pytest.approx(golden["rewards"][step], abs=1e-6)
        assert result.costs[0, 0] == golden["costs"][step]
