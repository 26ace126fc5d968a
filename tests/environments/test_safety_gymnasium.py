"""The compatibility layer: every task of the table runs, and stripping textures changes no bit of a trajectory."""

import importlib
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from environments.safety_gymnasium import install, make, stiffen_welds, strip_textures
from environments.tasks import TASKS

GOLDEN = Path(__file__).parent / "golden" / "safety_gymnasium_first_steps.npz"


def as_published(env_id: str) -> gymnasium.Env:
    """The environment as the package builds it, textures and all."""
    install()
    package: Any = importlib.import_module("safety_gymnasium")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="overflow encountered in cast", category=RuntimeWarning)
        return package.make(env_id, disable_env_checker=True)


def trajectory(env: Any, resets: tuple[int | None, ...], steps: int) -> list[bytes]:
    """Everything that the environment returns, as bytes, so that equality is of bits."""
    rng = np.random.default_rng(0)
    seen: list[bytes] = []
    for seed in resets:
        seen.append(env.reset(seed=seed)[0].tobytes())
        for _ in range(steps):
            observation, reward, cost, *_ = env.step(rng.uniform(-1.0, 1.0, env.action_space.shape))
            seen += [observation.tobytes(), np.float64(reward).tobytes(), np.float64(cost).tobytes()]
    return seen


@pytest.mark.parametrize(
    "name",
    [
        "Circle1",
        "CarGoal1",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("Goal2", "Push1", "Button1", "Run0")),
    ],
)
def test_trajectories_without_textures_are_bit_for_bit_those_of_the_published_environment(name: str) -> None:
    env_id = TASKS[name].env_id
    resets, steps = (3, None, 4), 25

    assert trajectory(make(env_id), resets, steps) == trajectory(as_published(env_id), resets, steps)


@pytest.mark.parametrize(
    ("name", "seed", "steps"),
    [
        *((name, seed, 5) for name in ("Circle1", "Goal1", "Goal2", "Push1") for seed in (0, 1)),
        *((name, seed, 5) for name in ("HalfCheetahVelocity", "HopperVelocity") for seed in (0, 1)),
        ("Button1", 0, 0),  # two of its gremlins, on the floor, move otherwise from the first step on
        ("Button1", 1, 5),  # held by their welds alone
    ],
)
def test_first_steps_are_those_of_the_stack_that_the_package_was_published_for(
    name: str, seed: int, steps: int
) -> None:
    # NumPy 2's sine and cosine round differently from 1.23's, which moves layouts by about 1e-15.
    with np.load(GOLDEN) as file:
        golden = {key: file[f"{name}/{seed}/{key}"] for key in ("observations", "rewards", "costs")}
    rng = np.random.default_rng(seed)
    env: Any = make(TASKS[name].env_id)
    np.testing.assert_allclose(env.reset(seed=seed)[0], golden["observations"][0], rtol=0, atol=1e-9)
    for step in range(steps):
        observation, reward, cost, *_ = env.step(rng.uniform(-1.0, 1.0, env.action_space.shape))
        np.testing.assert_allclose(observation, golden["observations"][step + 1], rtol=0, atol=1e-6)
        assert reward == pytest.approx(golden["rewards"][step], abs=1e-6)
        assert cost == golden["costs"][step]


def test_a_weld_turns_as_stiffly_as_it_pulls() -> None:
    model = """<mujoco><worldbody><body name="hand" mocap="true"/>
        <body name="cube" pos="1 0 0"><freejoint/><geom type="box" size=".1 .1 .1"/></body></worldbody>
        <equality><weld body1="hand" body2="cube"/></equality></mujoco>"""
    stiffened = mujoco.MjModel.from_xml_string(stiffen_welds(model))
    data = mujoco.MjData(stiffened)
    mujoco.mj_forward(stiffened, data)

    # Softness of a row in the error as it was before torquescale multiplied it; MuJoCo 2 gave all six rows the same.
    softness = data.efc_R / np.array([1.0, 1.0, 1.0, *3 * [stiffened.eq_data[0, 10] ** 2]])
    np.testing.assert_allclose(softness, softness[0], rtol=1e-12)


