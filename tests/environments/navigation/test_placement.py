"""Layouts and goals against Safety-Gymnasium's own generator."""

from typing import Any

import numpy as np
import pytest

from environments.navigation.placement import sample_goal, sample_layout
from environments.navigation.random_state import next_double, seed_generator
from environments.navigation.upstream import describe
from environments.safety_gymnasium import make


@pytest.mark.parametrize("task", ["PointCircle2", "PointGoal2", "CarPush2", "PointButton1"])
def test_layouts_and_goals_are_upstreams(task: str) -> None:
    env_id = f"Safety{task}-v0"
    placement = describe(env_id).placement
    plain: Any = make(env_id)
    plain.reset(seed=0)
    upstream = plain.unwrapped.task.random_generator
    spots, angles = np.empty((len(placement.body), 2)), np.empty(len(placement.body))
    for seed in range(3 if "Button" in task else 20):
        generator = seed_generator(seed)
        upstream.set_random_seed(seed)
        assert sample_layout(generator, placement, spots, angles)
        layout = upstream.build_layout()

        assert spots.tolist() == [spot.tolist() for spot in layout.values()]
        assert angles.tolist() == [upstream.random_rot() for _ in angles]
        if placement.goal >= 0 and "Button" not in task:
            del layout["goal"]
            while not upstream.sample_goal_position():
                pass
            assert sample_goal(generator, placement, spots)
            assert spots[placement.goal].tolist() == layout["goal"].tolist()
        assert next_double(generator) == upstream.uniform(0.0, 1.0)


def test_objects_keep_their_gaps_and_lie_in_their_rectangles() -> None:
    placement = describe("SafetyPointGoal2-v0").placement
    generator = seed_generator(1)
    spots, angles = np.empty((22, 2)), np.empty(22)
    for _ in range(50):
        assert sample_layout(generator, placement, spots, angles)
        distances = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 9.0 * np.eye(22)

        assert (distances >= placement.gaps - 1e-12).all()
        assert (spots >= placement.rectangles[:, :2]).all()
        assert (spots <= placement.rectangles[:, :2] + placement.rectangles[:, 2:]).all()


def test_a_goal_that_fits_nowhere_is_given_up_after_ten_thousand_draws() -> None:
    placement = describe("SafetyPointGoal0-v0").placement
    placement = placement._replace(gaps=np.full((2, 2), 9.0))
    generator, reference = seed_generator(1), np.random.RandomState(1)
    spots = np.zeros((2, 2))

    assert not sample_goal(generator, placement, spots)
    reference.random_sample(20_000)
    assert next_double(generator) == reference.random_sample()
