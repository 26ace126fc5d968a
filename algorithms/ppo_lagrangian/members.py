"""Taking a configuration out of a pack, and packing configurations that were trained apart.

Whatever an algorithm remembers of its runs is an array or a list with equally many entries a run, configuration by
configuration. So a configuration of M is the M-th part of each of them, and a pack their concatenation. A configuration
taken out is what an unpacked algorithm of it would have saved.
"""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ray.rllib.core import COMPONENT_ENV_RUNNER, COMPONENT_LEARNER, COMPONENT_LEARNER_GROUP, COMPONENT_RL_MODULE

from algorithms.ppo_lagrangian.config import PPOLagrangianConfig

_STATE = "ppo_lagrangian"
_STACKED = ("adam", "multipliers", "objective", "generators", "identity")


def member_config(config: PPOLagrangianConfig, member: int) -> PPOLagrangianConfig:
    """The config of one configuration of a pack, alone.

    Args:
        config: Of the pack.
        member: The configuration's place in it.

    Returns:
        A copy.
    """
    parameters, limits = config.members[member]
    alone = config.copy(copy_frozen=False).pack(())
    return alone.lagrangian(**parameters.model_dump(), cost_limit=limits)


def member_state(state: dict[str, Any], member: int, num_members: int) -> dict[str, Any]:
    """The state of one configuration of a pack, as an algorithm of it alone would have it.

    Args:
        state: What `get_state` of the pack's algorithm gave.
        member: The configuration's place in the pack.
        num_members: Configurations in the pack.

    Returns:
        A state; its arrays are views.
    """
    return _rebuilt([state], lambda branches: _part(branches[0], member, num_members))


def packed_state(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The state of a pack of configurations.

    Args:
        states: That of each configuration after the same iteration; what they share is taken from the first.

    Returns:
        A state for `set_state` of an algorithm that packs them.
    """
    return _rebuilt(states, _joined)


def saved_state(folder: Path | str) -> dict[str, Any]:
    """The state in a checkpoint, without building an algorithm.

    Args:
        folder: What RLlib's `save_to_path` wrote; files in it are unpickled, so it must be one of our own.

    Returns:
        What `get_state` gave; components are nested in it by their names.
    """
    folder = Path(folder)
    (file,) = folder.glob("*state.pkl")
    state: dict[str, Any] = pickle.loads(file.read_bytes())
    return state | {inner.name: saved_state(inner) for inner in folder.iterdir() if inner.is_dir()}


def _rebuilt(states: Sequence[dict[str, Any]], combine: Callable[[list[Any]], Any]) -> dict[str, Any]:
    """The first state with every branch that has entries a run replaced."""
    groups = [state[COMPONENT_LEARNER_GROUP] for state in states]
    learners = [group[COMPONENT_LEARNER] for group in groups]
    own = [learner[_STATE] for learner in learners]
    learner = {
        **learners[0],
        COMPONENT_RL_MODULE: combine([learner[COMPONENT_RL_MODULE] for learner in learners]),
        _STATE: {**own[0], **{name: combine([each[name] for each in own]) for name in _STACKED}},
    }
    return {
        **states[0],
        COMPONENT_ENV_RUNNER: combine([state[COMPONENT_ENV_RUNNER] for state in states]),
        COMPONENT_LEARNER_GROUP: {**groups[0], COMPONENT_LEARNER: learner},
    }


def _part(values: Any, index: int, count: int) -> Any:
    if isinstance(values, dict):
        return {name: _part(value, index, count) for name, value in values.items()}
    if isinstance(values, tuple):
        return tuple(_part(value, index, count) for value in values)
    if isinstance(values, np.ndarray | list):
        size, rest = divmod(len(values), count)
        assert rest == 0, f"{len(values)} entries are not those of {count} configurations"
        return values[index * size : (index + 1) * size]
    return values


def _joined(parts: list[Any]) -> Any:
    first = parts[0]
    if isinstance(first, dict):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(_joined(list(values)) for values in zip(*parts, strict=True))
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    return [entry for part in parts for entry in part] if isinstance(first, list) else first
