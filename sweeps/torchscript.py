"""A policy as a TorchScript module, which runs in Python or C++ without Lagsweep."""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sweeps.policy import Policy


class PolicyModule(nn.Module):
    """Maps observations `[N, O]` float32, as the environment gives them, to its most likely actions `[N, A]`."""

    mean: Tensor
    inverse_std: Tensor
    bounded: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        scales = policy.scales()
        bounded = np.isfinite(scales["low"]) & np.isfinite(scales["high"])
        low, high = np.where(bounded, scales["low"], -1.0), np.where(bounded, scales["high"], 1.0)
        for name, array in (
            ("mean", scales["mean"]), ("inverse_std", 1.0 / scales["std"]), ("bounded", bounded),
            ("scale", (high - low) / 2.0), ("shift", (high + low) / 2.0),
        ):  # fmt: skip
            self.register_buffer(name, torch.as_tensor(array, dtype=torch.bool if name == "bounded" else torch.float32))
        clip = policy.description.observation_clip
        self.clip = float("inf") if clip is None else clip
        self.relu = policy.description.activation == "relu"
        self.tanh = policy.description.squash == "tanh"
        self.layers = nn.ModuleList([_linear(weight, bias) for weight, bias in policy.layers()])

    def forward(self, observations: Tensor) -> Tensor:
        """Actions within the environment's bounds."""
        hidden = ((observations - self.mean) * self.inverse_std).clamp(-self.clip, self.clip)
        for layer in list(self.layers)[:-1]:
            hidden = layer(hidden)
            hidden = torch.relu(hidden) if self.relu else torch.tanh(hidden)
        output = self.layers[-1](hidden)
        squashed = torch.tanh(output) if self.tanh else output.clamp(-1.0, 1.0)
        return torch.where(self.bounded, squashed * self.scale + self.shift, output)


def save_torchscript(policy: Policy, path: Path) -> None:
    """Writes a policy as TorchScript.

    Args:
        policy: The policy.
        path: The file; its folder is made where it does not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    module = PolicyModule(policy).requires_grad_(requires_grad=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        torch.jit.save(torch.jit.trace(module, torch.zeros(2, policy.observation_size)), str(path))


def _linear(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    layer = nn.Linear(weight.shape[0], weight.shape[1])
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight.T.copy()))
        layer.bias.copy_(torch.as_tensor(bias.copy()))
    return layer