def test_a_model_without_welds_is_left_as_it_is() -> None:
    assert stiffen_welds("<mujoco>  <worldbody/></mujoco>") == "<mujoco>  <worldbody/></mujoco>"


@pytest.mark.parametrize("task", [t for t in TASKS.values() if not t.is_analytic], ids=lambda task: task.name)
def test_every_task_of_the_table_resets_steps_and_reports_a_cost(task: Any) -> None:
    env: Any = make(task.env_id)
    observation, _ = env.reset(seed=0)
    observation, reward, cost, terminated, truncated, info = env.step(np.zeros(env.action_space.shape))

    assert np.isfinite(observation).all()
    assert np.isfinite(reward)
    assert cost in (0.0, 1.0)
    assert not terminated
    assert not truncated
    if task.name.endswith(("1", "2")) and not task.name.startswith("Fading"):
        assert len([name for name in info if name.startswith("cost_") and name != "cost_sum"]) >= 1


@pytest.mark.parametrize("task", [t for t in TASKS.values() if not t.is_analytic], ids=lambda task: task.name)
def test_the_horizon_of_the_table_is_the_registered_one(task: Any) -> None:
    install()

    assert gymnasium.spec(task.env_id).max_episode_steps == task.horizon


def test_agents_with_angle_sensors_and_hinges_run() -> None:
    for env_id in ("SafetyDoggoGoal1-v0", "SafetyAntGoal1-v0"):  # one-element arrays, where NumPy and MuJoCo changed
        env: Any = make(env_id)
        env.reset(seed=0)
        assert np.isfinite(env.step(np.zeros(env.action_space.shape))[0]).all()


def test_stripping_removes_textures_and_references_to_them_and_nothing_else() -> None:
    xml = """<mujoco>
      <asset>
        <texture name="grid" builtin="checker" type="2d" width="8" height="8"/>
        <material name="floor" texture="grid" rgba="1 0 0 1"/>
        <mesh name="rock" file="rock.obj"/>
      </asset>
      <worldbody><geom name="floor" type="plane" size="1 1 1" material="floor"/></worldbody>
    </mujoco>"""

    root = ET.fromstring(strip_textures(xml))

    assert [element.tag for element in root.iter()] == [
        "mujoco", "asset", "material", "mesh", "worldbody", "geom"
    ]  # fmt: skip
    assert root.find("asset/material").attrib == {"name": "floor", "rgba": "1 0 0 1"}  # type: ignore[union-attr]
    assert root.find("worldbody/geom").get("material") == "floor"  # type: ignore[union-attr]


def test_a_rendering_environment_keeps_its_textures() -> None:
    env: Any = make("SafetyPointCircle1-v0", render_mode="rgb_array")
    env.reset(seed=0)

    assert env.unwrapped.task.model.ntex > 0


def test_an_environment_that_does_not_render_has_no_textures() -> None:
    env: Any = make("SafetyPointCircle1-v0")
    env.reset(seed=0)

    assert env.unwrapped.task.model.ntex == 0


def test_installing_twice_changes_nothing() -> None:
    install()
    mujoco: Any = importlib.import_module("mujoco")
    before = mujoco.MjModel.jnt, gymnasium.envs.registration.EnvSpec.__init__
    install()

    assert (mujoco.MjModel.jnt, gymnasium.envs.registration.EnvSpec.__init__) == before


def test_installing_leaves_no_stand_in_for_gymnasium_robotics_and_imports_no_torch_or_ray() -> None:
    code = (
        "import sys; from environments.safety_gymnasium import install; install();"
        "print([name for name in ('gymnasium_robotics', 'torch', 'ray') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


def test_warnings_of_mujoco_go_to_logging_rather_than_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("DEBUG"):
        make("SafetyHalfCheetahVelocity-v1")

    assert "MuJoCo: compiler attribute 'settotalmass' is deprecated" in caplog.text
    assert list(tmp_path.iterdir()) == []
