"""The task table, and finding a task by name."""

import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

from environments.tasks import COST_LIMIT, MULTIPLIER_GRIDS, PAPER_TASKS, TASKS, Task, UnknownTaskError, find_task


@pytest.mark.parametrize(("name", "horizon"), [("Circle1", 500), ("Goal1", 1000), ("Button1", 1000), ("Push1", 1000)])
def test_the_papers_tasks_are_the_point_tasks_with_their_grids(name: str, horizon: int) -> None:
    task = find_task(name)

    assert task == Task(name, f"SafetyPoint{name}-v0", horizon, 25.0, MULTIPLIER_GRIDS[name])
    assert find_task(f"SafetyPoint{name}-v0") is task


@pytest.mark.parametrize("name", PAPER_TASKS)
def test_the_papers_grids_hold_25_ascending_multipliers_from_0(name: str) -> None:
    grid = MULTIPLIER_GRIDS[name]

    assert len(grid) == 25
    assert grid[0] == 0
    assert list(grid) == sorted(set(grid))


def test_the_table_holds_point_and_car_tasks_of_all_levels_and_the_velocity_tasks() -> None:
    for kind in ("Circle", "Goal", "Button", "Push"):
        for level in range(3):
            assert find_task(f"SafetyPoint{kind}{level}-v0").name == f"{kind}{level}"
            assert find_task(f"SafetyCar{kind}{level}-v0").name == f"Car{kind}{level}"
    assert {name for name, task in TASKS.items() if task.multiplier_grid is not None} == set(PAPER_TASKS)
    for agent in ("Ant", "HalfCheetah", "Hopper", "Humanoid", "Swimmer", "Walker2d"):
        task = Task(f"{agent}Velocity", f"Safety{agent}Velocity-v1", 1000, COST_LIMIT)
        assert find_task(f"Safety{agent}Velocity-v1") == task


def test_names_and_ids_are_unique() -> None:
    ids = [task.env_id for task in TASKS.values()]

    assert len(set(ids)) == len(ids)
    assert not set(ids) & {name for name, task in TASKS.items() if not task.is_analytic}
    assert all(name == task.name for name, task in TASKS.items())


def test_a_registered_gymnasium_id_is_a_task_with_its_horizon() -> None:
    assert find_task("Pendulum-v1") == Task("Pendulum-v1", "Pendulum-v1", 200)


def test_an_id_of_safety_gymnasium_outside_the_table_is_found() -> None:
    assert find_task("SafetyDoggoGoal1-v0").horizon == 1000


def test_an_id_with_a_module_is_found_by_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mazes.py").write_text(
        "import gymnasium\ngymnasium.register('Maze-v3', entry_point='mazes:Maze', max_episode_steps=77)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    assert find_task("mazes:Maze-v3") == Task("mazes:Maze-v3", "mazes:Maze-v3", 77)
    assert "Maze-v3" in gymnasium.registry


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Cirle1", "Circle1"),
        ("CarGaol2", "CarGoal2"),
        ("SafetyPointGoal1", "SafetyPointGoal1-v0"),
        ("SafetyPointGoal1-v1", "SafetyPointGoal1-v0"),
        ("PointGoal1", "SafetyPointGoal1-v0"),
        ("HalfCheetaVelocity", "HalfCheetahVelocity"),
        ("analytic/rng", "analytic/ring"),
        ("Pendulun-v1", "Pendulum-v1"),
        ("bandit", "analytic/bandit"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(name: str, nearest: str) -> None:
    with pytest.raises(UnknownTaskError, match=f"but got '{name}'.*Did you mean") as caught:
        find_task(name)

    assert caught.value.name == name
    assert caught.value.nearest[0] == nearest


def test_a_name_near_nothing_is_refused_with_a_few_known_ones() -> None:
    with pytest.raises(UnknownTaskError, match=r"but got 'xyzzy'\. Known tasks include Circle1"):
        find_task("xyzzy")


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(UnknownTaskError, match=r"importing 'no_such_module' failed: No module named"):
        find_task("no_such_module:Maze-v0")


def test_the_table_is_read_without_gymnasium_mujoco_ray_or_torch() -> None:
    code = (
        "import sys; from environments.tasks import find_task; find_task('Circle1'); find_task('analytic/ring');"
        "print([name for name in ('gymnasium', 'mujoco', 'ray', 'torch', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
