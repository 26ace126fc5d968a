"""The fast path against the plain environments, bit for bit and running free, on every task and kind of cost."""

import pytest

from environments.navigation.upstream import describe
from tests.environments.navigation.reference import compare

AGENTS = ("Point", "Car")
TASKS = [f"{family}{level}" for family in ("Circle", "Goal", "Push", "Button") for level in (0, 1, 2)]


@pytest.mark.parametrize(
    ("task", "seed", "steps", "events"),
    [
        ("PointCircle1", 3, 520, {"out_of_boundary", "episodes"}),
        ("PointGoal1", 10, 150, {"hazards", "goal_met"}),
        ("PointGoal2", 25, 150, {"hazards", "vases_contact", "vases_velocity", "goal_met"}),
        ("PointPush1", 59, 150, {"hazards", "goal_met"}),
        ("PointButton1", 43, 150, {"hazards", "buttons", "gremlins"}),
        ("PointButton1", 31, 150, {"goal_met"}),
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
