"""A random walk that worker processes can import, as `tests.environments.walk:WorkersWalk-v0`."""

import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box


class UnpicklableError(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class Walk(gymnasium.Env[Any, Any]):
    """Terminates beyond 4; a `faulty` one hangs, raises or is silent about its cost at an action above 0.9."""

    observation_space = Box(-np.inf, np.inf, (2,))
    action_space = Box(-1.0, 1.0, (1,))

    def __init__(self, *, faulty: str = "") -> None:
        self.faulty = faulty
        self.position = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.position = self.np_random.normal(size=2)
        return self.position.astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        fault = self.faulty if action[0] > 0.9 else ""
        if fault == "hangs":
            time.sleep(600.0)
        if fault == "raises":
            raise UnpicklableError("this", "that")
        self.position = self.position + self.np_random.normal(size=2) + action
        info = {"cost": float(abs(self.position[0]) > 1.0)} if fault != "silent" else {}
        return self.position.astype(np.float32), float(action.sum()), bool(abs(self.position[1]) > 4.0), False, info


gymnasium.register("WorkersWalk-v0", entry_point=Walk, max_episode_steps=12)
for name in ("hangs", "raises", "silent"):
    gymnasium.register(f"Walk{name.title()}-v0", entry_point=Walk, max_episode_steps=12, kwargs={"faulty": name})
