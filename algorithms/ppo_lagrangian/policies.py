"""The policies in a checkpoint, as plain arrays; reading them builds no algorithm and needs no Ray.

Axes: S seeds, O observation entries, A action entries.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.networks import Layout
from algorithms.normalizer import Moments, Normalizer

_WEIGHTS = Path("learner_group/learner/rl_module/default_policy/module_state.pkl")
_STATISTICS = Path("env_runner/state.pkl")


def checkpoint_policies(
    checkpoint: Path, hidden_sizes: Sequence[int], action_size: int, *, normalized: bool
) -> dict[str, NDArray[Any]]:
    """Reads the policies of all seeds of a checkpoint.

    Args:
        checkpoint: Folder that the algorithm wrote; files in it are unpickled, so it must be one of our own.
        hidden_sizes: Units of each hidden layer.
        action_size: A.
        normalized: Whether observations were normalized.

    Returns:
        `layer<i>.weight` `[S, inputs, outputs]` and `layer<i>.bias` `[S, outputs]` float32 of the network of the mean
        action, `log_std` `[S, A]` float32, and `observation_mean`, `observation_std` `[S, O]` float64.
    """
    matrix = torch.as_tensor(np.asarray(_unpickle(checkpoint / _WEIGHTS)["matrix"]))
    statistics = _unpickle(checkpoint / _STATISTICS)["normalizer"]
    num_seeds, observation_size = statistics[1].shape
    normalizer = Normalizer(num_seeds, observation_size, enabled=normalized)
    normalizer.set_moments(Moments(*statistics))
    mean, std = normalizer.scale()
    layout = Layout(observation_size, tuple(hidden_sizes), action_size)
    rows = matrix[:: matrix.shape[0] // num_seeds]
    tensors: dict[str, NDArray[Any]] = {"observation_mean": mean, "observation_std": std}
    for index, layer in enumerate(layout.layers(rows)):
        tensors[f"layer{index}.weight"] = layer.weight.numpy()
        tensors[f"layer{index}.bias"] = layer.bias[:, 0].numpy()
    return {**tensors, "log_std": layout.log_std(rows).numpy()}


def _unpickle(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return pickle.load(file)
