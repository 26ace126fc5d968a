"""Videos of a policy in its task's own environment: MuJoCo over EGL, encoded by imageio-ffmpeg's own ffmpeg.

MuJoCo decides how it renders when it is first imported, so that a process of its own does it: `python -m
sweeps.rendering POLICY VIDEO EPISODES STEPS SEED`. It needs no screen and no GPU; on Debian the packages libegl1 and
libgl1-mesa-dri.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.tasks import find_task
from sweeps.policy import Policy, PolicyError, load_policy

_SEED = 1_999_999_973
_SIZE = 384
_BORDER = 6
_RED = (213, 60, 0)
_FPS = 30


def render(policy: Policy, path: Path, *, episodes: int = 1, steps: int | None = None, seed: int | None = None) -> Path:
    """Records episodes; frames of a step that costs have a red border.

    Args:
        policy: The policy, which acts without noise.
        path: The video, `….mp4`; its folder is made where it does not exist.
        episodes: Episodes, one after the other, ≥ 1.
        steps: Steps of an episode that are shown, ≥ 1; None: all.
        seed: What the first episode's environment is reset with; None takes a held-out one.

    Returns:
        The path.

    Raises:
        PolicyError: If the task has nothing to render, or rendering fails; says why.
        ValueError: If a number is not positive or the path does not end in `.mp4`.
    """
    if episodes < 1 or (steps is not None and steps < 1) or path.suffix != ".mp4":
        raise ValueError(
            f"`episodes >= 1`, `steps >= 1` and a path `….mp4` must hold, but got {episodes}, {steps}, {path}."
        )
    if find_task(policy.description.task).is_analytic:
        raise PolicyError(f"task {policy.description.task} is a table of numbers: there is nothing to render.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lagsweep-render-") as folder:
        policy.export(folder)
        command = [sys.executable, "-m", "sweeps.rendering", folder, str(path), str(episodes), str(steps or 0)]
        command.append(str(_SEED if seed is None else seed))
        done = subprocess.run(
            command, env={"MUJOCO_GL": "egl", **os.environ}, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PolicyError(
            f"`MuJoCo renders` must hold, but it ended with: {last}",
            code="rendering",
            help="on Debian install libegl1 and libgl1-mesa-dri, or set MUJOCO_GL=osmesa with libosmesa6",
        )
    return path


def _record(policy: Policy, path: Path, episodes: int, steps: int, seed: int) -> None:
    """What the process of its own does."""
    from imageio_ffmpeg import write_frames

    env = _make(policy.description.task)
    frames = _frames(env, policy, episodes, steps, seed)
    first = next(frames)
    height, width = first.shape[:2]
    writer = write_frames(str(path), (width, height), fps=_FPS, macro_block_size=2, quality=7)
    writer.send(None)
    writer.send(first.tobytes())
    for frame in frames:
        writer.send(frame.tobytes())
    writer.close()
    env.close()


def _make(task: str) -> Any:
    import gymnasium

    from environments.safety_gymnasium import make

    env_id = find_task(task).env_id
    if not env_id.startswith("Safety"):
        return gymnasium.make(env_id, render_mode="rgb_array")
    env = make(env_id, render_mode="rgb_array")
    view = getattr(env.unwrapped, "render_parameters", None)
    if view is not None:  # from above, so that the walls, goals and hazards around the robot are seen
        view.camera_name, view.width, view.height = "fixedfar", _SIZE, _SIZE
    return env


def _frames(env: Any, policy: Policy, episodes: int, steps: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    from gymnasium.spaces.utils import flatten

    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        yield np.ascontiguousarray(env.render())
        ended, shown = False, 0
        while not ended and (shown < steps or not steps):
            shown += 1
            result = env.step(policy.act(np.asarray(flatten(env.observation_space, observation))))
            observation, ended = result[0], bool(result[-3] or result[-2])
            cost = result[2] if len(result) == 6 else result[4].get("cost", 0.0)
            yield _bordered(np.array(env.render()), bool(cost > 0))


def _bordered(frame: NDArray[np.uint8], costs: bool) -> NDArray[np.uint8]:
    if costs:
        for side in (np.s_[:_BORDER], np.s_[-_BORDER:], np.s_[:, :_BORDER], np.s_[:, -_BORDER:]):
            frame[side] = _RED
    return frame


if __name__ == "__main__":
    _record(load_policy(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6]))
