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

from algorithms.networks import LayerLayout

_WEIGHTS = Path("learner_group/learner/rl_module/default_policy/module_state.pkl")


def checkpoint_policies(
    checkpoint: Path, hidden_sizes: Sequence[int], observation_size: int, action_size: int
) -> dict[str, NDArray[Any]]:
    """Reads the policies of all seeds of a checkpoint.

    Args:
        checkpoint: Folder that the algorithm wrote; files in it are unpickled, so it must be one of our own.
        hidden_sizes: Units of each hidden layer.
        observation_size: O.
        action_size: A.

    Returns:
        `layer<i>.weight` `[S, inputs, outputs]` and `layer<i>.bias` `[S, outputs]` float32 of the network of the means,
        whose tanh is the action; `log_std.weight` `[S, inputs, A]` and `log_std.bias` `[S, A]` float32, the head beside
        it for the logarithms of standard deviations, to be clamped to `LOG_STD_RANGE`; and `observation_mean`,
        `observation_std` `[S, O]` float64, which change nothing.
    """
    with (checkpoint / _WEIGHTS).open("rb") as file:
        rows = torch.as_tensor(np.asarray(pickle.load(file)["policies"]))
    layers = LayerLayout((observation_size, *hidden_sizes, 2 * action_size)).layers(rows)
    shape = (len(rows), observation_size)
    tensors: dict[str, NDArray[Any]] = {"observation_mean": np.zeros(shape), "observation_std": np.ones(shape)}
    *hidden, (weight, bias) = layers
    heads = weight.split(action_size, dim=2), bias.split(action_size, dim=2)
    (mean, log_std) = zip(*heads, strict=True)
    named = {**{f"layer{index}": layer for index, layer in enumerate([*hidden, mean])}, "log_std": log_std}
    for name, (weight, bias) in named.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = weight.numpy(), bias[:, 0].numpy()
    return tensors
